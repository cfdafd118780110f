"""What a person does about jobs, through the real command and the whole pipeline, under a policy that asks for approval."""

from __future__ import annotations

import json
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from qhybrid_pipelines import cli
from qhybrid_pipelines.core.system import failpoints
from qhybrid_pipelines.steps.on_demand.replays import total_variation
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support import experiment_homes
from qhybrid_pipelines_tests.unit.control.jobs.test_cancellation_busy_jobs import die_when_left
from qhybrid_pipelines_tests.unit.control.jobs.test_cancellation_requests import Killed

pytestmark = experiment_homes.RUNS_IN_PROCESS

SPEC = """
name: by hand
problem: {family: maxcut, source: 'networkx:petersen'}
reduce: {max_qubits: 6, windows: 1}
shots: 32
repetitions: 2
sweep: {strategy: fixed_angles, points: 2}
rounds: {max: 1}
backends: ["local:auto"]
"""
POLICY = """
rules:
  - {name: ask, backend: "local:auto", then: approve, reason: somebody should look}
  - {name: rest, backend: "local:*", then: allow, reason: this machine}
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A home with a policy and a specification."""
    folder = tmp_path_factory.mktemp("by-hand")
    home = Home(folder / "home").make()
    (home.path / "policy.yaml").write_text(POLICY)
    (folder / "spec.yaml").write_text(SPEC)
    return home, folder / "spec.yaml"


@pytest.fixture
def qhybrid(stage, monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["qhybrid", *map(str, arguments), "--home", str(stage[0].path), "--json"])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code
        return code, json.loads(capsys.readouterr().out)

    return run


def test_ask_decline_retry_reroute_approve_replay(stage, qhybrid):
    home, spec = stage
    code, told = qhybrid("estimate", spec)
    [row] = told["rows"]
    assert (code, row["jobs"], row["jobs_paid"], told["problems"]) == (0, 1, 0, [])
    assert row["policy"] == "approve: somebody should look"
    assert list(Workspace(home).specifications) == []

    code, told = qhybrid("run", spec)
    [waiting] = told["waiting"]
    assert (code, told["verdicts"], waiting["state"]) == (3, [], "AWAITING_APPROVAL")
    assert told["failures"] == []  # nothing has failed that waits
    first = waiting["job_id"]

    code, told = qhybrid("jobs", "decline", first, "--reason", "not now", "--by", "grace")
    assert (code, told["state"]) == (0, "REJECTED")
    code, told = qhybrid("jobs", "retry", first)
    second = told["job_id"]
    assert (code, told["state"], second != first) == (0, "AWAITING_APPROVAL", True)
    code, told = qhybrid("jobs", "retry", first)
    assert code == 2
    assert f"taken over by {second}" in told["problem"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failpoints, "on_reached", die_when_left)
        with pytest.raises(Killed):
            qhybrid("jobs", "reroute", second, "local:aer-exact")
    # It has left, no other job has its work, and it may come back.
    code, told = qhybrid("jobs", "reroute", second, "local:auto")
    assert (code, told["state"], told["backend"]) == (0, "AWAITING_APPROVAL", "local:auto")
    second = told["job_id"]

    code, told = qhybrid("jobs", "reroute", second, "local:aer-exact")
    third = told["job_id"]
    assert (code, told["backend"], told["requested_backend"]) == (0, "local:aer-exact", "local:auto")
    assert third not in (first, second)
    code, told = qhybrid("jobs", "show", second)
    assert (told["job"]["state"], told["job"]["rerouted_to"]) == ("REROUTED", third)

    code, told = qhybrid("run", spec)
    assert told["failures"] == []
    assert (code, [row["backend"] for row in told["verdicts"]], told["waiting"]) == (0, ["local:auto"], [])
    code, told = qhybrid("estimate", spec)
    assert (code, told["rows"][0]["policy"], told["total"]["jobs_paid"]) == (0, "already there", 1)

    code, told = qhybrid("jobs", "reroute", third, "local:aer-exact")
    assert (code, told["problem"]) == (2, f"job {third} is VERIFIED and cannot be rerouted")
    assert "jobs show" in told["remedy"], "`jobs retry` would refuse it"

    code, told = qhybrid("jobs", "replay", third)
    assert (code, told["equal"]) == (0, True)
    assert told["decoded"] == told["stored"] > 0
    _tamper(home, third)
    code, told = qhybrid("jobs", "replay", third)
    assert (code, told["equal"]) == (3, False)
    assert max(point["total_variation"] for point in told["points"]) == pytest.approx(1.0)

    code, told = qhybrid("jobs", "replay", first)
    assert code == 2
    assert "no result of it was ever received" in told["problem"]


def _tamper(home, job_id):
    """Flip the lowest bit of every outcome of the job's first point in the lake."""
    workspace = Workspace(home)
    [experiment] = workspace.specifications
    key = PartitionKey(experiment=experiment, backend="local:auto")
    counts = workspace.lake.read(schemas.QPU_RESULT_SETS, key)
    flipped = pc.add(counts.column("bits"), pa.scalar(1 << 40, pa.uint64()))
    index = counts.column_names.index("bits")
    workspace.lake.write(schemas.QPU_RESULT_SETS, key, counts.set_column(index, counts.schema.field("bits"), flipped))


def test_the_distance_of_two_tables_of_counts():
    def table(*rows):
        columns = zip(*rows, strict=True)
        names = ("point", "repetition", "bits", "high_bits", "count")
        types = (pa.int32(), pa.int32(), pa.uint64(), pa.binary(), pa.int64())
        return pa.table({n: pa.array(list(c), type=t) for n, c, t in zip(names, columns, types, strict=True)})

    one = table((0, 0, 0, None, 3), (0, 1, 1, None, 1), (1, 0, 7, None, 4), (2, 0, 0, None, 1))
    other = table((0, 0, 0, None, 1), (0, 0, 1, None, 1), (1, 1, 7, None, 8))
    found = {row["point"]: row["total_variation"] for row in total_variation(one, other)}
    assert found == {0: pytest.approx(0.25), 1: 0.0, 2: 1.0}


def test_a_price_that_nobody_could_tell_is_not_zero(tmp_path, qhybrid, monkeypatch):
    monkeypatch.setenv("IONQ_API_URL", "http://127.0.0.1:9/v0.4")
    monkeypatch.setenv("IONQ_API_KEY", "planted")
    spec = tmp_path / "away.yaml"
    spec.write_text(SPEC.replace("local:auto", "ionq:qpu.aria-1"))
    code, told = qhybrid("estimate", spec)
    [row] = told["rows"]
    assert (code, row["low_usd"], row["high_usd"], row["policy"]) == (3, None, None, "not known")
    assert told["total"]["without_price"] == 1
    assert "no answer" in str(told["problems"])


def test_what_is_refused_is_in_no_total_and_leaves_the_budget_to_the_others(tmp_path, qhybrid):
    spec = tmp_path / "both.yaml"
    spec.write_text(SPEC.replace('["local:auto"]', '["ibm:fake_manila", "local:aer-exact"]'))
    code, told = qhybrid("estimate", spec)
    [refused, row] = told["rows"]
    assert (code, refused["policy"], row["policy"]) == (4, "refused", "allow: this machine")
    assert refused["shots"] > 0
    assert {name: told["total"][name] for name in ("jobs", "shots", "refused")} == {
        "jobs": row["jobs"],
        "shots": row["shots"],
        "refused": 1,
    }
    assert row["budget_left_usd"] == refused["budget_left_usd"]
