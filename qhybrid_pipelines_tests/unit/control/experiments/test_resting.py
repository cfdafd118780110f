"""While a provider rests nothing is begun that needs it; then one stage goes first."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from qhybrid_pipelines.control.experiments.due_stages import Stage
from qhybrid_pipelines.control.experiments.resting import find_resting
from qhybrid_pipelines.control.ledger.port import Breaker
from qhybrid_pipelines.control.policy.rules import Policy
from qhybrid_pipelines_tests.support.job_histories import COMPLETE, write_job_history
from qhybrid_pipelines_tests.support.memory_ledger import MemoryLedger

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
RULES = {"rules": [{"name": "all", "then": "allow", "reason": "a test"}]}
KEY, BACKEND, OTHER = "karate-0a1b2c3d", "ionq:simulator", "ionq:qpu.aria-1"


@dataclass
class Home:
    """As much of a control plane as is asked."""

    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    policy: Policy = field(default_factory=lambda: Policy.model_validate(RULES))


@pytest.fixture
def home():
    return Home()


def open_breaker(home, name, *, until=LATER, state="open"):
    home.ledger.save_breaker(Breaker(backend=name, state=state, failures=5, retry_at=until, reason="a test"))


def stage(job, experiment=KEY, backend=BACKEND):
    return Stage(experiment=experiment, backend=backend, job=job)


def test_nobody_rests_while_everybody_answers(home):
    home.ledger.save_breaker(Breaker(backend=BACKEND, failures=3))
    assert find_resting([stage("submit"), stage("execute")], home, NOW) == {}


@pytest.mark.parametrize("job", ["submit", "execute", "infer"])
def test_what_would_be_sent_rests_until_the_breaker_may_be_tried(home, job):
    open_breaker(home, BACKEND)
    prepare = Stage(experiment=KEY)
    found = find_resting([prepare, stage(job), stage(job, backend=OTHER)], home, NOW)
    assert {resting: rest.until for resting, rest in found.items()} == {stage(job): LATER}
    assert str(found[stage(job)]) == "resting until 12:05:00 UTC"


def test_when_its_time_has_come_one_stage_goes_first(home):
    open_breaker(home, BACKEND, until=NOW, state="half_open")
    first, second = stage("submit", "a-1"), stage("submit", "b-2")
    found = find_resting([first, second], home, NOW)
    assert list(found) == [second]
    assert found[second].until is None
    assert str(found[second]) == "resting until another stage is through"


def test_work_that_may_go_elsewhere_waits_for_nobody(home):
    open_breaker(home, BACKEND)
    home.policy = Policy.model_validate({**RULES, "routing": {"failover": {BACKEND: [OTHER]}}})
    assert find_resting([stage("submit")], home, NOW) == {}
    open_breaker(home, OTHER, until=LATER + timedelta(minutes=1))
    assert find_resting([stage("submit")], home, NOW)[stage("submit")].until == LATER


def test_results_are_fetched_unless_their_provider_is_left_alone(home):
    open_breaker(home, "ionq:*")
    assert find_resting([stage("collect")], home, NOW) == {}, "nothing is to be fetched from it"
    write_job_history(home.ledger, "j1", COMPLETE[:6])
    assert find_resting([stage("collect")], home, NOW)[stage("collect")].until == LATER
    assert find_resting([stage("collect", "another-1")], home, NOW) == {}
