"""One specification runs on devices of four vendors behind Braket: only the backend's name differs, and the bill is what was quoted."""

from __future__ import annotations

import httpx
import pytest

from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.emulator.process import start_emulator
from qhybrid_pipelines.steps.execute.circuit_batches import circuit_batches
from qhybrid_pipelines.steps.execute.qpu_result_sets import collect_result_sets
from qhybrid_pipelines.steps.execute.qpu_submissions import submit_circuit_batches
from qhybrid_pipelines.steps.interpret.scored_solutions import scores
from qhybrid_pipelines.steps.on_demand.estimates import estimates
from qhybrid_pipelines.steps.prepare.experiments import experiments
from qhybrid_pipelines.steps.prepare.parameter_sweeps import parameter_sweeps
from qhybrid_pipelines.steps.prepare.problem_instances import problem_instances
from qhybrid_pipelines.steps.prepare.reduced_models import reduced_models
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home

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
    dispatcher, specifications = workspace.control_plane.dispatcher, workspace.specifications
    page = tmp_path / "page.yaml"
    page.write_text(PAGE.format(backends=BACKENDS))
    preview = estimates(
        [page], dispatcher, workspace.lake, backends=workspace.control_plane.backends, tmp=workspace.home.tmp
    )
    quoted = {row["backend"]: row["high_usd"] for row in preview.rows}
    [registered] = workspace.registration.register_files(page)
    table = experiments([registered.key], specifications)
    instances = problem_instances(table, specifications)
    reduced = reduced_models(table, instances)
    sweeps = parameter_sweeps(table, reduced, specifications)
    pairs = [(backend, registered.key) for backend in BACKENDS]
    batches = circuit_batches(pairs, table, instances, reduced, sweeps, specifications=specifications)
    sent = submit_circuit_batches(batches, table, dispatcher, principal="me")
    again = submit_circuit_batches(batches, table, dispatcher, principal="me")
    assert again.column("job_id").equals(sent.column("job_id"))
    for _ in range(400):
        jobs = dispatcher.poll([dispatcher.ledger.job(job_id) for job_id in sent.column("job_id").to_pylist()])
        if all(job.state is JobState.COMPLETED for job in jobs):
            break
    counts = collect_result_sets(batches, sent, dispatcher)
    points, _ = scores(pairs, table, instances, reduced, counts)
    assert {row["backend"] for row in points.to_pylist()} == set(BACKENDS)
    shots = counts.group_by(["backend", "point"]).aggregate([("count", "sum")])
    assert set(shots.column("count_sum").to_pylist()) == {40}

    book = httpx.get(f"{running.admin_url}/jobs").json()["jobs"]
    assert len(book) == sent.num_rows == shots.num_rows
    for backend in BACKENDS:
        charged = sum(job["charged_usd"] for job in book if f"braket:{job['backend']}" == backend)
        settled = sum(
            job.cost_settled_usd or job.cost_quoted_usd
            for job in dispatcher.ledger.jobs(experiment=registered.key)
            if job.backend == backend
        )
        assert charged == pytest.approx(quoted[backend], rel=0.01)
        assert charged == pytest.approx(settled, rel=0.01)
