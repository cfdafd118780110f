"""Temporary files of a test run, in memory where there is plenty: a ledger waits for the disk at every step, thousands of times."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path
from typing import IO

import psutil

#: Names another folder for temporary files, such as /tmp. Workers and what they start find the chosen one there.
FOLDER_VARIABLE = "QHYBRID_TEST_FOLDER"
MEMORY = Path("/dev/shm")
#: The whole suite was seen to need less than one; the rest of the machine has to live as well.
LEAST_FREE_BYTES = 8 * 2**30
PREFIX = "qhybrid-"
LOCK_NAME = "in-use"
MULTIPROCESSING_PREFIX = "pymp-"
A_DAY_SECONDS = 86_400


@dataclass
class TemporaryFiles:
    """The folder of a run; made here, it is locked until the run ends.

    Attributes:
        folder: in which everything temporary is written; None for that of the system.
        reason: why it was chosen, for a reader.
        lock: the open lock; None if somebody else made the folder.
    """

    folder: Path | None
    reason: str
    lock: IO[str] | None = None

    def use(self) -> None:
        """Make this process, and those that it starts, write there."""
        if self.folder is not None:
            os.environ |= {FOLDER_VARIABLE: str(self.folder), "TMPDIR": str(self.folder)}
            tempfile.tempdir = str(self.folder)

    def end(self, *, keep: bool) -> None:
        """Give the memory back, unless somebody wants to read what is there: then it is kept until the next run."""
        if self.lock is None or self.folder is None:
            return
        if keep:
            self.lock.close()
        elif any(self.folder.glob(f"{MULTIPROCESSING_PREFIX}*")):
            # Processes that are still to end have their sockets there; `multiprocessing` removes those last of all, and we after it.
            Finalize(None, _remove, args=[self.folder, self.lock], exitpriority=-1000)
        else:
            _remove(self.folder, self.lock)
        self.lock = None


def _remove(folder: Path, lock: IO[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.close()


def choose(
    environment: Mapping[str, str], memory: Path = MEMORY, least_free_bytes: int = LEAST_FREE_BYTES
) -> TemporaryFiles:
    """Choose the folder of a run, and remove those of runs that have ended.

    Args:
        environment: variables of the process; :data:`FOLDER_VARIABLE` decides.
        memory: where a file system in memory is expected.
        least_free_bytes: free there, and free on the machine, without which the disk is used.
    """
    if named := environment.get(FOLDER_VARIABLE):
        return TemporaryFiles(Path(named), f"named by {FOLDER_VARIABLE}")
    if not (memory.is_dir() and os.access(memory, os.W_OK | os.X_OK)):
        return TemporaryFiles(None, f"{memory} is missing, or cannot be written to")
    if os.statvfs(memory).f_flag & os.ST_NOEXEC:
        return TemporaryFiles(None, f"no program may run from {memory}")
    remove_left_over(memory)
    free = min(shutil.disk_usage(memory).free, psutil.virtual_memory().available)
    if free < least_free_bytes:
        return TemporaryFiles(
            None, f"{memory} has {free / 2**30:.1f} GB of memory left, less than {least_free_bytes / 2**30:.0f} GB"
        )
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=memory))
    folder.chmod(0o1777)  # as /tmp: Postgres runs as another user, if we are root
    lock = locked(folder / LOCK_NAME)
    return TemporaryFiles(folder, f"in memory; {FOLDER_VARIABLE}=/tmp avoids that", lock)


def locked(file: Path) -> IO[str] | None:
    """Return the file, opened and locked, as long as no other process has locked it."""
    import fcntl  # not on Windows, which has no such folder either

    opened = file.open("a")
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        opened.close()
        return None
    return opened


def remove_left_over(memory: Path) -> None:
    """Remove folders of runs that have failed or were killed; nobody holds their locks any more.

    What a process has written after its run had given everything back has no lock; it goes a day later.
    """
    for folder in memory.glob(f"{PREFIX}*"):
        with suppress(FileNotFoundError):  # another run removes it at this moment
            lock_file = folder / LOCK_NAME
            if not lock_file.is_file():
                if time.time() - folder.stat().st_mtime > A_DAY_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)
            elif os.access(lock_file, os.W_OK) and (lock := locked(lock_file)):
                shutil.rmtree(folder, ignore_errors=True)
                lock.close()
