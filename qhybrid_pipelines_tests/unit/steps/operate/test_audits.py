"""What waits for a person is said, for its own executions and for the home; and on which backends a check looked."""

from __future__ import annotations

import json
import socket

import pytest

from qhybrid_pipelines.control.inbox.scan import quarantine_file
from qhybrid_pipelines.control.ledger.port import Breaker
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.defs import checks
from qhybrid_pipelines.defs.resources import WorkspaceResource
from qhybrid_pipelines.steps.operate import audits
from qhybrid_pipelines.steps.operate.backend_capabilities import backend_capabilities
from qhybrid_pipelines.steps.workspace import Workspace
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines_tests.support.job_histories import COMPLETE, WAITS_FOR_APPROVAL, E, noon_plus, write_job_history

KEY, BACKEND = "karate-0a1b2c3d", "ionq:simulator"


@pytest.fixture
def workspace(tmp_path):
    return Workspace(Home(tmp_path / "home").make())


def ask(workspace, *executions):
    return audits.needs_a_person(workspace.control_plane, list(executions) or None, now=noon_plus(400))


def test_a_job_that_waits_for_approval_is_said_with_what_to_do(workspace):
    write_job_history(workspace.control_plane.ledger, "j1", WAITS_FOR_APPROVAL)
    [seen] = ask(workspace)
    assert seen.startswith(f"job j1 of '{KEY}' on '{BACKEND}' waits for approval. ")
    assert "qhybrid jobs approve" in seen
    assert ask(workspace, (BACKEND, KEY)) == [seen]
    assert ask(workspace, ("local:auto", KEY), (BACKEND, "other-00000000")) == []


def test_a_result_that_was_refused_waits_too(workspace):
    doubted = (*COMPLETE[:7], (E.DOUBT_RESULT, 320, "observed"))
    write_job_history(workspace.control_plane.ledger, "j1", doubted, fields={"error": "shots are missing"})
    [seen] = ask(workspace, (BACKEND, KEY))
    assert "qhybrid jobs fetch j1" in seen


def test_files_that_the_inbox_refused_are_named_with_the_reason(workspace):
    assert audits.inbox_refusals(workspace.home) == []
    wrong = workspace.home.inbox / "wrong.yaml"
    wrong.write_text("family: maxcat")
    error = InvalidInput("there is no family 'maxcat'", remedy="Did you mean maxcut?", file="wrong.yaml")
    quarantine_file(wrong, workspace.home.quarantine, error)
    (workspace.home.quarantine / "cut.yaml.error.json").write_text("{")
    assert audits.inbox_refusals(workspace.home) == [
        "cut.yaml: the note beside it cannot be read",
        "wrong.yaml: wrong.yaml: there is no family 'maxcat'. Did you mean maxcut?",
    ]


def test_a_finished_job_waits_for_nobody(workspace):
    write_job_history(workspace.control_plane.ledger, "j1", COMPLETE)
    assert ask(workspace) == []


def test_the_check_of_the_home_is_yellow_and_not_green(workspace):
    resource = WorkspaceResource(home=str(workspace.home.path))
    assert checks.home_needs_a_person(resource).passed
    write_job_history(workspace.control_plane.ledger, "j1", WAITS_FOR_APPROVAL)
    found = checks.home_needs_a_person(resource)
    assert (found.passed, found.severity.value) == (False, "WARN")
    assert "j1" in found.description


def test_the_bit_order_check_says_where_it_looked(tmp_path):
    home = Home(tmp_path / "home").make()
    found = checks.bit_order(WorkspaceResource(home=str(home.path)))
    assert found.passed
    assert "local:auto" in found.metadata["checked"].value
    assert found.metadata["not_checked"].value


def test_a_resting_backend_is_yellow_and_not_red(tmp_path):
    home = Home(tmp_path / "home").make()
    plan = home.providers / "chaos" / "plan.json"
    plan.parent.mkdir(parents=True)
    plan.write_text(json.dumps({"seed": 1, "faults": [{"on": "fetch", "fault": "unavailable", "times": 1000}]}))
    resting = checks.bit_order(WorkspaceResource(home=str(home.path)))
    assert (resting.passed, resting.severity.value) == (False, "WARN")
    assert "canary has no result" in resting.description
    assert not any(name.startswith("chaos:") for name in resting.metadata["checked"].value)


def test_a_provider_that_does_not_answer_is_said_with_how_long_it_rests(workspace, monkeypatch):
    control_plane, resource = workspace.control_plane, WorkspaceResource(home=str(workspace.home.path))
    assert checks.provider_reachable(resource, backend_capabilities(control_plane)).passed  # nobody has set one up
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        monkeypatch.setenv("IONQ_API_KEY", "not-a-real-key")
        monkeypatch.setenv("IONQ_API_URL", f"http://127.0.0.1:{taken.getsockname()[1]}/v0.4")
        away = Workspace(workspace.home).control_plane
        table = backend_capabilities(away)
    [said] = audits.unreachable_providers(away, table)
    assert said.startswith("ionq did not answer: ")
    assert "rests until" not in said
    away.ledger.save_breaker(Breaker(backend=BACKEND, state="open", failures=3, retry_at=noon_plus(60)))
    [said] = audits.unreachable_providers(away, table)
    assert f"it rests until {noon_plus(60):%Y-%m-%d %H:%M:%S} UTC" in said
