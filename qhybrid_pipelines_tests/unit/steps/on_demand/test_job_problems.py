"""A job's page says what stands in its way: a damaged experiment, a backend that no setting names, a cancellation that waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.steps.on_demand.doctor import findings
from qhybrid_pipelines.steps.on_demand.job_problems import job_problems
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch

SPEC = "name: one\nproblem: {family: maxcut, source: 'networkx:petersen'}\n"


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace(Home(tmp_path / "home").make())
    workspace.control_plane._providers["vendor"] = DurableVendor(tmp_path / "vendor")
    return workspace


def test_a_damaged_experiment_and_an_unnamed_backend(workspace):
    key = workspace.registration.register_text(SPEC, file="one.yaml", folder=Path()).key
    plane = workspace.control_plane
    job = plane.dispatcher.submit(make_batch(experiment=key), SubmitRequest(tier="batch", budget_usd=5.0))
    assert job_problems(job, workspace.specifications, workspace.lake, plane) == ()
    path = workspace.home.specifications / f"{key}.json"
    path.write_bytes(path.read_bytes()[:-5])
    del plane._providers["vendor"]
    damaged, unnamed = job_problems(job, workspace.specifications, workspace.lake, plane)
    assert "it was changed after it was registered" in damaged
    assert "settings do not name its backend" in unnamed
    rows = {row["check"]: row for row in findings(workspace.home, plane, workspace.specifications)}
    assert job.job_id in rows["jobs of unnamed backends"]["finding"]
    assert not rows["jobs of unnamed backends"]["ok"]


def test_a_cancellation_that_waits(workspace):
    """So do the doctor and the page; both stop saying so when the provider has answered."""
    vendor = workspace.control_plane._providers["vendor"]
    plane = workspace.control_plane
    request = SubmitRequest(tier="batch", budget_usd=5.0)
    first, second = (plane.dispatcher.submit(make_batch(seed=seed), request) for seed in (10, 20))
    for job in (first, second):
        vendor.show(job.provider_job_id, JobState.RUNNING)
        (vendor.folder / f"{job.provider_job_id}.cancel").write_text("cancelled")
    plane.dispatcher.decisions.intend_cancel([first, second], by="ada")

    def waiting() -> tuple[list[str], bool, str]:
        rows = {row["check"]: row for row in findings(workspace.home, plane, workspace.specifications)}
        row, job = rows["cancellations that wait"], plane.ledger.job(first.job_id)
        return list(job_problems(job, workspace.specifications, workspace.lake, plane)), row["ok"], row["finding"]

    [problem], ok, finding = waiting()
    assert problem.startswith("Asked for by ada. Its cancellation waits: ")
    assert f"`qhybrid jobs cancel {first.job_id}` asks now" in problem
    assert not ok
    assert first.job_id in finding
    assert second.job_id in finding
    plane.dispatcher.poll_due()
    assert waiting() == ([], True, "none")


def test_a_move_that_waits_and_the_command_that_is_named_moves_it(workspace):
    """`jobs cancel` would make a cancellation of it; the page, the next steps and the doctor name the command that moves it."""
    vendor, plane = workspace.control_plane._providers["vendor"], workspace.control_plane
    other = plane._providers["other"] = DurableVendor(vendor.folder.parent / "other", name="other")
    job = plane.dispatcher.submit(make_batch(), SubmitRequest(tier="batch", budget_usd=5.0))
    vendor.show(job.provider_job_id, JobState.RUNNING)
    (vendor.folder / f"{job.provider_job_id}.cancel").write_text("cancelled")
    elsewhere, cancel = make_batch(backend="other:device"), vendor.cancel

    def die(ref):
        raise SystemExit

    vendor.cancel = die
    with pytest.raises(SystemExit):
        plane.dispatcher.decisions.reroute(job.job_id, elsewhere, principal="ada")
    vendor.cancel = cancel
    [problem] = job_problems(plane.ledger.job(job.job_id), workspace.specifications, workspace.lake, plane)
    rows = {row["check"]: row for row in findings(workspace.home, plane, workspace.specifications)}
    assert problem.startswith("Asked for by ada. Its move to other:device waits: ")
    assert f"`qhybrid jobs reroute {job.job_id} other:device` asks now" in problem
    assert "`qhybrid jobs reroute JOB other:device` asks now" in rows["cancellations that wait"]["finding"]
    assert "jobs cancel" not in problem + rows["cancellations that wait"]["finding"]
    moved = plane.dispatcher.decisions.reroute(job.job_id, elsewhere, principal="ada")
    assert (moved.backend, plane.ledger.job(job.job_id).state) == ("other:device", JobState.REROUTED)
    assert (len(vendor.book()), len(other.book())) == (1, 1)
