"""Whole files only: written under another name, flushed, renamed into place; and what a killed process left behind is removed.

An unfinished file or folder carries the name of the process that writes it (`core.system.processes`). `remove_leftovers`
removes what no living process owns.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qhybrid_pipelines.core.system.processes import is_on_this_machine, process_has_ended, process_name

_TEMPORARY_NAME = re.compile(r"(?P<owner>\d+\.\d+\.[0-9a-f]{12})-[0-9a-f]{16}-.*")
#: A folder of somebody else, and one on a file system that is mounted to be read.
NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}


def write_bytes(path: Path, data: bytes, *, tmp: Path | None = None, durable: bool = True) -> None:
    """Write a file so that every reader sees the old content or the whole new one.

    Args:
        path: of the file; missing folders are made.
        data: its content.
        tmp: folder for the unfinished file, on the same file system; by default the file's own.
        durable: also after a power cut, for the price of waiting for the disk. Without it a power cut may leave a
            damaged file, which only suits what is checked when it is read and can be made again.
    """
    with _unfinished_file(path, data, tmp or path.parent) as partial:
        if durable:
            promote(partial, path)
        else:
            make_folder(path.parent)
            partial.replace(path)


def append(path: Path, data: bytes) -> int:
    """Add bytes to the end of a file durably, and return its size; a crash may leave the beginning of them."""
    make_folder(path.parent)
    with path.open("ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def write_once(path: Path, data: bytes) -> bytes:
    """Write a file durably unless it is there already, and return its content.

    The file is complete and on the disk before it gets its name, and giving a name that is taken fails: of two racing
    writers one wins, and both are told the winner's content.
    """
    with _unfinished_file(path, data, path.parent) as partial:
        _flush(partial)
        try:
            os.link(partial, path)
        except FileExistsError:
            return path.read_bytes()
    _flush(path.parent)
    return data


def promote(built: Path, path: Path) -> None:
    """Flush a finished file to the disk and rename it to ``path``, replacing what is there in one step."""
    _flush(built)
    make_folder(path.parent)
    built.replace(path)
    _flush(path.parent)


def make_with_usual_permissions(path: Path) -> None:
    """Make a file that is not there, so that the umask decides who may write to it and to its log; SQLite would let its owner only.

    One that is there is not opened: closing it would drop SQLite's locks on it where it is open elsewhere in this process, and another
    process that closes it would take itself for the last one and remove the log, with what is committed to it afterwards.
    """
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o666))


def give_usual_permissions(built: Path) -> None:
    """Let the umask decide who may write to a file, or to the files of a folder, that SQLite made for its owner only.

    Args:
        built: lies in a folder that this process made, so that the folder's permissions tell the umask.
    """
    mode = built.parent.stat().st_mode & 0o666
    for file in [built, *built.rglob("*")]:
        if file.is_file():
            file.chmod(mode)


@contextmanager
def scratch_folder(tmp: Path, *, or_temporary: bool = False) -> Iterator[Path]:
    """Give an empty folder of this process's own, for files that are built in steps; it is removed at the end.

    Args:
        tmp: it lies in this folder, which is made.
        or_temporary: where ``tmp`` may not be written to, it lies in the system's folder for temporary files: for commands
            that only read, and move nothing from it into place.
    """
    name = _temporary_name("scratch")
    folder = tmp / name
    try:
        make_folder(tmp)
        folder.mkdir()
    except OSError as error:
        if not or_temporary or error.errno not in NOT_WRITABLE:
            error.filename = str(tmp)  # the folder that a person can check; the other one does not exist
            raise
        folder = Path(tempfile.mkdtemp(suffix=f".{name}"))
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


def remove_leftovers(folder: Path) -> tuple[str, ...]:
    """Remove what dead processes left unfinished in a folder and return the names of what was removed.

    Entries of living processes stay, and so does everything whose name is not one of ours. An owner on another machine, or
    before the last boot, cannot be asked, whatever the clocks say: its entries stay too (`foreign_leftovers`).
    """
    if not folder.is_dir():
        return ()
    removed = []
    for entry in sorted(entry for entry in folder.iterdir() if _TEMPORARY_NAME.fullmatch(entry.name)):
        if not process_has_ended(entry.name.partition("-")[0]):
            continue
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
        removed.append(entry.name)
    return tuple(removed)


def is_unfinished(name: str) -> bool:
    """Tell whether a name is that of a file or folder that some process has not finished."""
    return _TEMPORARY_NAME.fullmatch(name) is not None


def foreign_leftovers(folder: Path) -> tuple[Path, ...]:
    """Return what is unfinished in a folder and belongs to a process that nobody on this machine can ask about."""
    if not folder.is_dir():
        return ()
    unfinished = (entry for entry in folder.iterdir() if is_unfinished(entry.name))
    return tuple(sorted(entry for entry in unfinished if not is_on_this_machine(entry.name.partition("-")[0])))


@contextmanager
def _unfinished_file(path: Path, data: bytes, tmp: Path) -> Iterator[Path]:
    """Give a file with content under a name of this process's own, which is gone at the end."""
    make_folder(tmp)
    partial = tmp / _temporary_name(path.name)
    try:
        with partial.open("xb") as file:
            file.write(data)
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def _temporary_name(name: str) -> str:
    """Return a name for what shall become ``name``, with an ending of its own so that no search by ending finds it."""
    return f"{process_name()}-{secrets.token_hex(8)}-{name}.tmp"


def _flush(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
