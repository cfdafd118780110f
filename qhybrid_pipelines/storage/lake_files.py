"""Which files the lake holds, told apart without opening them: a snapshot keeps the list it was made from.

A file of the lake is never changed, only replaced by another one, so that size, inode and time of change tell versions
apart. File systems note times in steps of some milliseconds; a file that is younger than that might be replaced by one
that looks the same, and is therefore either waited for or listed without its time, which differs from everything.
Where the lake is on objects, its catalogue says all this, and the version since which a partition is as it is stands for the inode.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa

from qhybrid_pipelines.storage.lake import Lake, parse_place
from qhybrid_pipelines.storage.lake_store import FILE_NAME, StoredPartition
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.schemas import LAKE_TABLES
from qhybrid_pipelines.storage.warehouse_tables import LAKE_FILES

#: No file system in use here notes times more coarsely than the kernel's slowest tick, 10 ms.
SCAN_INTERVAL_SECONDS = 0.02
MAX_SCANS = 3

_EXPERIMENT, _BACKEND = "experiment=", "backend="

#: asset, experiment, backend, bytes, inode, changed_ns
_File = tuple[str, str | None, str | None, int, int, int]
#: The same; the time of change is None where it does not tell versions apart yet.
ListedFile = tuple[str, str | None, str | None, int, int, int | None]


def inventory(home: Home, version: int | None = None) -> pa.Table:
    """Return what :func:`list_files` returns as the table `published.LAKE_FILES`."""
    columns = list(zip(*list_files(home, version), strict=True)) or [()] * len(LAKE_FILES.columns)
    arrays = [pa.array(values, c.type) for values, c in zip(columns, LAKE_FILES.columns, strict=True)]
    return pa.Table.from_arrays(arrays, schema=LAKE_FILES.schema)


def list_files(home: Home, version: int | None = None) -> list[ListedFile]:
    """Return the files of the lake, the ends of the pipeline first.

    While others write, every file listed then has its upstream files listed too: a verdict is never without its
    experiment. Costs one look at every file, and opens none.

    Args:
        home: whose lake.
        version: of a lake that has versions; None for what is there now.
    """
    if (catalogued := Lake(home, version).store.all()) is not None:
        return [_listed(one) for one in catalogued]
    for scan in range(MAX_SCANS):
        if scan:
            time.sleep(SCAN_INTERVAL_SECONDS)
        files = list(_files(home.lake))
        settled = time.time_ns() - SCAN_INTERVAL_SECONDS * 1e9
        if all(file[-1] < settled for file in files):
            break
    return [(*file[:-1], file[-1] if file[-1] < settled else None) for file in files]


def _listed(one: StoredPartition) -> ListedFile:
    asset, key = parse_place(one.place)
    return asset, key.experiment, key.backend, one.bytes, one.version or 0, int(one.written_at * 1e9)


def _files(lake: Path) -> Iterator[_File]:
    for table in reversed(LAKE_TABLES):
        for folder, experiment, backend in _partitions(os.path.join(lake, table.name)):  # noqa: PTH118  a path object per file costs more than the look
            try:
                status = os.stat(f"{folder}/{FILE_NAME}")  # noqa: PTH116  as above
            except (FileNotFoundError, NotADirectoryError):
                continue
            yield table.name, experiment, backend, status.st_size, status.st_ino, status.st_ctime_ns


def _partitions(root: str) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield the folders of an asset that may hold a file, with experiment and backend."""
    yield root, None, None
    for name in _names(root):
        if name.startswith(_EXPERIMENT):
            yield f"{root}/{name}", _value(name), None
        elif name.startswith(_BACKEND):
            for inner in _names(f"{root}/{name}"):
                if inner.startswith(_EXPERIMENT):
                    yield f"{root}/{name}/{inner}", _value(inner), _value(name)


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208  as above
    except (FileNotFoundError, NotADirectoryError):
        return []


@cache
def _value(name: str) -> str:
    return unquote(name.partition("=")[2], errors="surrogatepass")
