"""The IO manager: one Parquet file per asset and partition, Arrow tables in and out, for any number of partitions.

A stage gets ONE table for all partitions of its run, with the partition as columns, and returns one such table. What
the files look like and how they are written whole is `storage.lake`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from qhybrid_pipelines.core.errors import MissingUpstream
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.storage.lake import PartitionKey
from qhybrid_pipelines.storage.schemas import BY_ASSET, Table, comment


class ParquetIOManager(dg.ConfigurableIOManager):
    """Keeps Arrow tables in the lake of one home folder."""

    workspace: dg.ResourceDependency[WorkspaceResource]

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write one whole file per partition of the run; a partition without rows becomes an empty typed file."""
        table = BY_ASSET[context.asset_key.path[-1]]
        data = _as_arrow(obj)
        lake = self.workspace.open().lake
        keys = _partition_keys(context) if context.has_asset_partitions else [PartitionKey()]
        _refuse_strangers(table, data, keys)
        written = [lake.write(table, key, _rows_of(data, key)) for key in keys]
        context.add_output_metadata(
            {
                "dagster/row_count": sum(w.rows for w in written),
                "dagster/column_schema": _column_schema(table),
                "bytes": sum(w.bytes for w in written),
                "files": dg.MetadataValue.md(
                    "\n".join(f"- `{w.path.name}` of {k}: `{w.sha256}`" for w, k in zip(written, keys, strict=True))
                )
                if len(written) > 1
                else dg.MetadataValue.path(str(written[0].path)),
                "sha256": written[0].sha256 if len(written) == 1 else f"{len(written)} files",
            }
        )

    def load_input(self, context: dg.InputContext) -> pa.Table:
        """Return one table for all partitions of the upstream asset, sorted by partition.

        Raises:
            dagster.Failure: a partition was never written; not retried, because retrying cannot help.
        """
        lake = self.workspace.open().lake
        asset = context.asset_key.path[-1]
        keys = _partition_keys(context) if context.has_asset_partitions else [PartitionKey()]
        try:
            return pa.concat_tables([lake.read(BY_ASSET[asset], key) for key in keys])
        except MissingUpstream as error:
            raise dg.Failure(str(error), allow_retries=False) from error


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


def _rows_of(data: pa.Table, key: PartitionKey) -> pa.Table:
    for column, value in (("experiment", key.experiment), ("backend", key.backend)):
        if value is not None:
            data = data.filter(pc.equal(data.column(column), value))
    return data


def _refuse_strangers(table: Table, data: pa.Table, keys: list[PartitionKey]) -> None:
    """Refuse rows of partitions that this run does not have: they would be dropped silently."""
    expected = sum(_rows_of(data, key).num_rows for key in keys)
    if expected != data.num_rows:
        raise dg.Failure(
            f"table {table.name} holds {data.num_rows - expected} rows of partitions that this run does not write",
            allow_retries=False,
        )


def _as_arrow(obj: Any) -> pa.Table:
    return obj if isinstance(obj, pa.Table) else pa.Table.from_pandas(obj, preserve_index=False)


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
