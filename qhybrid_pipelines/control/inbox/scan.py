"""The inbox folder: settled files become experiments, wrong ones go to quarantine with the reason beside them.

Nothing is lost: what was registered is moved to ``inbox/accepted/<key>/``, what was wrong to ``quarantine/`` together
with a ``.error.json``. A file is settled when it has not changed for `SETTLE_SECONDS`.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from qhybrid_pipelines.core.names import composed
from qhybrid_pipelines.core.specifications.specification_text import read_mapping

SETTLE_SECONDS = 3.0

#: Folder in the inbox for what was registered.
ACCEPTED_FOLDER = "accepted"
#: Ending of the file that says why another one was refused.
REASON_SUFFIX = ".error.json"
#: Most seconds, and gigabytes of memory, that reading one file of the inbox may take.
SECONDS_VARIABLE, MEMORY_VARIABLE = "QHYBRID_INBOX_SECONDS", "QHYBRID_INBOX_GB"
#: Longest name of a file on the file systems in use.
MAX_NAME_BYTES = 255
#: Fields of a specification that name files.
FILE_FIELDS = (
    ("problem", "source"),
    ("problem", "circuit"),
    ("sweep", "file"),
    ("dataset", "source"),
    ("circuit", "files"),
    ("reference", "file"),
)
_PART_OF_NAME = re.compile(r"[\w.-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedFile:
    """A file that was refused, where it lies now, and why."""

    name: str
    path: Path
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """What one scan of the inbox came to; ``waiting`` counts files that may still be written to."""

    registered: tuple[RegisteredExperiment, ...]
    quarantined: tuple[QuarantinedFile, ...]
    waiting: int


def scan_inbox(
    inbox: Path,
    quarantine: Path,
    registration: Registration,
    *,
    now: float | None = None,
    before_reading: Callable[[Sequence[Path]], None] = lambda _: None,
    on_outcome: Callable[[RegisteredExperiment | QuarantinedFile], None] = lambda _: None,
) -> ScanResult:
    """Register every settled file of the inbox; one wrong file never keeps another from being registered.

    A file is moved as soon as nothing else needs it, so that what was done before an end in the middle stays done.

    Args:
        inbox: folder that people drop files into; made when missing. Its subfolders are not scanned.
        quarantine: folder for refused files.
        registration: the door.
        now: seconds since the epoch; the clock when omitted.
        before_reading: told which files are read next, together.
        on_outcome: told what was registered and what was refused, at once.
    """
    inbox.mkdir(parents=True, exist_ok=True)
    moment = time.time() if now is None else now
    present = _present_files(inbox)
    # A file of the future is as settled as one of the past: clocks differ, archives keep the times of other machines.
    settled = {path for path, changed in present.items() if abs(moment - changed) >= SETTLE_SECONDS}
    groups = list(_group_files(list(present), settled, before_reading))
    uses = Counter(file for files in groups for file in files)
    registered: list[RegisteredExperiment] = []
    quarantined: list[QuarantinedFile] = []
    key_by_file: dict[Path, str] = {}
    reasons: dict[Path, Exception] = {}
    not_archived: list[Path] = []
    for files in groups:
        before_reading(files)
        try:
            for file in files:
                _check_regular_file(file)
            experiments = registration.register_files(files[0])
        except Exception as error:  # noqa: BLE001  one unreadable file must not stop the sensor; the reason is kept beside it
            reasons.update(dict.fromkeys(files, error))
        else:
            for experiment in experiments:
                registered.append(experiment)
                on_outcome(experiment)
            # What made several lies beside the first of them.
            key_by_file.update(dict.fromkeys(files, experiments[0].key))
        uses.subtract(files)
        for file in files:
            if uses[file]:
                continue  # another specification names it too
            # A problem file that a good specification used as well is registered, whatever a wrong one said about it.
            if file in key_by_file:
                not_archived += [] if _archive(file, inbox / ACCEPTED_FOLDER / key_by_file[file]) else [file]
            elif os.path.lexists(file):
                quarantined.append(quarantine_file(file, quarantine, reasons[file]))
                on_outcome(quarantined[-1])
    # What stood in the way may have been moved itself by now.
    left = [file for file in not_archived if not _archive(file, inbox / ACCEPTED_FOLDER / key_by_file[file])]
    waiting = len(present) - len(settled) + len(left)
    return ScanResult(registered=tuple(registered), quarantined=tuple(quarantined), waiting=waiting)


def count_settled(inbox: Path, *, now: float | None = None) -> tuple[int, int]:
    """Return how many files of the inbox are settled, and how many may still be written to."""
    moment = time.time() if now is None else now
    present = _present_files(inbox)
    settled = sum(abs(moment - changed) >= SETTLE_SECONDS for changed in present.values())
    return settled, len(present) - settled


def _present_files(inbox: Path) -> dict[Path, float]:
    found = sorted(inbox.iterdir()) if inbox.is_dir() else []
    return {path: changed for path in found if (changed := _modified_at(path)) is not None}


def _modified_at(path: Path) -> float | None:
    """Return when a file of the inbox changed last; None for hidden ones, folders, and what is gone already."""
    try:
        # lstat: a dangling link is a file that somebody dropped here, and is refused below.
        status = path.lstat()
    except OSError:
        return None
    return None if path.name.startswith(".") or stat.S_ISDIR(status.st_mode) else status.st_mtime


def _group_files(
    present: list[Path], settled: set[Path], before_reading: Callable[[Sequence[Path]], None]
) -> Iterator[list[Path]]:
    """Yield what belongs together, the file to register first: specification and problem file, problem file and sidecar.

    A group of which any file may still be written to is left for the next scan.
    """
    by_name = {composed(p.name): p for p in present}
    specifications = [p for p in present if p.suffix.lower() in SPECIFICATION_ENDINGS]
    sidecars = {p for p in specifications if p.suffix == ".yaml" and composed(p.stem) in by_name}
    groups = []
    for path in specifications:
        if path not in sidecars:
            before_reading([path])
            groups.append([path, *(by_name[name] for name in _mentioned_files(path, by_name))])
    used = {file for group in groups for file in group}
    for path in present:
        if path in used or (path in sidecars and by_name[composed(path.stem)] not in used):
            continue
        sidecar = by_name.get(composed(path.name) + ".yaml")
        groups.append([path, *([sidecar] if sidecar in sidecars else [])])
    return (group for group in groups if settled.issuperset(group))


def _mentioned_files(specification: Path, names: Iterable[str]) -> list[str]:
    """Return the files of the inbox that a specification names in any of its fields, also when it is wrong elsewhere.

    Where the text cannot be read as fields, every file whose name is in it belongs to it: registered by itself, such
    a file would become an experiment that nobody asked for.
    """
    others = [name for name in names if name != composed(specification.name)]
    try:
        _check_regular_file(specification)
        text = composed(read_text(specification, follow_links=False))
    except InvalidInput:
        return []
    try:
        fields = read_mapping(text, file=specification.name)[0]
        named = {Path(file) for file in _named_files(fields)}
    except (InvalidInput, TypeError, AttributeError):
        named = set()
    return [name for name in others if (Path(name) in named if named else _stands_in(name, text))]


def _named_files(fields: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a page names as a file, in each of the fields that may, also where it makes several experiments."""
    for section, field in FILE_FIELDS:
        varied = (fields.get("vary") or {}).get(f"{section}.{field}") or ()
        for value in (fields.get(section, {}).get(field), *varied):
            yield from [value] if isinstance(value, str) else value if isinstance(value, list) else ()


def _stands_in(name: str, text: str) -> bool:
    """Tell whether a file's name is in a text and is not part of a longer one.

    By hand: thousands of names are searched for in thousands of texts, and each pattern would be compiled again.
    """
    place = text.find(name)
    while place >= 0:
        end = place + len(name)
        if not any(_PART_OF_NAME.match(neighbour) for neighbour in (text[place - 1 : place], text[end : end + 1])):
            return True
        place = text.find(name, place + 1)
    return False


def too_large_error(name: str) -> InvalidInput:
    """Return the reason for a file whose reading was given up."""
    return InvalidInput(
        f"reading it took more time or memory than the inbox gives to one file ({SECONDS_VARIABLE}, {MEMORY_VARIABLE})",
        remedy="Make it smaller, raise these settings, or run it by hand: `qhybrid run FILE` has no such limit.",
        file=name,
    )


def _check_regular_file(path: Path) -> None:
    if path.is_symlink() or not path.is_file():
        raise InvalidInput(
            "links and special files are not followed", remedy="Copy the file itself into the inbox.", file=path.name
        )


def _archive(path: Path, folder: Path) -> bool:
    """Move a file that was registered; False leaves it for the next scan, which registers it again to no effect."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.replace(_free_path(folder, path.name))
    except OSError:
        return False
    return True


def quarantine_file(path: Path, folder: Path, error: Exception) -> QuarantinedFile:
    """Move a file to quarantine, and write beside it why."""
    if isinstance(error, MemoryError):
        error = too_large_error(path.name)
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
