"""The inbox folder: settled files become experiments, wrong ones go to quarantine with the reason beside them.

Nothing is lost: what was taken in is moved to ``inbox/accepted/<key>/``, what was wrong to ``quarantine/`` together
with a ``.error.json``. A file is settled when it has not changed for `SETTLE_SECONDS`.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhybrid_pipelines.control.experiments.registration import (
    SPECIFICATION_ENDINGS,
    RegisteredExperiment,
    Registration,
    read_text,
)
from qhybrid_pipelines.core.errors import InvalidInput, QHybridError
from qhybrid_pipelines.core.specification_text import read_mapping

SETTLE_SECONDS = 3.0

#: Folder in the inbox for what was taken in.
ACCEPTED_FOLDER = "accepted"
#: Ending of the file that says why another one was refused.
REASON_SUFFIX = ".error.json"
#: Longest name of a file on the file systems in use.
MAX_NAME_BYTES = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedFile:
    """A file that was refused, where it lies now, and why."""

    name: str
    path: Path
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """What one look at the inbox came to; ``waiting`` counts files that may still be written to."""

    registered: tuple[RegisteredExperiment, ...]
    quarantined: tuple[QuarantinedFile, ...]
    waiting: int


def scan_inbox(inbox: Path, quarantine: Path, registration: Registration, *, now: float | None = None) -> ScanResult:
    """Take in every settled file of the inbox; one wrong file never keeps another from being taken in.

    Args:
        inbox: folder that people drop files into; made when missing. Its subfolders are not looked into.
        quarantine: folder for refused files.
        registration: the door.
        now: seconds since the epoch; the clock when omitted.
    """
    inbox.mkdir(parents=True, exist_ok=True)
    moment = time.time() if now is None else now
    present = {path: changed for path in sorted(inbox.iterdir()) if (changed := _modified_at(path)) is not None}
    # A file of the future is as settled as one of the past: clocks differ, archives keep the times of other machines.
    settled = {path for path, changed in present.items() if abs(moment - changed) >= SETTLE_SECONDS}
    registered: list[RegisteredExperiment] = []
    refusals: list[tuple[list[Path], Exception]] = []
    key_by_file: dict[Path, str] = {}
    for files in _group_files(list(present), settled):
        try:
            for file in files:
                _check_regular_file(file)
            experiment = registration.register_file(files[0])
        except Exception as error:  # noqa: BLE001  one unreadable file must not stop the sensor; the reason is kept beside it
            refusals.append((files, error))
        else:
            registered.append(experiment)
            key_by_file.update(dict.fromkeys(files, experiment.key))
    # A problem file that a good specification used as well is taken in, whatever a wrong one said about it.
    reasons = {file: error for files, error in refusals for file in files if file not in key_by_file}
    quarantined = tuple(
        _quarantine(file, quarantine, error) for file, error in reasons.items() if os.path.lexists(file)
    )
    archived = [_archive(file, inbox / ACCEPTED_FOLDER / key) for file, key in key_by_file.items()]
    waiting = len(present) - len(settled) + archived.count(False)
    return ScanResult(registered=tuple(registered), quarantined=quarantined, waiting=waiting)


def _modified_at(path: Path) -> float | None:
    """Return when a file of the inbox changed last; None for hidden ones, folders, and what is gone already."""
    try:
        # lstat: a dangling link is a file that somebody dropped here, and is refused below.
        status = path.lstat()
    except OSError:
        return None
    return None if path.name.startswith(".") or stat.S_ISDIR(status.st_mode) else status.st_mtime


def _group_files(present: list[Path], settled: set[Path]) -> Iterator[list[Path]]:
    """Yield what belongs together, the file to take in first: specification and problem file, problem file and sidecar.

    A group of which any file may still be written to is left for the next look.
    """
    by_name = {p.name: p for p in present}
    specifications = [p for p in present if p.suffix.lower() in SPECIFICATION_ENDINGS]
    sidecars = {p for p in specifications if p.suffix == ".yaml" and p.stem in by_name}
    groups = [
        [path, *(by_name[name] for name in _mentioned_files(path, by_name))]
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


def _mentioned_files(specification: Path, names: Iterable[str]) -> list[str]:
    """Return the files of the inbox that a specification names as problem, circuit or data, also when it is wrong elsewhere.

    Where the text cannot be read as fields, every file whose name stands in it belongs to it: taken in by itself, such
    a file would become an experiment that nobody asked for.
    """
    others = [name for name in names if name != specification.name]
    try:
        _check_regular_file(specification)
        text = read_text(specification)
    except InvalidInput:
        return []
    try:
        fields = read_mapping(text, file=specification.name)[0]
        problem = fields["dataset" if fields.get("kind") == "qml" else "problem"]
        named = [Path(problem["source"]), *([Path(problem["circuit"])] if problem.get("circuit") else [])]
    except (InvalidInput, KeyError, TypeError, AttributeError):
        return [name for name in others if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", text)]
    return [name for name in others if Path(name) in named]


def _check_regular_file(path: Path) -> None:
    if path.is_symlink() or not path.is_file():
        raise InvalidInput(
            "links and special files are not followed", remedy="Copy the file itself into the inbox.", file=path.name
        )


def _archive(path: Path, folder: Path) -> bool:
    """Move a file that was taken in; False leaves it for the next look, which takes it in again to no effect."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.replace(_free_path(folder, path.name))
    except OSError:
        return False
    return True


def _quarantine(path: Path, folder: Path, error: Exception) -> QuarantinedFile:
    folder.mkdir(parents=True, exist_ok=True)
    target = _free_path(folder, path.name, companion_suffix=REASON_SUFFIX)
    details: dict[str, Any] = (
        error.details()
        if isinstance(error, QHybridError)
        else {
            "error": type(error).__name__,
            "problem": str(error),
            "remedy": "Report this: the file was not understood.",
        }
    )
    record = {"quarantined": path.name, "message": str(error), **details}
    # The reason is written before the file moves: a crash in between leaves the file in the inbox, to be refused again.
    target.with_name(target.name + REASON_SUFFIX).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    path.replace(target)
    return QuarantinedFile(name=path.name, path=target, reason=str(error))


def _free_path(folder: Path, name: str, *, companion_suffix: str = "") -> Path:
    """Return a place in a folder for a file, and for one with the ending ``companion_suffix``; what is there is never replaced.

    A name that with a number or that ending would be longer than any file's loses its end.
    """
    stem, suffix = Path(name).stem, Path(name).suffix
    room = MAX_NAME_BYTES - len(os.fsencode(f".9999{suffix}{companion_suffix}"))
    if room < 1:
        suffix, room = "", MAX_NAME_BYTES - len(f".9999{companion_suffix}")
    cut = os.fsdecode(os.fsencode(stem)[:room])
    whole = [name] if len(os.fsencode(name + companion_suffix)) <= MAX_NAME_BYTES else []
    numbered = (f"{cut}.{number}{suffix}" for number in itertools.count(2))
    return next(
        folder / free
        for free in itertools.chain(whole, numbered)
        if not os.path.lexists(folder / free)
        and not (companion_suffix and os.path.lexists(folder / f"{free}{companion_suffix}"))
    )
