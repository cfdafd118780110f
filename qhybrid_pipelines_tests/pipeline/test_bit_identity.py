"""The same experiments, in one run over many partitions and in many runs, give the same bytes."""

import hashlib

import pytest

from qhybrid_pipelines.control.experiments.due_stages import Stage
from qhybrid_pipelines.defs.jobs import JOB_NAMES
from qhybrid_pipelines.defs.partitions import add_partitions
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.schemas import CHAINS, LAKE_TABLES, LEARNING_TABLES, OPTIMISER_STEPS, SAMPLING_TABLES
from qhybrid_pipelines_tests.support import experiment_homes

pytestmark = experiment_homes.RUNS_IN_PROCESS

BACKEND = "local:auto"
SMALL = {"shots": 64, "repetitions": 2, "sweep": {"strategy": "fixed_angles", "points": 2}, "rounds": {"max": 1}}
SPECS = [
    {**SMALL, "name": "cut", "problem": {"family": "maxcut", "source": "networkx:petersen"}},
    {
        **SMALL,
        "name": "assets",
        "problem": {
            "family": "portfolio",
            "source": {"generator": "factor_model", "assets": 8, "cardinality": 3, "seed": 2},
        },
    },
    {
        **SMALL,
        "name": "matrix",
        "reduce": {"max_qubits": 6},
        "problem": {"family": "qubo", "source": {"generator": "random", "variables": 24, "density": 0.8, "seed": 1}},
    },
    {
        **SMALL,
        "name": "loop",
        "problem": {"family": "maxcut", "source": "networkx:cubical"},
        "sweep": {"strategy": "optimise", "optimiser": "spsa", "steps": 2, "points": 2},
    },
]
#: What these experiments have; those that learn have tables of their own.
TABLES = [
    table for table in LAKE_TABLES if "experiment" in table.key and table not in (*LEARNING_TABLES, *SAMPLING_TABLES)
]


@pytest.fixture(scope="module")
def two_homes(tmp_path_factory):
    """Return the lakes of a home where each stage was one run, and of one where every partition had its own."""
    together, apart = (tmp_path_factory.mktemp(name) / "home" for name in ("together", "apart"))
    launcher = experiment_homes.make_launcher(together)
    keys = experiment_homes.register(launcher, SPECS)
    add_partitions(launcher.instance, [Stage(experiment=key, backend=BACKEND) for key in keys])
    for job, first, last in (
        ("prepare", keys[0], keys[-1]),
        ("execute", f"{BACKEND}|{keys[0]}", f"{BACKEND}|{keys[-1]}"),
    ):
        # What the UI does for a backfill of assets with BackfillPolicy.single_run().
        result = launcher.definitions.resolve_job_def(JOB_NAMES[job]).execute_in_process(
            instance=launcher.instance,
            tags={"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last},
        )
        assert result.success
    assert launcher.instance.get_runs_count() == 2
    other = experiment_homes.make_launcher(apart)
    experiment_homes.run(other, reversed(experiment_homes.register(other, reversed(SPECS))))
    assert other.instance.get_runs_count() == 2 * len(SPECS) + 1
    return Lake(Home(together)), Lake(Home(apart))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_one_run_and_many_runs_write_the_same(two_homes, table):
    together, apart = two_homes
    keys = together.keys(table)
    assert len(keys) == len(SPECS)
    assert keys == apart.keys(table)
    same = [column.name for column in table.columns if not column.measured]
    for key in keys:
        left, right = (lake.read(table, key).select(same) for lake in two_homes)
        is_loop = key.experiment.startswith("loop-")
        # Only loops have steps, and only annealers chains, of which there are none here.
        assert left.num_rows > 0 or table == CHAINS or (table == OPTIMISER_STEPS and not is_loop)
        assert left.equals(right)
        if len(same) == len(table.columns):
            digests = {hashlib.sha256(lake.path(table, key).read_bytes()).hexdigest() for lake in two_homes}
            assert len(digests) == 1


def test_counts_scores_and_solutions_are_compared_as_files():
    """The tables that must be identical byte for byte hold nothing that is measured."""
    measured = {table.name: [c.name for c in table.columns if c.measured] for table in TABLES}
    assert (
        measured["qpu_result_sets"]
        == measured["scored_solutions"]
        == measured["point_scores"]
        == measured["decisions"]
        == []
    )
    assert measured["baselines"] == ["seconds"]
