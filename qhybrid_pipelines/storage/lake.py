"""The lake: one whole Parquet file per asset and partition, private to the pipeline.

    lake/<asset>/data.parquet                                       unpartitioned
    lake/<asset>/experiment=<key>/data.parquet                      per experiment
    lake/<asset>/backend=<key>/experiment=<key>/data.parquet        per execution

Every file is opened once and read to its end through that one handle, so a reader never pairs parts of two versions. Where the
bytes lie, in this folder or as objects under these names, is `storage.lake_store`.
Analysts do not read these files: a view over files that are replaced underneath is torn (`storage.warehouse`).

Arrow is imported by what reads or writes rows: most who ask what is there never read any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote, unquote

from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import CorruptFile, InvalidInput, MissingUpstream
from qhybrid_pipelines.storage.lake_store import FILE_NAME, PartitionStore, StoredPartition, is_on_objects, open_store
from qhybrid_pipelines.storage.layout import SCHEMA_VERSION, Home
from qhybrid_pipelines.storage.recent_tables import MAX_TABLE_BYTES, RecentTables, identify

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from qhybrid_pipelines.storage.removals import Removal
    from qhybrid_pipelines.storage.schemas import Table

VERSION_FIELD = b"qhybrid.schema_version"

#: Longest escaped key, in bytes; file systems end at 255 for a folder's whole name.
MAX_ESCAPED_BYTES = 200
_RECENT = RecentTables()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionKey:
    """Which part of an asset: nothing, an experiment, or an experiment on a backend."""

    experiment: str | None = None
    backend: str | None = None

    def __post_init__(self) -> None:
        if self.backend is not None and self.experiment is None:
            raise ValueError("a partition by backend alone does not exist")

    def __str__(self) -> str:
        return "|".join(part for part in (self.backend, self.experiment) if part is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPartition:
    """What was written, for an asset's metadata.

    Attributes:
        address: where it lies, a path or the address of an object.
    """

    address: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Lake:
    """The lake of one home. Assets are named by their key or by their table's description.

    Attributes:
        home: whose.
        version: that this one shows, where the lake has versions; None for what is there now.
        known: partitions that were asked for together, by place, see :meth:`knowing`.
    """

    home: Home
    version: int | None = None
    known: Mapping[str, StoredPartition | None] = field(default_factory=dict, compare=False)

    @property
    def store(self) -> PartitionStore:
        """What holds the bytes. Raises as `open_store`."""
        store = open_store(self.home)
        return store if self.version is None else store.at(self.version)

    def held(self) -> Lake:
        """Return the lake as it is now, for a reader of many partitions; a folder has no versions, and shows what comes too."""
        return self if self.version is not None else Lake(self.home, self.store.current_version())

    def knowing(self, keys: Iterable[PartitionKey]) -> Lake:
        """Return the lake with what is known about all tables of some partitions, for callers that ask whether each is there.

        On objects each such question is a query of the catalogue; here one query answers all. What is written later is not seen.
        For a folder nothing is asked in advance.
        """
        if not is_on_objects():
            return self
        from qhybrid_pipelines.storage import schemas

        places = [self.place(table, key) for key in keys for table in schemas.LAKE_TABLES]
        found = self.store.find_all(places)
        return replace(self, known={place: found.get(place) for place in places})

    def place(self, asset: str | Table, key: PartitionKey) -> str:
        """Return the name of a partition below the home, with ``/`` between folders; no key can lead out of the asset's own.

        Raises:
            InvalidInput: the key is too long for a folder's name.
        """
        folder = f"lake/{_name_of(asset)}"
        if key.backend is not None:
            folder += f"/backend={escape(key.backend)}"
        if key.experiment is not None:
            folder += f"/experiment={escape(key.experiment)}"
        return f"{folder}/{FILE_NAME}"

    def path(self, asset: str | Table, key: PartitionKey) -> Path:
        """Return the path of a partition's file, where the lake is a folder. Raises as :meth:`place`."""
        return self.home.path / self.place(asset, key)

    def write(self, table: Table, key: PartitionKey, data: pa.Table) -> WrittenPartition:
        """Write one partition whole, sorted and checked against its description. The same rows give the same bytes.

        Raises:
            SchemaMismatch: the data does not match the description, or holds rows of another partition.
            InvalidInput: the key is too long for a folder's name.
        """
        from qhybrid_pipelines.storage.tables import SchemaMismatch, conform

        place, store = self.place(table, key), self.store
        data = conform(table, data)
        for column in _mismatched_columns(table, key, data):
            raise SchemaMismatch(f"table {table.name}: rows of another {column} than {getattr(key, column)}")
        content = to_parquet(table, data)
        address = store.write(place, content)
        return WrittenPartition(address=address, rows=data.num_rows, bytes=len(content), sha256=sha256_hex(content))

    def read(self, asset: str | Table, key: PartitionKey) -> pa.Table:
        """Return one partition, in the columns of its description; those that an older release did not write are null.

        Raises:
            MissingUpstream: it was never written, or (`RemovedArtefact`) removed since.
            CorruptFile: the file cannot be read, or holds rows of another partition.
        """
        import pyarrow as pa

        table, address = _description_for(asset), self.store.address(self.place(asset, key))
        with self._opened(table, key) as handle:
            identity = identify(handle)
            data = _RECENT.find(address, identity, table)
            if data is None:
                data = pa.Table.from_batches(self._read_batches(handle, table, key), schema=table.schema)
                _RECENT.keep(address, identity, table, data)
            return data

    def batches(self, asset: str | Table, key: PartitionKey) -> Iterator[pa.RecordBatch]:
        """Yield one partition piece by piece, from one opening of its file. Raises as :meth:`read`."""
        table = _description_for(asset)
        with self._opened(table, key) as handle:
            yield from self._read_batches(handle, table, key)

    @contextmanager
    def _opened(self, table: Table, key: PartitionKey) -> Iterator[BinaryIO]:
        """Give the bytes of a partition; what goes wrong with them is said of its file."""
        import pyarrow as pa

        from qhybrid_pipelines.storage.removals import RemovedArtefact

        place, store = self.place(table, key), self.store
        try:
            with store.open(place) as handle:
                yield handle
        except FileNotFoundError:
            if (removal := self.removal(table, key)) is not None:
                raise RemovedArtefact(table.name, str(key), removal) from None
            raise MissingUpstream(table.name, str(key)) from None
        except (pa.ArrowException, OSError, ValueError) as error:
            raise CorruptFile(
                store.address(place),
                f"it cannot be read: {str(error).splitlines()[0]}",
                remedy=f"Materialise '{table.name}' for '{key}' again.",
            ) from error

    def _read_batches(self, handle: BinaryIO, table: Table, key: PartitionKey) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        from qhybrid_pipelines.storage.tables import BATCH_ROWS, FEW_ROWS, TextDeduplicator, upgrade_rows

        # Of a few rows, what makes many quick (threads, reading ahead, dictionaries, shared texts) takes longer than reading them.
        file = pq.ParquetFile(handle, pre_buffer=False)
        few = file.metadata.num_rows <= FEW_ROWS
        if not few:
            file = pq.ParquetFile(
                handle, metadata=file.metadata, read_dictionary=_dictionary_columns(table, file.metadata)
            )
        version = int((file.schema_arrow.metadata or {}).get(VERSION_FIELD, b"0"))
        if version > SCHEMA_VERSION:
            raise CorruptFile(
                self.store.address(self.place(table, key)),
                f"it was written by a newer release (tables of version {version}, this one reads {SCHEMA_VERSION})",
                remedy="Update qhybrid-pipelines.",
            )
        texts = TextDeduplicator()
        for batch in file.iter_batches(batch_size=BATCH_ROWS, use_threads=not few):
            small = few and batch.nbytes <= MAX_TABLE_BYTES
            data = upgrade_rows(table, pa.Table.from_batches([batch if small else texts.deduplicate_texts(batch)]))
            for column in _mismatched_columns(table, key, data):
                raise CorruptFile(
                    self.store.address(self.place(table, key)),
                    f"it holds rows of another {column} than its folder names",
                    remedy=f"Materialise '{table.name}' for '{key}' again.",
                )
            yield from data.to_batches()

    def exists(self, asset: str | Table, key: PartitionKey) -> bool:
        """Tell whether a partition was written."""
        return self.find(asset, key) is not None

    def find(self, asset: str | Table, key: PartitionKey) -> StoredPartition | None:
        """Return size and time of a partition, None where it was never written."""
        place = self.place(asset, key)
        return self.known[place] if place in self.known else self.store.find(place)

    def was_written(self, asset: str | Table, key: PartitionKey) -> bool:
        """Tell whether a partition was written, also where it was removed since because its time was over."""
        return self.exists(asset, key) or self.removal(asset, key) is not None

    def removal(self, asset: str | Table, key: PartitionKey) -> Removal | None:
        """Return when and by which rule a partition was removed; None where nothing says that it was."""
        from qhybrid_pipelines.storage.removals import RemovalStore

        return RemovalStore(self.home).find(self.place(asset, key))

    def has_value(self, asset: str | Table, column: str) -> bool:
        """Tell whether any partition has a row where a column is not null; a file that cannot be read counts as one."""
        store = self.store
        return any(_has_value(store, place, column) for place in store.places(_name_of(asset)))

    def keys(self, asset: str | Table) -> tuple[PartitionKey, ...]:
        """Return the partitions that were written, sorted by backend and experiment."""
        found = [parse_place(place)[1] for place in self.store.places(_name_of(asset))]
        return tuple(sorted(found, key=lambda k: (k.backend or "", k.experiment or "")))


def _has_value(store: PartitionStore, place: str, column: str) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with store.open(place) as handle:
            values = pq.read_table(handle, columns=[column], partitioning=None).column(column)
    except (pa.ArrowException, OSError, KeyError, CorruptFile):
        return True
    return int(values.null_count) < len(values)


def escape(value: str) -> str:
    """Return a key as part of a folder's name: letters, digits, ``_`` and ``-``; every other byte as ``%XX``.

    Different keys have different names, and none holds a separator, a dot or a drive.

    Raises:
        InvalidInput: the result is too long for a folder's name.
    """
    text = quote(value, safe="", errors="surrogatepass").replace(".", "%2E").replace("~", "%7E")
    if len(text) > MAX_ESCAPED_BYTES:
        raise InvalidInput(
            f"the partition key {value[:40]!r}... is too long",
            remedy=f"A key may have {MAX_ESCAPED_BYTES} bytes, where anything but letters, digits, _ and - counts three.",
        )
    return text


def parse_place(place: str) -> tuple[str, PartitionKey]:
    """Return asset and partition of a name that :meth:`Lake.place` has returned."""
    _, asset, *folders, _ = place.split("/")
    parts = dict(part.split("=", 1) for part in folders)
    return asset, PartitionKey(**{name: unquote(value, errors="surrogatepass") for name, value in parts.items()})


def _mismatched_columns(table: Table, key: PartitionKey, data: pa.Table) -> Iterator[str]:
    """Yield the partition columns in which some row is of another partition than the key."""
    from qhybrid_pipelines.storage.tables import distinct_values

    for column in table.partition_columns:
        value = getattr(key, column)
        # Values are compared here: to make an Arrow scalar of one text, Arrow imports pandas, which takes 0.3 s.
        if value is not None and any(found != value for found in distinct_values(data.column(column))):
            yield column


def _dictionary_columns(table: Table, there: pq.FileMetaData) -> list[str]:
    """Return the columns of a file that hold few texts again and again, which are read quickest as dictionaries."""
    from qhybrid_pipelines.storage.schemas.descriptions import JOB_ID

    present = {there.schema.column(number).path for number in range(there.num_columns)}
    return [name for name in (*table.partition_columns, JOB_ID.name) if name in present]


def _description_for(asset: str | Table) -> Table:
    from qhybrid_pipelines.storage.schemas import BY_NAME

    return BY_NAME[asset] if isinstance(asset, str) else asset


def _name_of(asset: str | Table) -> str:
    return asset if isinstance(asset, str) else asset.name


def to_parquet(table: Table, data: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file; no clock and no name of this machine enters them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Packed outcomes are sorted within a point, so their differences are small: 2.2 against 3.0 bytes a row, measured.
    increasing = [column.name for column in table.columns if column.name == "bits" and "bits" in table.order]
    data = data.replace_schema_metadata({VERSION_FIELD: str(SCHEMA_VERSION), b"qhybrid.table": table.name})
    sink = pa.BufferOutputStream()
    pq.write_table(
        data,
        sink,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in data.column_names if name not in increasing],
        column_encoding=dict.fromkeys(increasing, "DELTA_BINARY_PACKED"),
        write_statistics=True,
    )
    return bytes(sink.getvalue())
