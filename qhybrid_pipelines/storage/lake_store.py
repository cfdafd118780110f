"""Where the bytes of the lake lie: in the home's folder, or as objects of a store that many machines reach.

A place is a partition's file below the home, ``lake/<asset>/experiment=<key>/data.parquet``; as objects it is a name in a
catalogue, and no such file exists. QHYBRID_LAKE says which of the two it is, and a home refuses the other one.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.system.files import write_bytes
from qhybrid_pipelines.storage.layout import Home

if TYPE_CHECKING:
    from qhybrid_pipelines.storage.lake_objects import ObjectStore

LAKE_VARIABLE = "QHYBRID_LAKE"
LEDGER_VARIABLE = "QHYBRID_LEDGER_URL"

#: How long a reader may hold a version after it was replaced.
COLLECTED_AFTER = timedelta(days=7)

FILE_NAME = "data.parquet"
LAYOUTS = (FILE_NAME, f"experiment=*/{FILE_NAME}", f"backend=*/experiment=*/{FILE_NAME}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPartition:
    """What is known about a partition without opening it.

    Attributes:
        place: below the home, with ``/`` between folders.
        bytes: size.
        written_at: when it was written, in seconds since 1970.
        version: of the catalogue with which it came; None in a folder.
    """

    place: str
    bytes: int
    written_at: float
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedObjects:
    """What a collection of objects came to.

    Attributes:
        objects: that no partition names any more, or never did.
        bytes: of them.
    """

    objects: int
    bytes: int


class PartitionStore(Protocol):
    """What the lake needs of whatever holds its bytes. A partition is written whole, and read whole or not at all."""

    def describe(self) -> str:
        """Return where the lake is, after a check that it can be used, in words that go on from "The lake is"."""
        ...

    def address(self, place: str) -> str:
        """Return where a partition lies, for a person."""
        ...

    def open(self, place: str) -> BinaryIO:
        """Return the bytes of a partition, as one version of it.

        Raises:
            FileNotFoundError: it was never written, or was removed.
            CorruptFile: its bytes are not those that were written.
        """
        ...

    def write(self, place: str, content: bytes) -> str:
        """Put a partition there, instead of the one before, and return its address. It is there for good when this returns."""
        ...

    def remove(self, place: str) -> None:
        """Take a partition away; one that is not there stays so."""
        ...

    def find(self, place: str) -> StoredPartition | None:
        """Return what is known about a partition, None where there is none."""
        ...

    def find_all(self, places: Sequence[str]) -> Mapping[str, StoredPartition]:
        """Return what is known about some partitions, by place, without those that are not there."""
        ...

    def places(self, asset: str) -> list[str]:
        """Return the places of an asset's partitions."""
        ...

    def all(self) -> list[StoredPartition] | None:
        """Return what is known about every partition; None where each would have to be asked for."""
        ...

    def current_version(self) -> int | None:
        """Return the number of the newest version of the whole lake; None where it has no versions."""
        ...

    def versions(self, places: Sequence[str]) -> Mapping[str, int]:
        """Return since which version each of some partitions is as it is, without those that are not there."""
        ...

    def collect(self, age: timedelta, *, apply: bool) -> CollectedObjects | None:
        """Count, or delete, objects that no partition has been for so long; None where there are none."""
        ...

    def at(self, version: int) -> PartitionStore:
        """Return the lake as it was at a version, for reading."""
        ...


@dataclass(frozen=True, slots=True)
class FolderStore:
    """The folder ``lake`` of a home."""

    home: Home

    def describe(self) -> str:
        """Return the folder."""
        return f"in the folder {self.home.lake}"

    def address(self, place: str) -> str:
        """Return the path of a partition's file."""
        return str(self.home.path / place)

    def open(self, place: str) -> BinaryIO:
        """Open the file; it is read to its end through this one handle, whatever takes its place meanwhile."""
        return (self.home.path / place).open("rb")

    def write(self, place: str, content: bytes) -> str:
        """Write the file beside its place, and rename it."""
        write_bytes(self.home.path / place, content, tmp=self.home.tmp)
        return self.address(place)

    def remove(self, place: str) -> None:
        """Remove the file."""
        (self.home.path / place).unlink(missing_ok=True)

    def find(self, place: str) -> StoredPartition | None:
        """Return size and time of the file."""
        try:
            found = (self.home.path / place).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(found.st_mode):
            return None
        return StoredPartition(place=place, bytes=found.st_size, written_at=found.st_mtime)

    def find_all(self, places: Sequence[str]) -> Mapping[str, StoredPartition]:
        """Return size and time of each file that is there."""
        return {place: found for place in places if (found := self.find(place)) is not None}

    def places(self, asset: str) -> list[str]:
        """Search the asset's folder."""
        root = self.home.lake / asset
        return [file.relative_to(self.home.path).as_posix() for layout in LAYOUTS for file in root.glob(layout)]

    def all(self) -> list[StoredPartition] | None:
        """Return None: `storage.lake_files` lists the files."""
        return None

    def current_version(self) -> int | None:
        """Return None: files are replaced one by one."""
        return None

    def versions(self, places: Sequence[str]) -> Mapping[str, int]:  # noqa: ARG002  see `storage.settled_marks.stat_files`
        """Return nothing: size and time tell files apart."""
        return {}

    def collect(self, age: timedelta, *, apply: bool) -> CollectedObjects | None:  # noqa: ARG002  nothing is left over
        """Return None."""
        return None

    def at(self, version: int) -> PartitionStore:  # noqa: ARG002  a folder shows what is there now
        """Return the folder itself."""
        return self


def open_store(home: Home) -> PartitionStore:
    """Return what holds the lake of a home, as the environment says.

    Raises:
        InvalidInput: the setting cannot be understood, or is not the one that this home was written with.
        EnvironmentFailure: the store or its catalogue cannot be reached.
    """
    address = os.environ.get(LAKE_VARIABLE, "").strip()
    return _open(home, address, os.environ.get(LEDGER_VARIABLE, "").strip())


def object_versions(home: Home, places: Sequence[str]) -> Mapping[str, int] | None:
    """Return since which version each of some partitions is as it is, without those that are not there; None for a folder."""
    return open_store(home).versions(places) if is_on_objects() else None


def object_store(home: Home) -> ObjectStore | None:
    """Return the store of a lake on objects, None where the lake is a folder. Raises as `open_store`."""
    store = open_store(home)  # also for a folder: the tables of this home may lie elsewhere
    if isinstance(store, FolderStore):
        return None
    from qhybrid_pipelines.storage.lake_objects import ObjectStore

    return store if isinstance(store, ObjectStore) else None


def collect_objects(home: Home, *, apply: bool) -> CollectedObjects | None:
    """Count, or delete, objects of the lake that no table has been for `COLLECTED_AFTER`; None where it is a folder."""
    return open_store(home).collect(COLLECTED_AFTER, apply=apply)


def is_on_objects() -> bool:
    """Tell whether the environment puts the lake on objects."""
    return bool(os.environ.get(LAKE_VARIABLE, "").strip())


@lru_cache(maxsize=64)
def _open(home: Home, address: str, ledger_url: str) -> PartitionStore:
    if not address:
        if home.lake_note.is_file():
            raise InvalidInput(
                f"the tables of this home lie at {_noted_address(home.lake_note)}, and nothing says so",
                remedy=f"Set {LAKE_VARIABLE} to that address.",
                field=LAKE_VARIABLE,
            )
        return FolderStore(home)
    from qhybrid_pipelines.storage.lake_catalogue import Catalogue
    from qhybrid_pipelines.storage.lake_objects import ObjectStore
    from qhybrid_pipelines.storage.objects import open_objects

    objects = open_objects(address)
    if not home.lake_note.is_file():
        if any(home.lake.glob(f"*/**/{FILE_NAME}")):
            raise InvalidInput(
                f"this home has tables in its folder {home.lake}, which a lake on objects would not show",
                remedy=f"Unset {LAKE_VARIABLE}, or begin with a new home.",
                field=LAKE_VARIABLE,
            )
        if not home.path.is_dir():
            home.make()
    store = ObjectStore(home, objects, Catalogue.open(home, ledger_url))
    store.claim()
    if not home.lake_note.is_file():
        write_bytes(home.lake_note, json.dumps({"address": objects.address}).encode() + b"\n")
    return store


def _noted_address(note: Path) -> str:
    try:
        return str(json.loads(note.read_bytes())["address"])
    except (ValueError, KeyError, TypeError):
        return "another place"
