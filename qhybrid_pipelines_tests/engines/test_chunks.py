"""Sweeps, baselines and folds on real workers of Dask and of Ray, which are killed: the same bytes, and one job in the ledger.

``make test-chunks`` installs both; they are skipped, loudly, where they are not installed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pytest

from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec, GeneratorSource, ProblemSpec
from qhybrid_pipelines.execution.chunks import map_chunks
from qhybrid_pipelines.execution.engines.engine import all_engines
from qhybrid_pipelines.parallel import dask_mapper
from qhybrid_pipelines.parallel.dask_mapper import DaskMapper
from qhybrid_pipelines.parallel.mapper import (
    MAX_KILLED_WORKERS,
    PACKAGES,
    PARTS_PER_WORKER,
    VARIABLE,
    Mapper,
    WorkersUnavailable,
    _make_mapper,
)
from qhybrid_pipelines.parallel.ray_mapper import RayMapper
from qhybrid_pipelines.problems.baseline_runs import LEAST_VARIABLES, run_baselines
from qhybrid_pipelines.problems.reduction import reduce_instance
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.problems.sources import load_instance
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.dying_parts import KillingMapper
from qhybrid_pipelines_tests.support.sweeps import counts_sha256, random_sweep

pytestmark = [
    pytest.mark.chunks,
    experiment_homes.RUNS_IN_PROCESS,
    pytest.mark.filterwarnings("default:.*:ResourceWarning"),  # what the two leave to the end of the process
]
NAMES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(find_spec(package) is None, reason=f"SKIPPED LOUDLY: {package} is not installed"),
    )
    for name, package in PACKAGES.items()
]
SWEEP = {
    "name": "divided",
    "problem": {"family": "maxcut", "source": {"generator": "random_regular", "nodes": 16, "degree": 3, "seed": 5}},
    "ansatz": {"layers": 2},
    "shots": 32,
    "repetitions": 1,
    "sweep": {"strategy": "random", "points": 1024},
    "rounds": {"max": 1},
}
LEARNING = {
    "kind": "qml",
    "name": "folds",
    "dataset": {"source": "moons.csv", "target": "side", "classes": ["left", "right"]},
    "features": {"pca": 2},
    "models": ["variational"],
    "baselines": ["logistic_regression"],
    "folds": {"k": 3, "repeats": 1},
    "tuning": {"trials": 2},
    "training": {"layers": 1, "epochs": 3, "batch_size": 8},
    "evaluation": {"shots": [None], "curve": [12]},
}


@pytest.fixture(scope="module", params=NAMES)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def mapper(name) -> Iterator[Mapper]:
    """Give workers of one of the two on this machine, which all tests of it share."""
    _make_mapper.cache_clear()
    made = _make_mapper(name)
    assert made.workers >= 1
    yield made
    close(made)


def close(mapper: Mapper) -> None:
    _make_mapper.cache_clear()
    if isinstance(mapper, DaskMapper):
        client = mapper._client
        cluster = client.cluster
        client.close()
        if cluster is not None:
            cluster.close()
    elif isinstance(mapper, RayMapper):
        mapper._ray.shutdown()


@pytest.mark.parametrize("engine", [one for one in all_engines() if one.pointwise], ids=lambda one: one.name)
def test_counts_are_the_same_bytes_for_any_number_of_chunks(mapper, engine, monkeypatch):
    monkeypatch.setattr(dask_mapper, "ASK_SECONDS", 0.01)  # so that parts take longer than that
    batch = random_sweep(14, points=24)
    whole = counts_sha256(engine.run(batch))
    for number in (1, 7, 24):
        run = map_chunks(batch, engine, mapper, chunks=number)
        assert (counts_sha256(run), run.chunks) == (whole, number)


def test_counts_are_the_same_bytes_though_workers_are_killed_in_the_middle(mapper, tmp_path):
    batch, engine = random_sweep(14, points=24), all_engines()[0]
    killing = KillingMapper(mapper, tmp_path)
    assert counts_sha256(map_chunks(batch, engine, killing, chunks=4)) == counts_sha256(engine.run(batch))
    assert len(killing.killed()) == 2
    assert os.getpid() not in killing.killed()


def test_a_part_of_which_every_worker_dies_is_given_up_in_words(mapper, tmp_path):
    killing = KillingMapper(mapper, tmp_path, times=99)
    with pytest.raises(WorkersUnavailable, match="ended again and again"):
        map_chunks(random_sweep(5, points=2), all_engines()[0], killing, chunks=2)
    # Both begin a part again after each of so many losses, and nothing else ends a worker here that has the part.
    assert len(killing.killed()) == MAX_KILLED_WORKERS + 1


def test_baselines_are_the_same_rows(mapper):
    problem = ProblemSpec(
        family="maxcut", source=GeneratorSource(generator="random_regular", nodes=70, degree=3, seed=5)
    )
    spec = ExperimentSpec(name="large", problem=problem, shots=64, repetitions=2)
    family, instance = family_named("maxcut"), load_instance(problem, lambda _: b"")
    assert instance.size >= LEAST_VARIABLES
    reduced_model = reduce_instance(family, instance, spec).reduced_model
    here, there = (run_baselines(family, instance, reduced_model, spec, mapper=one) for one in (None, mapper))
    assert [{**row, "seconds": 0} for row in there] == [{**row, "seconds": 0} for row in here]


def run_experiments(home: Path) -> dict[str, pa.Table]:
    """Run a sweep and a learning experiment; return what is the same in every run of them."""
    home.joinpath("moons.csv").write_text(
        "a,b,side\n" + "".join(f"{n % 7}.{n % 3},{n % 5}.{n % 4},{'right' if n % 2 else 'left'}\n" for n in range(36))
    )
    launcher = experiment_homes.make_launcher(home)
    experiment_homes.run(launcher, experiment_homes.register(launcher, [SWEEP, LEARNING], home))
    return experiment_homes.read_reproducible_columns(home)


@pytest.fixture(scope="module")
def undivided(tmp_path_factory) -> dict[str, pa.Table]:
    return run_experiments(tmp_path_factory.mktemp("undivided"))


def test_divided_experiments_are_the_same_jobs_and_tables(mapper, name, tmp_path, monkeypatch, undivided):
    monkeypatch.setenv(VARIABLE, name)
    inner, sent = mapper.map, []
    monkeypatch.setattr(mapper, "map", lambda function, parts: sent.append(len(parts)) or inner(function, parts))
    divided = run_experiments(tmp_path)
    assert sorted(sent) == sorted([PARTS_PER_WORKER * mapper.workers, LEARNING["folds"]["k"]])
    assert {table: len(rows) for table, rows in divided.items() if not rows.equals(undivided[table])} == {}
    [job] = [job for job in experiment_homes.read_jobs(tmp_path) if job["experiment"].startswith("divided")]
    assert job["state"] == "VERIFIED"


@pytest.mark.skipif(find_spec("distributed") is None, reason="SKIPPED LOUDLY: distributed is not installed")
def test_a_scheduler_of_dask_that_is_away_or_has_no_workers_is_named(monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr(dask_mapper, "CONNECT_SECONDS", 1)
    with pytest.raises(WorkersUnavailable, match=r"scheduler tcp://127\.0\.0\.1:1 does not answer"):
        _ = DaskMapper("tcp://127.0.0.1:1").workers
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0", silence_logs=50) as empty:
        joined = DaskMapper(empty.scheduler_address)
        with pytest.raises(WorkersUnavailable, match="has no workers"):
            _ = joined.workers
        monkeypatch.setattr(dask_mapper, "ASK_SECONDS", 0.1)
        monkeypatch.setattr(dask_mapper, "PATIENCE_SECONDS", 0.2)
        with pytest.raises(WorkersUnavailable, match="has lost all its workers"):
            list(joined.map(str, [1]))
        close(joined)
