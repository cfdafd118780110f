"""Who asks: a run that a process requested names its principal, a launch from the page is anonymous and may not spend."""

import pytest

from qhybrid_pipelines.control.policy.deployment import ANONYMOUS, Site
from qhybrid_pipelines.control.policy.rules import Ask, decide, read_policy
from qhybrid_pipelines.defs.principals import PRINCIPAL_TAG, principal_of, principal_tags
from qhybrid_pipelines_tests.homes import RUNS_IN_PROCESS, accept, launcher_of, run

pytestmark = RUNS_IN_PROCESS

SPEC = {
    "name": "who asks",
    "problem": {"family": "maxcut", "source": "networkx:petersen"},
    "sweep": {"points": 1},
    "shots": 20,
    "rounds": {"max": 1},
}


def test_the_command_line_names_who_asks(tmp_path, monkeypatch):
    monkeypatch.setenv("QHYBRID_PRINCIPAL", "ada")
    launcher = launcher_of(tmp_path)
    [key] = run(launcher, accept(launcher, [SPEC]))
    assert {job.principal for job in launcher.workspace.gateway.ledger.jobs(experiment=key)} == {"ada"}


def test_a_launch_from_the_page_is_anonymous_unless_the_page_has_a_name():
    assert principal_of({}, Site(principal="root")) == ANONYMOUS
    assert principal_of({}, Site(principal="lab", named=True)) == "lab"
    assert principal_of(principal_tags(Site(principal="ada")), Site(principal="root")) == "ada"
    assert set(principal_tags(Site(principal="ada"))) == {PRINCIPAL_TAG}


@pytest.mark.parametrize(("cost_usd", "verdict"), [(0.0, "allow"), (0.01, "deny")])
def test_the_built_in_policy_lets_nobody_without_a_name_spend(cost_usd, verdict):
    ask = Ask(
        principal=ANONYMOUS,
        environment="dev",
        backend="ionq:qpu.aria-1",
        mode="emulator",
        shots=100,
        cost_usd=cost_usd,
        data_class="internal",
    )
    assert decide(read_policy(None), ask).verdict == verdict
