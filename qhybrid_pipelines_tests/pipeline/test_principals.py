"""Who asks: a run that a process requested names its principal, a launch from the page is anonymous and may not spend."""

import pytest

from qhybrid_pipelines.control.experiments.damaged_files import Damage
from qhybrid_pipelines.control.experiments.due_stages import Stage
from qhybrid_pipelines.control.policy.deployment import ANONYMOUS, Deployment
from qhybrid_pipelines.control.policy.rules import PolicyRequest, decide, read_policy
from qhybrid_pipelines.defs.automation import _due_stages, make_run_request
from qhybrid_pipelines.defs.principals import principal_tags, requesting_principal
from qhybrid_pipelines.defs.run_tags import PRINCIPAL_TAG
from qhybrid_pipelines.storage.requesters import write_requester
from qhybrid_pipelines_tests.support.experiment_homes import RUNS_IN_PROCESS, make_launcher, register, run

pytestmark = RUNS_IN_PROCESS

SPEC = {
    "name": "who asks",
    "problem": {"family": "maxcut", "source": "networkx:petersen"},
    "sweep": {"strategy": "fixed_angles", "points": 1},
    "shots": 20,
    "rounds": {"max": 1},
}


def test_the_command_line_names_who_asks(tmp_path, monkeypatch):
    monkeypatch.setenv("QHYBRID_PRINCIPAL", "ada")
    launcher = make_launcher(tmp_path)
    [key] = run(launcher, register(launcher, [SPEC]))
    assert {job.principal for job in launcher.workspace.control_plane.ledger.jobs(experiment=key)} == {"ada"}


def test_a_launch_from_the_page_is_anonymous_unless_the_page_has_a_name():
    assert requesting_principal({}, Deployment(principal="root")) == ANONYMOUS
    assert requesting_principal({}, Deployment(principal="lab", named=True)) == "lab"
    assert requesting_principal(principal_tags(Deployment(principal="ada")), Deployment(principal="root")) == "ada"
    assert set(principal_tags(Deployment(principal="ada"))) == {PRINCIPAL_TAG}


@pytest.mark.parametrize(("cost_usd", "verdict"), [(0.0, "allow"), (0.01, "deny")])
def test_the_built_in_policy_lets_nobody_without_a_name_spend(cost_usd, verdict):
    policy_request = PolicyRequest(
        principal=ANONYMOUS,
        environment="dev",
        backend="ionq:qpu.aria-1",
        mode="emulator",
        shots=100,
        cost_usd=cost_usd,
        data_class="internal",
    )
    assert decide(read_policy(None), policy_request).verdict == verdict


def test_a_run_of_what_was_sent_over_http_names_its_sender_in_all_rounds(tmp_path, monkeypatch):
    monkeypatch.setenv("QHYBRID_PRINCIPAL", "daemon")
    workspace = make_launcher(tmp_path).workspace
    sent, own = register(make_launcher(tmp_path), [SPEC, {**SPEC, "name": "of the house"}])
    write_requester(workspace.home, sent, "ada")
    first = workspace.specifications.load(sent)
    lineage = first.lineage.model_copy(update={"round": 2, "parent": sent, "root": sent})
    later = workspace.specifications.register(first.model_copy(update={"lineage": lineage}))
    tags = {key: make_run_request(Stage(experiment=key), workspace).tags[PRINCIPAL_TAG] for key in (sent, later, own)}
    assert tags == {sent: "ada", later: "ada", own: "daemon"}


def test_where_nobody_can_say_who_sent_it_nothing_is_begun(tmp_path):
    workspace = make_launcher(tmp_path).workspace
    sent, own = register(make_launcher(tmp_path), [SPEC, {**SPEC, "name": "of the house"}])
    write_requester(workspace.home, sent, "ada")
    (workspace.home.requesters / f"{sent}.json").write_text("{")
    damage = Damage()
    assert {stage.experiment for stage in _due_stages(workspace, damage)} == {own}
    assert list(damage.problems) == [sent]
