"""The real dispatcher in virtual time: many workers with clocks of their own, killed and standing still, and faulty vendors.

The vendors' books are the judge, see `support.virtual_fleet.judge`. The same simulation has to see dispatchers pay twice that lack a
precaution.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import Phase, find, given, settings

from qhybrid_pipelines.control.jobs.context import JobContext
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines_tests.support import postgres_databases
from qhybrid_pipelines_tests.support.virtual_fleet.controls import sending_without_looking, trusting_own_clock
from qhybrid_pipelines_tests.support.virtual_fleet.judge import judge, paid_twice
from qhybrid_pipelines_tests.support.virtual_fleet.scenario import (
    Machine,
    Scenario,
    Wanted,
    Word,
    run_scenario,
    scenarios,
)
from qhybrid_pipelines_tests.support.virtual_fleet.vendor import Terms
from qhybrid_pipelines_tests.support.virtual_fleet.worker_clocks import Skew

BOTH = frozenset({0, 1})
#: Two machines are told to do the same; the first job makes the vendor's list one that can be believed.
SHARED = Scenario(
    terms=(Terms(), Terms()),
    faults=({}, {}),
    machines=(Machine(), Machine()),
    works=(Wanted(machines=BOTH), Wanted(machines=BOTH)),
)
#: The answer to the second job is lost, and the vendor accepts it nearly ten minutes later.
LATE = replace(SHARED, faults=({"submit": ("", "late")}, {}), has_server_clock=False)


def ran_well(scenario: Scenario) -> None:
    assert judge(run_scenario(scenario)) == []


@settings(max_examples=50)
@given(scenarios())
def test_whatever_happens_nothing_is_lost_paid_twice_guessed_or_cancelled_by_nobody(scenario: Scenario) -> None:
    ran_well(scenario)


@pytest.mark.generated
@settings(max_examples=2000)
@given(scenarios())
def test_two_thousand_times(scenario: Scenario) -> None:
    ran_well(scenario)


@pytest.mark.parametrize("max_examples", [3, pytest.param(100, marks=pytest.mark.generated)])
def test_the_same_on_sqlite(max_examples: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    @settings(max_examples=max_examples)
    @given(scenarios())
    def run(scenario: Scenario) -> None:
        ledger = SqlLedger.open_sqlite(tmp_path_factory.mktemp("home") / "ledger.db")
        try:
            assert judge(run_scenario(scenario, ledger=ledger)) == []
        finally:
            ledger.close()

    run()


@pytest.mark.generated
def test_the_same_on_postgres(postgres_home: str) -> None:
    @settings(max_examples=50)
    @given(scenarios())
    def run(scenario: Scenario) -> None:
        with postgres_databases.schema(postgres_home) as url:
            ledger = SqlLedger.open_postgres(url, server_clock=False)
            try:
                assert judge(run_scenario(scenario, ledger=ledger)) == []
            finally:
                ledger.close()

    run()


def test_a_worker_that_trusts_its_own_clock_pays_twice() -> None:
    fast = replace(LATE, machines=(Machine(), Machine(skew=Skew(offset_seconds=660.0))))
    ran_well(fast)
    with trusting_own_clock():
        assert len(paid_twice(run_scenario(fast))) == 1


def test_a_worker_that_sends_again_without_looking_pays_twice() -> None:
    with sending_without_looking():
        assert len(paid_twice(run_scenario(LATE))) == 1
    ran_well(LATE)


@pytest.mark.generated
@pytest.mark.parametrize("control", [trusting_own_clock, sending_without_looking])
def test_generated_scenarios_find_who_lacks_a_precaution(control) -> None:
    with control():
        found = find(
            scenarios(dedupe=("tag_lookup",)),
            lambda scenario: bool(paid_twice(run_scenario(scenario))),
            settings=settings(max_examples=20_000, phases=[Phase.generate], database=None),
        )
    ran_well(found)


@pytest.mark.parametrize("place", [16, 17])
def test_who_loses_its_locks_and_goes_on_is_waited_for(place: int) -> None:
    """A server may end a session at once, while its holder sends: a vendor's time for accepting includes that."""
    unheard = Machine(drops=frozenset({place}), pace_seconds=3.0)
    comes_later = Machine(stalls=((1, 40.0),))
    lost = replace(SHARED, terms=(Terms(listing_lag_seconds=0.0), Terms()), machines=(unheard, comes_later))
    ran_well(lost)
    without_window = replace(lost, terms=(Terms(listing_lag_seconds=0.0, acceptance_seconds=0.0), Terms()))
    assert len(paid_twice(run_scenario(without_window))) == 1, "the control"


class TestMachinesThatStandStill:
    """A server gives the locks of a machine that it does not hear to others; the machine does not know."""

    #: The vendor accepts nothing late, so that another worker sends as soon as it has looked.
    PROMPT = replace(SHARED, terms=(Terms(acceptance_seconds=0.0), Terms()))

    def stopped_at(self, place: int) -> Scenario:
        return replace(self.PROMPT, machines=(Machine(stalls=((place, 90.0),)), Machine()))

    def test_they_do_not_send_what_another_one_may_have_sent_meanwhile(self, monkeypatch: pytest.MonkeyPatch) -> None:
        places = range(1, 21)
        for place in places:
            ran_well(self.stopped_at(place))
        monkeypatch.setattr(JobContext, "check_prompt", lambda *_: None)
        assert any(paid_twice(run_scenario(self.stopped_at(place))) for place in places), "the control"

    def test_they_do_not_send_what_went_elsewhere_meanwhile_also_where_equal_tokens_are_merged(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stopped = [
            Scenario(
                terms=(Terms(dedupe="token", acceptance_seconds=0.0), Terms()),
                faults=({}, {}),
                machines=(Machine(stalls=((place, 1300.0),)), Machine()),
                works=(Wanted(),),
                words=(Word(kind="reroute", work=0, after_seconds=265.0, machine=1),),
            )
            for place in range(1, 11)
        ]
        for scenario in stopped:
            ran_well(scenario)
        monkeypatch.setattr(JobContext, "check_prompt", lambda *_: None)
        assert any(paid_twice(run_scenario(scenario)) for scenario in stopped), "the control"
