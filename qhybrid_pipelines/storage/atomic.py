"""Whole files only: written beside, flushed, renamed into place; and what a killed process left behind is removed.

An unfinished file or folder lies in the home's ``tmp`` and carries its owner in its name: process id, start time of
that process, and the machine it runs on. `remove_leftovers` removes what no living process owns.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.storage.layout import Home

_PROCESS = r"(?P<pid>\d+)\.(?P<start>\d+)\.(?P<machine>[0-9a-f]{12})"
_TEMPORARY_NAME = re.compile(f"^{_PROCESS}-")

#: An owner on another machine, or before the last boot, cannot be asked; a file that nobody touched for a day is left over.
OTHER_MACHINE_AGE_SECONDS = 86_400.0


def write_bytes(path: Path, data: bytes, *, tmp: Path) -> None:
    """Write a file so that every reader sees the old content or the whole new one, also after a power cut.

    Args:
        path: where the file shall stand; missing folders are made.
        data: its content.
        tmp: folder for the unfinished file, on the same file system.
    """
    make_folder(tmp)
    partial = tmp / _temporary_name(path.name)
    try:
        with partial.open("xb") as file:
            file.write(data)
        promote(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def promote(built: Path, path: Path) -> None:
    """Flush a finished file to the disk and rename it to ``path``, replacing what is there in one step."""
    _flush(built)
    make_folder(path.parent)
    built.replace(path)
    _flush(path.parent)


@contextmanager
def scratch_folder(tmp: Path) -> Iterator[Path]:
    """Give an empty folder of this process's own, for files that are built in steps; it is removed at the end."""
    make_folder(tmp)
    folder = tmp / _temporary_name("scratch")
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Create a folder and those above it, each one flushed, so that a power cut cannot take a file's folder away."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _flush(folder.parent)


def remove_leftovers(home: Home) -> tuple[str, ...]:
    """Remove what dead processes left in ``tmp`` and return the names of what was removed.

    Entries of living processes stay, and so does everything whose name is not one of ours.
    """
    removed = []
    for entry in sorted(home.tmp.iterdir()) if home.tmp.is_dir() else ():
        owner = _TEMPORARY_NAME.match(entry.name)
        if owner and _is_leftover(entry, owner):
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
            removed.append(entry.name)
    return tuple(removed)


def process_name() -> str:
    """Return what tells this process from all others: process id, start time, machine."""
    pid = os.getpid()
    return f"{pid}.{_start_time(pid) or 0}.{_machine()}"


def process_has_ended(process: str) -> bool:
    """Tell whether the process of this name has ended for certain; one on another machine cannot be asked."""
    owner = re.fullmatch(_PROCESS, process)
    return (
        owner is not None and owner["machine"] == _machine() and _start_time(int(owner["pid"])) != int(owner["start"])
    )


def _temporary_name(suffix: str) -> str:
    return f"{process_name()}-{secrets.token_hex(8)}-{suffix}"


def _is_leftover(entry: Path, owner: re.Match[str]) -> bool:
    if owner["machine"] == _machine():
        return _start_time(int(owner["pid"])) != int(owner["start"])
    try:
        return time.time() - entry.stat().st_mtime > OTHER_MACHINE_AGE_SECONDS
    except FileNotFoundError:
        return False


def _start_time(pid: int) -> int | None:
    """Return when a living process started, in clock ticks since boot, or None if there is no such process.

    A zombie counts as dead. Without ``/proc`` the start is not known: 0 for any living process, which keeps files of
    a dead one whose id was given again.
    """
    if not Path("/proc/self/stat").exists():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            return 0
        return 0
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the command in parentheses and may hold anything; state is field 3, start time field 22.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


@cache
def _machine() -> str:
    """Return a tag of host, boot and process-id namespace: equal tags mean that process ids can be compared."""
    parts = [os.uname().nodename]
    for source in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        path = Path(source)
        try:
            parts.append(str(path.readlink()) if path.is_symlink() else path.read_text().strip())
        except OSError:
            parts.append("")
    return sha256_hex("\n".join(parts))[:12]


def _flush(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
