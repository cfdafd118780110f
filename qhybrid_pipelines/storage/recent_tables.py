"""Small tables of the lake that were read last, kept in memory.

A run of many experiments reads each of their files several times: the check of its schema, and every asset that follows. A file is
never changed, only replaced by another one, so that what was read of it holds for as long as the opened file is that very one.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import pyarrow as pa

    from qhybrid_pipelines.storage.schemas import Table

#: Device, inode, bytes, and times of change of content and of the file itself.
FileIdentity = tuple[int, int, int, int, int]

#: Larger ones take longer to read than to find out that they are the same, and memory that their readers need.
MAX_TABLE_BYTES = 1 << 16
MAX_BYTES = 1 << 25
#: No file system in use here notes times more coarsely than the kernel's slowest tick, 10 ms.
TICK_SECONDS = 0.02


class RecentTables:
    """Tables by the address of their file; those that nobody asked for the longest go first."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[FileIdentity, Table, pa.Table]] = OrderedDict()

    def find(self, address: str, identity: FileIdentity | None, table: Table) -> pa.Table | None:
        """Return what was read of a file under a description; None where that is not known, or of another file."""
        with self._lock:
            known = self._kept.get(address)
            if known is None or known[0] != identity or known[1] is not table:
                return None
            self._kept.move_to_end(address)
            return known[2]

    def keep(self, address: str, identity: FileIdentity | None, table: Table, data: pa.Table) -> None:
        """Keep what was read of a file, where it is small and the file can be told from the one that takes its place."""
        if identity is None or data.nbytes > MAX_TABLE_BYTES:
            return
        with self._lock:
            self._drop(address)
            self._kept[address] = (identity, table, data)
            self._bytes += data.nbytes
            while self._bytes > self._max_bytes:
                self._drop(next(iter(self._kept)))

    def _drop(self, address: str) -> None:
        known = self._kept.pop(address, None)
        if known is not None:
            self._bytes -= known[2].nbytes


def identify(handle: BinaryIO) -> FileIdentity | None:
    """Return what tells an opened file from all that have stood or will stand in its place.

    None for what is no file, and for one that changed so recently that its next change may be noted with the same time.
    """
    try:
        found = os.fstat(handle.fileno())
    except OSError:  # bytes in memory
        return None
    if time.time() - found.st_ctime < TICK_SECONDS:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
