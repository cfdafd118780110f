"""The lake as objects: each partition's bytes under their SHA-256, and a catalogue that says which they are.

An object is never changed, and a partition is another one from the commit of its row on. So nothing is renamed or locked in the
store, a reader that has found a row reads exactly its bytes, and readers that hold a version see one state of all partitions.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput
from qhybrid_pipelines.core.system.failpoints import failpoint
from qhybrid_pipelines.storage.lake_catalogue import Catalogue, Entry
from qhybrid_pipelines.storage.lake_store import LAKE_VARIABLE, CollectedObjects, StoredPartition
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.objects import Objects

PREFIX = "objects"
#: Says whose lake lies at an address.
MARKER = "lake.json"
#: Objects that are deleted in one transaction, for whose length nobody commits.
TOGETHER = 50
#: After so long no further deletion begins in a transaction, so that a slow store neither keeps those who commit waiting nor outlasts
#: the transaction itself (`lake_catalogue.IDLE_TIMEOUT_SECONDS`), after whose end somebody may commit the object that is deleted next.
DELETING_SECONDS = 20.0
#: What a reader may hold a version for, at the least.
MIN_AGE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """The lake of a home, on objects.

    Attributes:
        home: whose.
        objects: below the lake's address.
        catalogue: of the lake.
        version: that this one shows; None for what is there now.
    """

    home: Home
    objects: Objects
    catalogue: Catalogue
    version: int | None = None

    def claim(self) -> None:
        """Make the address that of this lake, once.

        Raises:
            InvalidInput: it is that of another one, or holds none although tables were written.
            EnvironmentFailure: the store cannot be used.
        """
        try:
            found = self.objects.get(MARKER)
        except FileNotFoundError:
            if self.catalogue.version():
                raise InvalidInput(
                    f"{self.objects.address} does not hold the tables of this home",
                    remedy=f"Set {LAKE_VARIABLE} to the address that {self.home.lake_note} names.",
                    field=LAKE_VARIABLE,
                ) from None
            mine = json.dumps({"lake_id": self.catalogue.lake_id}).encode() + b"\n"
            found = mine if self.objects.put_new(MARKER, mine) else self.objects.get(MARKER)
        if _lake_id(found) != self.catalogue.lake_id:
            raise InvalidInput(
                f"{self.objects.address} holds the tables of another home",
                remedy="Name another prefix: each home has its own.",
                field=LAKE_VARIABLE,
            )

    def describe(self) -> str:
        """Ask store and catalogue, and return what they say. Raises as :meth:`claim`."""
        self.claim()
        partitions = self.all()
        size = sum(one.bytes for one in partitions)
        return f"at {self.objects.address}, version {self.catalogue.version()}, {len(partitions)} partitions, {size:,} bytes"

    def address(self, place: str) -> str:
        """Return the object that a partition is."""
        entry = self.catalogue.find(place, self.version)
        return f"{self.objects.address}/{place if entry is None else _name(entry.sha256)}"

    def open(self, place: str) -> BinaryIO:
        """Return the bytes of a partition, compared with their hash."""
        entry = self.catalogue.find(place, self.version)
        if entry is None:
            raise FileNotFoundError(place)
        return io.BytesIO(self._content(entry))

    def write(self, place: str, content: bytes) -> str:
        """Put the object, and commit its row."""
        digest = sha256_hex(content)
        self._put(place, digest, len(content), lambda name: self.objects.put(name, content))
        return f"{self.objects.address}/{_name(digest)}"

    def write_file(self, place: str, content: Path) -> str:
        """Put a file's content at a place, as `write` does, and return its SHA-256; memory holds parts of it."""
        digest = _sha256(content)
        self._put(place, digest, content.stat().st_size, lambda name: self.objects.put_file(name, content))
        return digest

    def read_file(self, place: str, copy: Path) -> str:
        """Copy the bytes at a place into a new file and return their SHA-256; memory holds parts of them.

        Raises:
            FileNotFoundError: there are none.
            CorruptFile: they are not those that were put.
        """
        entry = self.catalogue.find(place, self.version)
        if entry is None:
            raise FileNotFoundError(place)
        address = f"{self.objects.address}/{_name(entry.sha256)}"
        try:
            self.objects.get_file(_name(entry.sha256), copy)
        except FileNotFoundError:
            raise CorruptFile(address, f"the object of {place} is missing", remedy="Publish again.") from None
        if _sha256(copy) != entry.sha256:
            raise CorruptFile(address, "its bytes do not have the SHA-256 that it is named by", remedy="Publish again.")
        return entry.sha256

    def digest(self, place: str) -> str | None:
        """Return the SHA-256 of the bytes at a place; None where there are none."""
        entry = self.catalogue.find(place, self.version)
        return None if entry is None else entry.sha256

    def _put(self, place: str, digest: str, size: int, put: Callable[[str], None]) -> None:
        name, seen = _name(digest), self.catalogue.collection()
        put(name)
        failpoint("lake.put")

        def confirm() -> None:
            if name not in self.objects:
                put(name)

        self.catalogue.commit({place: (digest, size)}, seen=seen, confirm=confirm)

    def remove(self, place: str) -> None:
        """Commit that the partition is gone; its object is deleted by a later collection."""
        if self.catalogue.find(place) is not None:
            self.catalogue.commit({}, [place])

    def find(self, place: str) -> StoredPartition | None:
        """Return what the catalogue says."""
        entry = self.catalogue.find(place, self.version)
        return None if entry is None else _stored(entry)

    def find_all(self, places: Sequence[str]) -> Mapping[str, StoredPartition]:
        """Return what the catalogue says about some partitions, by place."""
        return {place: _stored(entry) for place, entry in self.catalogue.find_all(places, self.version).items()}

    def places(self, asset: str) -> list[str]:
        """Return the places of an asset's partitions."""
        return [entry.place for entry in self.catalogue.entries(asset, self.version)]

    def all(self) -> list[StoredPartition]:
        """Return what is known about every partition, by place."""
        entries = self.catalogue.entries(version=self.version)
        return [_stored(entry) for entry in entries if entry.place.startswith("lake/")]

    def current_version(self) -> int | None:
        """Return the number of the newest version."""
        return self.catalogue.version()

    def versions(self, places: Sequence[str]) -> Mapping[str, int]:
        """Return since which version each of some partitions is as it is, without those that are not there."""
        return self.catalogue.versions(places)

    def at(self, version: int) -> ObjectStore:
        """Return the lake as it was at a version."""
        return replace(self, version=version)

    def collect(self, age: timedelta, *, apply: bool) -> CollectedObjects:
        """Delete what no partition names: objects of versions replaced so long ago, and those whose commit never came.

        May run beside writers, and beside another collection; who is killed in it leaves objects for the next one.

        Args:
            age: how long a version can be held after it was replaced; `MIN_AGE` at least.
            apply: False only counts.

        Raises:
            ValueError: the age is less than `MIN_AGE`.
        """
        if age < MIN_AGE:
            raise ValueError(f"objects are kept for {MIN_AGE} at least")
        before_ns = self.catalogue.now_ns() - int(age.total_seconds() * 1e9)
        number = self.catalogue.begin_collection() if apply else 0
        if apply:
            self.catalogue.forget_replaced(before_ns)
        named = self.catalogue.named_objects(before_ns)
        old = {
            name.rpartition("/")[2]: size
            for name, size, written in self.objects.list(PREFIX)
            if written.timestamp() * 1e9 < before_ns and name.rpartition("/")[2] not in named
        }
        digests, count, size = sorted(old), 0, 0
        for start in range(0, len(digests), TOGETHER):
            some = digests[start : start + TOGETHER]
            if apply:
                with self.catalogue.free_objects(number, some) as free:
                    some = list(self._delete_in_time(free))
            count, size = count + len(some), size + sum(old[digest] for digest in some)
        if apply:
            self.catalogue.end_collection(number)
        return CollectedObjects(objects=count, bytes=size)

    def _delete_in_time(self, digests: Sequence[str]) -> Iterator[str]:
        """Delete objects, and yield each that is gone; the rest is left for a later collection when the store is slow."""
        until = time.monotonic() + DELETING_SECONDS
        for digest in digests:
            if time.monotonic() > until:
                return
            self.objects.delete([_name(digest)])
            yield digest

    def _content(self, entry: Entry) -> bytes:
        name = _name(entry.sha256)
        address = f"{self.objects.address}/{name}"
        remedy = f"Materialise the table of {entry.place} again."
        try:
            content = self.objects.get(name)
        except FileNotFoundError:
            raise CorruptFile(
                address, f"the object of {entry.place} is missing, version {entry.version} of the lake", remedy=remedy
            ) from None
        if sha256_hex(content) != entry.sha256:
            raise CorruptFile(address, "its bytes do not have the SHA-256 that it is named by", remedy=remedy)
        return content


def _name(digest: str) -> str:
    return f"{PREFIX}/{digest[:2]}/{digest}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stored(entry: Entry) -> StoredPartition:
    return StoredPartition(
        place=entry.place, bytes=entry.bytes, written_at=entry.written_ns / 1e9, version=entry.version
    )


def _lake_id(marker: bytes) -> str | None:
    try:
        return str(json.loads(marker)["lake_id"])
    except (ValueError, KeyError, TypeError):
        return None
