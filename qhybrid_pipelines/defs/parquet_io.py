"""The IO manager: one Parquet file per asset and partition, Arrow tables in and out, for any number of partitions.

A stage gets ONE table for all partitions of its run, with the partition as columns, and returns one such table. What
the files look like and how they are written whole is `storage.lake`.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import dagster as dg
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from qhybrid_pipelines.control.experiments.due_stages import assets_of
from qhybrid_pipelines.core.errors import MissingUpstream
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.storage.freed_memory import release_memory
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.schemas import BY_NAME, Table, comment
from qhybrid_pipelines.storage.tables import empty

#: Up to so many bytes the pieces of a table are copied into one.
MAX_COPIED_BYTES = 1 << 24


class ParquetIOManager(dg.ConfigurableIOManager):
    """Keeps Arrow tables in the lake of one home folder."""

    workspace: dg.ResourceDependency[WorkspaceResource]

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write one whole file per partition of the run; a partition without rows becomes an empty typed file."""
        table = BY_NAME[context.asset_key.path[-1]]
        data = _as_arrow(obj)
        lake = self.workspace.open().lake
        keys = _partition_keys(context) if context.has_asset_partitions else [PartitionKey()]
        written = [lake.write(table, key, rows) for key, rows in _split(table, data, keys)]
        metadata: dict[str, Any] = {
            "dagster/row_count": sum(w.rows for w in written),
            "bytes": sum(w.bytes for w in written),
        }
        if len(written) == 1:
            metadata |= {"files": dg.MetadataValue.path(written[0].address), "sha256": written[0].sha256}
        else:
            # Every partition has an event with all this in it, so that the list of all files is written once beside them.
            metadata |= {"files": len(written)}
            listed = (f"- {w.address} of {k}: {w.sha256}" for w, k in zip(written, keys, strict=True))
            context.log.info("wrote %d files of %s:\n%s", len(written), table.name, "\n".join(listed))
        context.add_output_metadata(metadata)
        release_memory()

    def load_input(self, context: dg.InputContext) -> pa.Table:
        """Return one table for all partitions of the upstream asset, sorted by partition.

        A table that experiments of a partition's kind do not have is empty: batches of circuits come from reduced models or
        from a series.

        Raises:
            dagster.Failure: a partition was never written; not retried, because retrying cannot help.
        """
        release_memory()  # by now the step before has let go of its tables
        lake = self.workspace.open().lake.held()
        asset = context.asset_key.path[-1]
        keys = _partition_keys(context) if context.has_asset_partitions else [PartitionKey()]
        try:
            table = pa.concat_tables([self._read(lake, asset, key) for key in keys])
        except MissingUpstream as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        # Steps look for the rows of each experiment, and for each that costs a look at every piece.
        return table.combine_chunks() if table.nbytes <= MAX_COPIED_BYTES else table

    def _read(self, lake: Lake, asset: str, key: PartitionKey) -> pa.Table:
        if key.experiment is not None and not lake.exists(asset, key):
            specifications = self.workspace.open().specifications
            if key.experiment in specifications and asset not in assets_of(specifications.load_any(key.experiment)):
                return empty(BY_NAME[asset])
        return lake.read(BY_NAME[asset], key)


def _partition_keys(context: dg.OutputContext | dg.InputContext) -> list[PartitionKey]:
    """Return the partitions of this run in sorted order; Dagster gives them as a set."""
    return sorted(_read_keys(context.asset_partition_keys), key=lambda k: (k.experiment or "", k.backend or ""))


def _read_keys(keys: Sequence[str]) -> Iterator[PartitionKey]:
    for key in keys:
        if isinstance(key, dg.MultiPartitionKey):
            dimensions = key.keys_by_dimension
            yield PartitionKey(experiment=dimensions["experiment"], backend=dimensions["backend"])
        else:
            yield PartitionKey(experiment=key)


def _split(table: Table, data: pa.Table, keys: list[PartitionKey]) -> Iterator[tuple[PartitionKey, pa.Table]]:
    """Yield the rows of each partition, in one pass over the data however many partitions there are.

    Raises:
        dagster.Failure: there are rows of partitions that this run does not have; they would be dropped silently.
    """
    partition_index = _partition_indices(data, keys)
    unknown_rows = int(np.count_nonzero(partition_index < 0))
    if unknown_rows:
        raise dg.Failure(
            f"table {table.name} holds {unknown_rows} rows of partitions that this run does not write",
            allow_retries=False,
        )
    if np.any(partition_index[1:] < partition_index[:-1]):
        order = np.argsort(partition_index, kind="stable")
        data, partition_index = data.take(order), partition_index[order]
    ends = np.searchsorted(partition_index, np.arange(len(keys)), side="right")
    for key, start, end in zip(keys, [0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        yield key, data.slice(start, end - start)


def _partition_indices(data: pa.Table, keys: list[PartitionKey]) -> npt.NDArray[np.int64]:
    """Return for each row the place of its partition among the keys, -1 where there is none."""
    columns = [name for name in ("experiment", "backend") if getattr(keys[0], name) is not None]
    encoded = [data.column(name).combine_chunks().dictionary_encode() for name in columns]
    codes = tuple(column.indices.to_numpy().astype(np.int64) for column in encoded)
    if not columns:
        return np.zeros(data.num_rows, dtype=np.int64)
    values = [{value: code for code, value in enumerate(column.dictionary.to_pylist())} for column in encoded]
    place = np.full([len(column) for column in values], -1, dtype=np.int64)
    for number, key in enumerate(keys):
        where = tuple(known.get(getattr(key, name)) for known, name in zip(values, columns, strict=True))
        if None not in where:  # else it has no rows
            place[where] = number
    partition_indices: npt.NDArray[np.int64] = place[codes]
    return partition_indices


def _as_arrow(obj: Any) -> pa.Table:
    return obj if isinstance(obj, pa.Table) else pa.Table.from_pandas(obj, preserve_index=False)


def with_column_schemas(assets: Iterable[Any]) -> list[Any]:
    """Return assets with the columns of their tables in their definitions, where events need not repeat them."""
    return [
        a.map_asset_specs(_with_column_schema) if isinstance(a, dg.AssetsDefinition) else _with_column_schema(a)
        for a in assets
    ]


def _with_column_schema(spec: dg.AssetSpec) -> dg.AssetSpec:
    table = BY_NAME.get(spec.key.path[-1])
    return spec if table is None else spec.merge_attributes(metadata={"dagster/column_schema": _column_schema(table)})


def _column_schema(table: Table) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                c.name,
                type=str(c.type),
                description=comment(c),
                constraints=dg.TableColumnConstraints(nullable=c.nullable),
            )
            for c in table.columns
        ]
    )
