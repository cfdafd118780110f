"""One specification runs on devices of four vendors behind Braket: only the backend's name differs, and the bill is what was quoted."""

from __future__ import annotations

from collections import Counter

import httpx
import pyarrow as pa
import pytest

from qhybrid_pipelines.core.errors import JobFailed
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.quantum.circuits import batch_from_row
from qhybrid_pipelines.steps.execute.circuit_batches import circuit_batches
from qhybrid_pipelines.steps.execute.qpu_result_sets import collect_result_sets, collect_series
from qhybrid_pipelines.steps.execute.qpu_submissions import submit_circuit_batches
from qhybrid_pipelines.steps.interpret.baseline_comparisons import baseline_comparisons
from qhybrid_pipelines.steps.interpret.scored_solutions import scores
from qhybrid_pipelines.steps.on_demand.estimates import estimates
from qhybrid_pipelines.steps.operate.audits import counts_sum_to_shots
from qhybrid_pipelines.steps.prepare.baselines import baselines
from qhybrid_pipelines.steps.prepare.experiments import experiments
from qhybrid_pipelines.steps.prepare.parameter_sweeps import parameter_sweeps
from qhybrid_pipelines.steps.prepare.problem_instances import problem_instances
from qhybrid_pipelines.steps.prepare.reduced_models import reduced_models
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.braket_under_test import fate_of_tasks

BACKENDS = ["braket:ionq.Forte-1", "braket:iqm.Garnet", "braket:rigetti.Ankaa-3", "braket:aqt.Ibex-Q1"]
PAGE = """
name: four vendors
problem: {{family: maxcut, source: {{generator: random_regular, nodes: 6, degree: 3, seed: 5}}}}
sweep: {{strategy: grid, points: 2}}
shots: 40
repetitions: 1
backends: {backends}
budget: {{usd: 100}}
"""


def prepared(workspace, page):
    """Return a page that was registered, and what its circuits are made from."""
    [registered] = workspace.registration.register_files(page)
    table = experiments([registered.key], workspace.specifications)
    instances = problem_instances(table, workspace.specifications)
    reduced = reduced_models(table, instances)
    sweeps = parameter_sweeps(table, reduced, workspace.specifications)
    return registered, (table, instances, reduced, sweeps)


def await_completion(sent, dispatcher) -> None:
    for _ in range(400):
        jobs = dispatcher.poll([dispatcher.ledger.job(job_id) for job_id in sent.column("job_id").to_pylist()])
        if all(job.state is JobState.COMPLETED for job in jobs):
            break


@pytest.fixture
def running(tmp_path, monkeypatch):
    emulator = start_emulator(tmp_path / "cloud", speed=20_000.0, seed=7)
    for name, value in emulator.braket_environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BRAKET_LISTING_LAG_SECONDS", "0")
    yield emulator
    emulator.stop()


def test_the_same_page_on_four_vendors(tmp_path, running):
    workspace = Workspace(Home(tmp_path / "home"))
    dispatcher = workspace.control_plane.dispatcher
    page = tmp_path / "page.yaml"
    page.write_text(PAGE.format(backends=BACKENDS))
    preview = estimates(
        [page], dispatcher, workspace.lake, backends=workspace.control_plane.backends, tmp=workspace.home.tmp
    )
    quoted = {row["backend"]: row["high_usd"] for row in preview.rows}
    registered, tables = prepared(workspace, page)
    pairs = [(backend, registered.key) for backend in BACKENDS]
    batches = circuit_batches(pairs, *tables, specifications=workspace.specifications)
    sent = submit_circuit_batches(batches, tables[0], dispatcher, principal="me")
    again = submit_circuit_batches(batches, tables[0], dispatcher, principal="me")
    assert again.column("job_id").equals(sent.column("job_id"))
    await_completion(sent, dispatcher)
    counts = collect_result_sets(batches, sent, dispatcher)
    points, _ = scores(pairs, *tables[:3], counts)
    assert {row["backend"] for row in points.to_pylist()} == set(BACKENDS)
    shots = counts.group_by(["backend", "point"]).aggregate([("count", "sum")])
    assert set(shots.column("count_sum").to_pylist()) == {40}

    book = httpx.get(f"{running.admin_url}/jobs").json()["jobs"]
    assert len(book) == sent.num_rows
    # Two points are one task where the device takes them in one; 80 shots are too few for IonQ's, and AQT takes no sets.
    tasks = Counter(sent.column("backend").to_pylist())
    assert tasks == dict(zip(BACKENDS, (2, 1, 1, 2), strict=True))
    assert shots.num_rows == 2 * len(BACKENDS)
    for backend in BACKENDS:
        charged = sum(job["charged_usd"] for job in book if f"braket:{job['backend']}" == backend)
        settled = sum(
            job.cost_settled_usd or job.cost_quoted_usd
            for job in dispatcher.ledger.jobs(experiment=registered.key)
            if job.backend == backend
        )
        assert charged == pytest.approx(quoted[backend], rel=0.01)
        assert charged == pytest.approx(settled, rel=0.01)


def test_a_circuit_that_failed_is_left_out_and_named(tmp_path, running):
    workspace = Workspace(Home(tmp_path / "home"))
    dispatcher, backend = workspace.control_plane.dispatcher, BACKENDS[1]
    page = tmp_path / "page.yaml"
    page.write_text(PAGE.format(backends=[backend]).replace("points: 2", "points: 5"))
    registered, tables = prepared(workspace, page)
    pairs = [(backend, registered.key)]
    with fate_of_tasks(running) as put:
        put(fault="executables_failed", route="POST /quantum-task", nth=1, params={"message": "The ions have left."})
        batches = circuit_batches(pairs, *tables, specifications=workspace.specifications)
        sent = submit_circuit_batches(batches, tables[0], dispatcher, principal="me")
    await_completion(sent, dispatcher)
    [job_id] = sent.column("job_id").to_pylist()
    with pytest.raises(JobFailed, match=r"lacks counts that the next step needs: 1 of 5 circuits failed: circuit \d"):
        collect_series([(0, batch_from_row(batches.to_pylist()[0]))], sent.to_pylist(), dispatcher)
    counts = collect_result_sets(batches, sent, dispatcher)
    points, solutions = scores(pairs, *tables[:3], counts)
    assert sorted(set(points.column("point").to_pylist())) == sorted(set(counts.column("point").to_pylist()))
    assert points.num_rows == 4
    job = dispatcher.ledger.job(job_id)
    assert job.state is JobState.VERIFIED
    assert job.error.startswith("1 of 5 circuits failed: circuit ")
    assert counts_sum_to_shots(pairs, batches, sent, counts, dispatcher) == []
    assert counts_sum_to_shots(pairs, batches, sent, pa.concat_tables([counts, counts[:1]]), dispatcher) != []
    compared = baseline_comparisons(
        pairs,
        problem_instances=tables[1],
        reduced_models=tables[2],
        parameter_sweeps=tables[3],
        qpu_submissions=sent,
        point_scores=points,
        scored_solutions=solutions,
        baselines=baselines(tables[0], tables[1], tables[2]),
        dispatcher=dispatcher,
    )
    [reason] = compared.column("reason").to_pylist()
    assert f"left out of every run (job {job_id}: 1 of 5 circuits failed: circuit" in reason
    assert "The ions have left. (device)" in reason
