"""Locks by name, shared by all processes of one machine, that the kernel gives back when their holder dies.

A lease in a table has to outlive the slowest provider call and then keeps a restart waiting for it; a lock of the
kernel is gone with its process. Each name is one byte of a single lock file (POSIX record locks reach beyond its end).
Such locks belong to a process, so threads of one process are kept apart by a set in memory.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from qhybrid_pipelines.core.errors import QHybridError


class LockBusy(QHybridError):
    """Somebody else holds a lock for longer than the caller would wait."""

    exit_code = 3


class LockFileUnusable(QHybridError):
    """The file that carries the locks may not be opened; waiting would not help."""

    exit_code = 3


class NamedLocks(Protocol):
    """Locks by name, which are given back when their holder dies."""

    def __call__(self, name: str, *, timeout_seconds: float) -> AbstractContextManager[None]:
        """Hold the lock ``name`` for the length of a ``with`` block, or raise `LockBusy`."""


_guard = threading.Lock()
_held: set[tuple[str, int]] = set()
_descriptors: dict[str, int] = {}


@contextmanager
def hold_lock(path: Path, name: str, *, timeout_seconds: float) -> Iterator[None]:
    """Hold the lock ``name`` of the lock file ``path`` for the length of a ``with`` block.

    Raises:
        LockBusy: somebody else holds it for longer than ``timeout_seconds``.
        LockFileUnusable: the lock file belongs to somebody who does not share it.
    """
    file, byte = str(path), lock_key(name)
    deadline = time.monotonic() + timeout_seconds
    pause = 0.001
    while not _try(file, byte):
        if time.monotonic() >= deadline:
            raise LockBusy(
                f"'{name}' has been locked by another process for more than {timeout_seconds:g} s. Try again later, "
                "or end the process that holds it; nothing was changed."
            )
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
    try:
        yield
    finally:
        _release(file, byte)


def lock_key(name: str) -> int:
    """Return the number that stands for a name, below 2**62; collisions are practically impossible."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 2


def _try(file: str, byte: int) -> bool:
    with _guard:
        if (file, byte) in _held:
            return False
        try:
            descriptor = _descriptor(file)
        except PermissionError as error:
            raise LockFileUnusable(
                f"the lock file {file} cannot be opened: {error.strerror}. It belongs to another user: give the group the "
                "right to write to it (chmod g+w), and let its users have umask 002."
            ) from None
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except (BlockingIOError, PermissionError):  # POSIX allows EAGAIN and EACCES for a lock that is taken
            return False
        _held.add((file, byte))
        return True


def _release(file: str, byte: int) -> None:
    with _guard:
        _held.discard((file, byte))
        fcntl.lockf(_descriptors[file], fcntl.LOCK_UN, 1, byte)


def _descriptor(file: str) -> int:
    """Return this process's one descriptor of a lock file: closing a second one would drop all locks of the first."""
    known = _descriptors.get(file)
    if known is not None and _same_file(known, file):
        return known
    # Whoever may write to the ledger beside it may lock it: the umask decides, as for all other files of the home.
    _descriptors[file] = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    return _descriptors[file]


def _same_file(descriptor: int, file: str) -> bool:
    """Return whether the path still names the file that was opened: somebody may have removed the whole folder."""
    try:
        return os.path.samestat(os.fstat(descriptor), Path(file).stat())
    except FileNotFoundError:
        return False


def _drop_inherited_locks() -> None:
    """A forked child holds none of its parent's record locks, and must not inherit a guard that was taken."""
    global _guard  # noqa: PLW0603 - the module's own lock has to be replaced as a whole
    _guard = threading.Lock()
    _held.clear()


os.register_at_fork(after_in_child=_drop_inherited_locks)
