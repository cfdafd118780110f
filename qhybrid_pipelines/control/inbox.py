"""The inbox folder: settled files become experiments, wrong ones go to quarantine with the reason beside them.

Nothing is lost: what was taken in is moved to ``inbox/accepted/<key>/``, what was wrong to ``quarantine/`` together
with a ``.error.json``. A file is settled when it has not changed for `SETTLE_SECONDS`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhybrid_pipelines.control.intake import SPECIFICATION_ENDINGS, Accepted, Intake
from qhybrid_pipelines.core.errors import InvalidInput, QHybridError

SETTLE_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A file that was refused, where it lies now, and why."""

    name: str
    path: Path
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What one look at the inbox came to; ``waiting`` counts files that may still be written to."""

    accepted: tuple[Accepted, ...]
    quarantined: tuple[Quarantined, ...]
    waiting: int


def scan(inbox: Path, quarantine: Path, intake: Intake, *, now: float | None = None) -> Scan:
    """Take in every settled file of the inbox; one wrong file never keeps another from being taken in.

    Args:
        inbox: folder that people drop files into; made when missing. Its subfolders are not looked into.
        quarantine: folder for refused files.
        intake: the door.
        now: seconds since the epoch; the clock when omitted.
    """
    inbox.mkdir(parents=True, exist_ok=True)
    moment = time.time() if now is None else now
    # lexists: a dangling link is a file that somebody dropped here, and is refused below.
    present = [p for p in sorted(inbox.iterdir()) if not p.name.startswith(".") and (p.is_symlink() or not p.is_dir())]
    settled = {p for p in present if moment - p.lstat().st_mtime >= SETTLE_SECONDS}
    accepted: list[Accepted] = []
    refusals: list[tuple[list[Path], Exception]] = []
    taken: dict[Path, str] = {}
    for files in _submissions(present, settled):
        try:
            for file in files:
                _plain(file)
            experiment = intake.accept_file(files[0])
        except InvalidInput as error:
            refusals.append((files, error))
        except Exception as error:  # noqa: BLE001  one unreadable file must not stop the sensor; the reason is kept beside it
            refusals.append((files, error))
        else:
            accepted.append(experiment)
            taken.update(dict.fromkeys(files, experiment.key))
    for file, key in taken.items():
        folder = inbox / "accepted" / key
        folder.mkdir(parents=True, exist_ok=True)
        file.replace(folder / file.name)
    # A problem file that a good specification used as well is taken in, whatever a wrong one said about it.
    reasons = {file: error for files, error in refusals for file in files if file not in taken}
    quarantined = tuple(_quarantine(file, quarantine, error) for file, error in reasons.items())
    return Scan(accepted=tuple(accepted), quarantined=quarantined, waiting=len(present) - len(settled))


def _submissions(present: list[Path], settled: set[Path]) -> Iterator[list[Path]]:
    """Yield what belongs together, the file to take in first: specification and problem file, problem file and sidecar.

    A group of which any file may still be written to is left for the next look.
    """
    by_name = {p.name: p for p in present}
    specifications = [p for p in present if p.suffix.lower() in SPECIFICATION_ENDINGS]
    sidecars = {p for p in specifications if p.suffix == ".yaml" and p.stem in by_name}
    groups = [
        [path, *(by_name[name] for name in _names_mentioned(path, by_name))]
        for path in specifications
        if path not in sidecars
    ]
    used = {file for group in groups for file in group}
    for path in present:
        if path in used or (path in sidecars and by_name[path.stem] not in used):
            continue
        sidecar = by_name.get(path.name + ".yaml")
        groups.append([path, *([sidecar] if sidecar in sidecars else [])])
    return (group for group in groups if settled.issuperset(group))


def _names_mentioned(specification: Path, names: Iterable[str]) -> list[str]:
    """Return the files of the inbox that a specification names, also when it is wrong elsewhere."""
    try:
        text = specification.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [name for name in names if name != specification.name and name in text]


def _plain(path: Path) -> None:
    if path.is_symlink() or not path.is_file():
        raise InvalidInput(
            "links and special files are not followed", remedy="Copy the file itself into the inbox.", file=path.name
        )


def _quarantine(path: Path, folder: Path, error: Exception) -> Quarantined:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / path.name
    number = 1
    while os.path.lexists(target):
        number += 1
        target = folder / f"{path.stem}.{number}{path.suffix}"
    details: dict[str, Any] = (
        error.details()
        if isinstance(error, QHybridError)
        else {
            "error": type(error).__name__,
            "message": str(error),
            "remedy": "Report this: the file was not understood.",
        }
    )
    record = {"file": path.name, "message": str(error), **details}
    # The reason is written before the file moves: a crash in between leaves the file in the inbox, to be refused again.
    target.with_name(target.name + ".error.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    path.replace(target)
    return Quarantined(name=path.name, path=target, reason=str(error))
