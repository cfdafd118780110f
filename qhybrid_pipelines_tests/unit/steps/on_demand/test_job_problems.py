"""A job's page says what stands in its way: a damaged experiment, a backend that no setting names."""

from __future__ import annotations

from pathlib import Path

import pytest

from qhybrid_pipelines.control.jobs.admission import SubmitRequest
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
