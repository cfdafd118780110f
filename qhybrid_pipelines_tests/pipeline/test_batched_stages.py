"""Many small experiments in few runs, evaluated as the daemon does; one of them that is wrong fails alone."""

from __future__ import annotations

import dagster as dg
import pytest

from qhybrid_pipelines.defs import batches, run_requests
from qhybrid_pipelines.defs.batches import SIZE_VARIABLE
from qhybrid_pipelines.defs.jobs import STAGES
from qhybrid_pipelines.defs.partitions import EXPERIMENT_PARTITIONS
from qhybrid_pipelines.defs.run_tags import BATCH_OF_TAG, BATCH_TAG, PARTITION_TAG
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.support.code_location import open_code_location

pytestmark = [experiment_homes.RUNS_IN_PROCESS]

SMALL = "shots: 16\nrepetitions: 2\nsweep: {strategy: fixed_angles, points: 1}\nrounds: {max: 1}\n"
PAGE = "name: small {number}\nproblem: {{family: maxcut, source: {{generator: random_regular, nodes: 6, degree: 3, seed: {number}}}}}\n"
TRIANGLE = f"name: triangle\nproblem: {{family: maxcut, source: triangle.csv, format: csv_edges}}\n{SMALL}"


@pytest.fixture
def code_location(tmp_path, monkeypatch):
    monkeypatch.setenv(SIZE_VARIABLE, "4")
    for module in (batches, run_requests):
        monkeypatch.setattr(module, "MAX_ALONE", 2)
    with open_code_location(tmp_path) as opened:
        yield opened


def run_to_the_end(code_location):
    """Tick and run until nothing is asked for; return the runs that were asked for, and the reason."""
    asked = []
    while not isinstance(requests := code_location.tick("due_stages"), str):
        for request in requests:
            asked.append(request)
            code_location.run(request)
    return asked, requests


def test_many_reach_their_verdicts_in_few_runs_and_the_wrong_one_fails_alone(code_location):
    code_location.workspace.home.make()
    (code_location.home / "triangle.csv").write_text("i,j,weight\n1,2,1\n2,3,1\n1,3,1\n")
    bad = code_location.register(TRIANGLE)
    for blob in code_location.workspace.home.blobs.rglob("*"):
        if blob.is_file():
            blob.unlink()
    good = [code_location.register(PAGE.format(number=number) + SMALL) for number in range(1, 4)]
    code_location.instance.add_dynamic_partitions(EXPERIMENT_PARTITIONS, [bad, *good])
    asked, reason = run_to_the_end(code_location)
    assert reason == "0 stages are running, 1 failed"
    assert {key.experiment for key in code_location.workspace.lake.keys(schemas.DECISIONS)} == set(good)
    assert [(STAGES[request.job_name], request.tags.get(BATCH_OF_TAG, "").count("\n") + 1) for request in asked] == [
        ("prepare", 4),  # fails, and is asked for again one by one
        *[("prepare", 1)] * 4,
        ("execute", 3),
        ("publish", 1),
    ]
    failed = code_location.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    assert [run.tags.get(PARTITION_TAG) for run in failed if BATCH_TAG not in run.tags] == [bad]
    # What a batch wrote is what a run of its own writes.
    with open_code_location(code_location.home.parent / "alone") as alone:
        assert alone.register(PAGE.format(number=1) + SMALL) == good[0]
        run_to_the_end(alone)
        for table in (schemas.QPU_RESULT_SETS, schemas.SCORED_SOLUTIONS, schemas.DECISIONS):
            [partition] = alone.workspace.lake.keys(table)
            names = [column.name for column in table.columns if not column.measured and column.name != "job_id"]
            there = code_location.workspace.lake.read(table, partition).select(names)
            assert there.equals(alone.workspace.lake.read(table, partition).select(names))


def test_experiments_that_the_inbox_has_not_told_dagster_of_yet_are_batched_all_the_same(code_location):
    """While an inbox of a thousand files is read, what was registered first is due already."""
    keys = [code_location.register(PAGE.format(number=number) + SMALL) for number in range(20, 24)]
    assert not code_location.instance.get_dynamic_partitions(EXPERIMENT_PARTITIONS)
    [request] = code_location.tick("due_stages")
    assert sorted(request.tags[BATCH_OF_TAG].split("\n")) == sorted(keys)
