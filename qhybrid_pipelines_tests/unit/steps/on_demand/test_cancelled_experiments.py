"""Cancelling an experiment is one word about all of its jobs, also where the process dies after the first request."""

from __future__ import annotations

from pathlib import Path

import pytest

from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.steps.on_demand.cancelled_experiments import cancel_experiment
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.durable_vendor import DurableVendor, make_batch

SPEC = "name: one\nproblem: {family: maxcut, source: 'networkx:petersen'}\n"


class Killed(BaseException):
    """The process ends here; nobody catches it."""


def test_a_process_that_dies_after_the_first_request_leaves_no_job_running(tmp_path, monkeypatch):
    workspace = Workspace(Home(tmp_path / "home").make())
    plane, vendor = workspace.control_plane, DurableVendor(tmp_path / "vendor")
    plane._providers["vendor"] = vendor
    key = workspace.registration.register_text(SPEC, file="one.yaml", folder=Path()).key
    request = SubmitRequest(tier="batch", budget_usd=5.0)
    for seed in (10, 20, 30):
        job = plane.dispatcher.submit(make_batch(experiment=key, seed=seed), request)
        vendor.show(job.provider_job_id, JobState.RUNNING)
        (vendor.folder / f"{job.provider_job_id}.cancel").write_text("cancelled")
    answer = vendor.cancel

    def answer_and_die(ref):
        answer(ref)
        vendor.show(ref.provider_job_id, JobState.CANCELLED)
        raise Killed

    monkeypatch.setattr(vendor, "cancel", answer_and_die)
    with pytest.raises(Killed):
        cancel_experiment(key, workspace.specifications, plane.dispatcher, workspace.home, by="ada")
    assert vendor.calls("cancel") == 1
    monkeypatch.setattr(vendor, "cancel", answer)
    plane.dispatcher.poll_due()
    jobs = plane.ledger.jobs(experiment=key)
    assert {job.state for job in jobs} == {JobState.CANCELLED}
    assert {(plane.ledger.events(job.job_id)[-1].detail or {})["by"] for job in jobs} == {"ada"}
    assert (vendor.calls("cancel"), len(vendor.book())) == (3, 3)
