"""Sampling experiments from a page to verdicts: on this machine, on a noisy fake device and on the emulated cloud."""

import itertools

import dagster as dg
import numpy as np
import pytest

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.defs.run_tags import STATE_TAG
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.reports.page import chapters, render_page
from qhybrid_pipelines.steps.on_demand.comparisons import compare_experiments
from qhybrid_pipelines.steps.on_demand.estimates import estimate_registered
from qhybrid_pipelines.steps.on_demand.experiment_list import registered
from qhybrid_pipelines.steps.on_demand.replays import replay
from qhybrid_pipelines.steps.on_demand.report import report_content
from qhybrid_pipelines.storage.label_store import LabelStore
from qhybrid_pipelines_tests.support import experiment_homes

pytestmark = experiment_homes.RUNS_IN_PROCESS

SHOTS, REPETITIONS = 256, 3
COMMON = {"kind": "sampling", "shots": SHOTS, "repetitions": REPETITIONS}
CLOUD = "ionq:simulator"
GHZ = {
    **COMMON,
    "name": "ghz series",
    "circuit": {"family": "ghz", "widths": {"from": 3, "to": 5}},
    "backends": ["local:auto", "ibm:fake_manila", CLOUD],
}
MIRROR = {
    **COMMON,
    "name": "mirror series",
    "circuit": {"family": "mirror", "widths": [2, 3], "depths": [2], "instances": 2},
    "backends": ["local:auto", "ibm:fake_manila", CLOUD],
}
FILES = {
    **COMMON,
    "name": "own circuits",
    "circuit": {"files": ["bell.qasm", "coin.qasm"]},
    "reference": {"file": "expected.csv"},
}
#: A Bell pair with an ancilla between its qubits, and a single qubit.
BELL = """OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[2] c;
h q[0];
cx q[0], q[1];
cx q[1], q[2];
c[0] = measure q[0];
c[1] = measure q[2];
"""
COIN = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[1] q;\nbit[1] c;\nx q[0];\nc[0] = measure q[0];\n'
EXPECTED = "circuit,outcome,probability\nbell,00,0.5\nbell,11,0.5\ncoin,0,1\n"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A home in which all three ran, and their keys."""
    folder = tmp_path_factory.mktemp("sampling")
    cloud = start_emulator(folder / "cloud", key="sampling-test", speed=1000.0, seed=7)
    (folder / "bell.qasm").write_text(BELL)
    (folder / "coin.qasm").write_text(COIN)
    (folder / "expected.csv").write_text(EXPECTED)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**cloud.environment, "IONQ_LISTING_LAG_SECONDS": "0.05"}.items():
            patch.setenv(name, value)
        launcher = experiment_homes.make_launcher(folder / "home")
        keys = experiment_homes.register(launcher, [GHZ, MIRROR, FILES], folder)
        known, failures = launcher.run(keys, lambda stage, asset: None, wait=True)
        assert [(failure.stage, failure.message) for failure in failures] == []
        assert known == keys
        yield launcher, keys
    cloud.stop()


def rows(finished, sql):
    return experiment_homes.rows(finished[0].workspace.home.path, sql)


def test_every_circuit_of_every_series_has_a_verdict_on_every_backend(finished):
    found = rows(finished, "SELECT backend, circuit, verdict, fidelity, shots FROM sampling_verdicts ORDER BY ALL")
    expected = [
        *itertools.product(GHZ["backends"], [f"ghz-{width}" for width in (3, 4, 5)]),
        *itertools.product(MIRROR["backends"], [f"mirror-{w}x2-{i}" for w in (2, 3) for i in (0, 1)]),
        ("local:auto", "bell"),
        ("local:auto", "coin"),
    ]
    assert sorted((row["backend"], row["circuit"]) for row in found) == sorted(expected)
    assert {row["shots"] for row in found} == {SHOTS * REPETITIONS}
    verdicts = {(row["backend"], row["circuit"]): row for row in found}
    ideal = [row for row in found if row["backend"] == "local:auto" and row["circuit"] != "coin"]
    assert all(row["fidelity"] > 0.98 and row["verdict"] == "better_than_uniform" for row in ideal)
    noisy = verdicts["ibm:fake_manila", "ghz-5"]
    assert noisy["verdict"] == "better_than_uniform"
    assert noisy["fidelity"] < 0.99
    # The file says 0, and the circuit gives 1 in every shot: worse than a coin.
    assert verdicts["local:auto", "coin"]["verdict"] == "no_better_than_uniform"
    assert verdicts["local:auto", "coin"]["fidelity"] == 0


def test_scores_recompute_from_the_counts_that_an_analyst_sees(finished):
    counts = rows(
        finished,
        "SELECT point, bitstring, sum(count)::BIGINT AS n FROM qpu_result_sets JOIN experiments USING (experiment) "
        "WHERE name = 'ghz series' AND backend = 'ibm:fake_manila' GROUP BY ALL",
    )
    scores = rows(
        finished,
        "SELECT point, n_qubits, value FROM sampling_scores JOIN experiments USING (experiment) "
        "WHERE name = 'ghz series' AND backend = 'ibm:fake_manila' AND score = 'hellinger_fidelity'",
    )
    assert len(scores) == 3
    for row in scores:
        own = {one["bitstring"]: one["n"] for one in counts if one["point"] == row["point"]}
        assert {len(bits) for bits in own} == {row["n_qubits"]}
        shots, width = sum(own.values()), row["n_qubits"]
        overlap = sum(np.sqrt(own.get(bit * width, 0) / shots / 2) for bit in "01")
        assert row["value"] == pytest.approx(overlap**2)


def test_the_view_of_all_verdicts_has_them_with_cost_and_polarisation(finished):
    found = rows(finished, "SELECT * FROM verdicts WHERE kind = 'sampling'")
    assert len(found) == 9 + 12 + 2
    assert {row["unit"] for row in found} == {"hellinger_fidelity"}
    assert all(row["vs_random"] is not None and row["decided_at"] is not None for row in found)
    paid = [row for row in found if row["backend"] == CLOUD]
    jobs = rows(
        finished, f"SELECT sum(cost_usd) AS usd FROM job_costs WHERE requested_backend = '{CLOUD}' AND NOT canary"
    )
    assert sum(row["cost_usd"] for row in paid) == pytest.approx(jobs[0]["usd"])


def test_each_circuit_is_a_job_of_its_own_with_its_place_in_the_series(finished):
    found = rows(
        finished,
        "SELECT experiment, backend, list(first_point ORDER BY sub_batch) AS points FROM qpu_submissions GROUP BY ALL",
    )
    assert {tuple(row["points"]) for row in found} == {(0, 1, 2), (0, 1, 2, 3), (0, 1)}


def test_every_check_of_the_group_ran_and_passed(finished):
    instance = finished[0].instance
    evaluations = [
        record.event_log_entry.dagster_event.asset_check_evaluation_data
        for run in instance.get_runs()
        for record in instance.get_records_for_run(
            run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ).records
    ]
    assert [(e.asset_check_key.to_user_string(), e.description) for e in evaluations if not e.passed] == []
    checked = {e.asset_check_key.asset_key.path[0] for e in evaluations}
    assert {f"sampling_{name}" for name in ("circuits", "references", "baselines", "scores", "verdicts")} <= checked
    assert "qpu_result_sets" in checked


def test_a_job_of_a_series_replays_to_the_counts_in_the_lake(finished):
    launcher, keys = finished
    workspace = launcher.workspace
    for job in workspace.control_plane.ledger.jobs(experiment=keys[1]):
        found = replay(job, workspace.control_plane.dispatcher, workspace.lake, workspace.specifications)
        assert found.equal, found.sentence


def test_running_again_does_nothing_and_costs_nothing(finished):
    launcher, keys = finished
    before = len(launcher.workspace.control_plane.ledger.jobs())
    assert launcher.due(keys) == []
    estimate = estimate_registered(
        keys, launcher.workspace.specifications, launcher.workspace.control_plane.dispatcher, launcher.workspace.lake
    )
    assert {row["policy"] for row in estimate.rows} == {"already there"}
    assert len(estimate.rows) == 9 + 12 + 2
    assert len(launcher.workspace.control_plane.ledger.jobs()) == before


def test_the_list_of_experiments_counts_verdicts(finished):
    workspace = finished[0].workspace
    found = registered(workspace.lake, workspace.specifications, LabelStore(workspace.home))
    said = {(row["backend"], row["verdict"]) for row in found if row["experiment"].startswith("ghz")}
    assert ("local:auto", "3 better_than_uniform") in said


def test_the_report_has_a_plot_for_every_score(finished):
    launcher, keys = finished
    workspace = launcher.workspace
    contents = [
        report_content(key, workspace.specifications, workspace.lake, workspace.control_plane, workspace.home)
        for key in keys
    ]
    made = chapters(contents)
    drawn = {drawing.name for chapter in made for section in chapter.sections for drawing in section.drawings}
    assert {
        f"series-{name}" for name in ("hellinger-fidelity", "total-variation", "heavy-output", "polarisation")
    } <= drawn
    page = render_page(made)
    assert "better than uniform" in page
    assert "ghz-5" in page
    assert "How near circuits came" in page


@pytest.mark.long
def test_two_series_are_compared_circuit_by_circuit(finished):
    launcher, keys = finished
    workspace = launcher.workspace
    more = {**GHZ, "name": "more shots", "shots": 2 * SHOTS, "backends": ["local:auto"]}
    [other] = experiment_homes.register(launcher, [more])
    experiment_homes.run(launcher, [other])
    [found] = compare_experiments([keys[0], other], workspace.specifications, workspace.lake)
    assert [change.fact for change in found.changes if change.cause == "shots"] == ["shots"]
    assert found.points == ((0, 0), (1, 1), (2, 2))
    assert not found.counts.is_beyond_shot_noise
    assert {row["figure"] for row in found.figures} >= {"ghz-3 fidelity", "ghz-5 verdict"}
    [noise] = compare_experiments([keys[1], _noisy(launcher)], workspace.specifications, workspace.lake)
    assert noise.counts.is_beyond_shot_noise


def _noisy(launcher):
    """Run the mirror series on another, noisy device alone, so that it is held against the ideal one."""
    [key] = experiment_homes.register(
        launcher, [{**MIRROR, "name": "mirror noisy", "shots": 4 * SHOTS, "backends": ["ibm:fake_sherbrooke"]}]
    )
    experiment_homes.run(launcher, [key])
    return key


def test_an_optimisation_and_a_series_are_not_compared(finished):
    launcher, keys = finished
    page = {"name": "cut", "problem": {"family": "maxcut", "source": "networkx:bull"}, "shots": 16, "repetitions": 1}
    [other] = experiment_homes.register(launcher, [page])
    with pytest.raises(InvalidInput, match="nothing in common"):
        compare_experiments([keys[0], other], launcher.workspace.specifications, launcher.workspace.lake)


def test_a_series_beyond_its_budget_sends_nothing_at_all(tmp_path):
    """The price of every single circuit fits; that of all does not."""
    cloud = start_emulator(tmp_path / "cloud", key="sampling-budget", speed=1000.0, seed=7)
    page = {
        **COMMON,
        "name": "too dear",
        "shots": 1000,
        "circuit": {"family": "ghz", "widths": [3, 4, 5, 6]},
        "backends": ["ionq:qpu.forte-1"],
    }
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in cloud.environment.items():
                patch.setenv(name, value)
            launcher = experiment_homes.make_launcher(tmp_path / "home")
            workspace = launcher.workspace
            [key] = experiment_homes.register(launcher, [{**page, "budget": {"usd": 1e6}}])
            prices = estimate_registered(
                [key], workspace.specifications, workspace.control_plane.dispatcher, workspace.lake
            ).rows
            most, together = max(row["high_usd"] for row in prices), sum(row["high_usd"] for row in prices)
            assert most < together / 2
            [key] = experiment_homes.register(launcher, [{**page, "budget": {"usd": together / 2}}])
            _, failures = launcher.run([key], lambda stage, asset: None)
            assert [failure.exit_code for failure in failures] == [4], failures
            assert workspace.control_plane.ledger.jobs(experiment=key) == []
            [failed] = [run for run in launcher.instance.get_runs() if not run.is_success]
            assert failed.tags[STATE_TAG] == "refused by policy or budget"
    finally:
        cloud.stop()
