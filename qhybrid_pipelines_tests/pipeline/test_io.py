"""One table for all partitions of a run becomes one file each; and what an operator sees of the columns."""

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from qhybrid_pipelines.definitions import build_definitions
from qhybrid_pipelines.defs.parquet_io import _split
from qhybrid_pipelines.settings import Settings
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import PartitionKey

EXPERIMENTS, BACKENDS = ("a", "b", "c"), ("ibm:x", "local:auto")


def counts(rows, seed):
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "experiment": random.choice(EXPERIMENTS[:2], rows),
            "backend": random.choice(BACKENDS, rows),
            "bits": np.arange(rows, dtype=np.uint64),
        }
    )


@pytest.mark.parametrize("rows", [0, 1, 500])
def test_every_partition_gets_its_rows_in_their_order(rows):
    data = counts(rows, seed=rows)
    keys = [PartitionKey(experiment=e, backend=b) for e in EXPERIMENTS for b in BACKENDS]
    parts = dict(_split(schemas.QPU_RESULT_SETS, data, keys))
    assert list(parts) == keys
    for key, part in parts.items():
        mine = pc.and_(pc.equal(data["experiment"], key.experiment), pc.equal(data["backend"], key.backend))
        assert part.to_pydict() == data.filter(mine).to_pydict()


def test_partitions_by_experiment_and_none_at_all():
    data = counts(50, seed=1)
    by_experiment = dict(_split(schemas.FEATURES, data, [PartitionKey(experiment=e) for e in EXPERIMENTS]))
    assert sum(part.num_rows for part in by_experiment.values()) == 50
    assert dict(_split(schemas.BACKEND_CAPABILITIES, data, [PartitionKey()]))[PartitionKey()].equals(data)


def test_rows_of_a_partition_that_the_run_does_not_have_are_refused():
    data = counts(50, seed=2)
    strangers = pc.sum(pc.equal(data["experiment"], "b")).as_py()
    with pytest.raises(dg.Failure, match=f"{strangers} rows of partitions"):
        dict(_split(schemas.FEATURES, data, [PartitionKey(experiment="a")]))


def test_definitions_say_which_columns_a_table_has(tmp_path):
    graph = build_definitions(Settings(home=tmp_path)).resolve_asset_graph()
    columns = graph.get(dg.AssetKey("scored_solutions")).metadata["dagster/column_schema"].columns
    assert [column.name for column in columns] == [column.name for column in schemas.SCORED_SOLUTIONS.columns]
    assert columns[0].description
    assert not columns[0].constraints.nullable
    assert "dagster/column_schema" not in graph.get(dg.AssetKey("warehouse")).metadata
