"""Rounds of deliveries under a clock of the test's own: the order of a job, the schedule to its end, and what is repeated.

The ledger and the file of endpoints are real; the receiver is a list, which answers as it is told.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from qhybrid_pipelines.control.ledger.lifecycle import Event
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.control.policy.tiers import Tiers
from qhybrid_pipelines.service.webhooks.deliveries import Deliveries
from qhybrid_pipelines.service.webhooks.delivery_schedule import DELAYS_SECONDS, DISABLE_AFTER_SECONDS, Attempt
from qhybrid_pipelines.service.webhooks.endpoint_store import EndpointStore
from qhybrid_pipelines.service.webhooks.messages import DISABLED, PING, UPGRADED
from qhybrid_pipelines.service.webhooks.outbox import Outbox
from qhybrid_pipelines_tests.support.ledger_plans import apply_events, plan
from qhybrid_pipelines_tests.unit.service.webhooks.test_endpoint_store import add

TAKEN = Attempt(delivered=True, status=204)
FAILED = Attempt(delivered=False, status=500, problem="It answered with status 500.")


class Receiver:
    """Takes messages, and answers by a rule."""

    def __init__(self) -> None:
        self.rule = lambda message: TAKEN
        self.tried: list[str] = []
        self.taken: list = []

    async def send(self, message) -> Attempt:
        await asyncio.sleep(0)
        self.tried.append(message.id)
        answer = self.rule(message)
        if answer.delivered:
            self.taken.append(message)
        return answer

    async def close(self) -> None:
        """Nothing is open."""


class Place:
    """A ledger, endpoints, a receiver and a clock."""

    def __init__(self, folder) -> None:
        self.ledger = SqlLedger.open_sqlite(folder / "ledger.db")
        self.store = EndpointStore(folder / "webhooks.db")
        self.outbox = Outbox(self.ledger, "home", visibility=lambda *_: True, tiers=Tiers())
        self.restart()
        self.receiver = Receiver()
        self.now = datetime(2026, 5, 1, 12, tzinfo=UTC)
        self.endpoint = add(self.store, position=0).id

    def restart(self) -> None:
        """Forget what is kept in memory only."""
        self.deliveries = Deliveries(self.store, self.outbox)

    @property
    def state(self):
        return self.store.get(self.endpoint)

    def run(self, *, rounds: int = 100, endpoint: str | None = None) -> int:
        """Make rounds until there is nothing to do or the endpoint waits; return how many."""
        for number in range(rounds):
            here = self.store.get(endpoint or self.endpoint)
            if here.state == "disabled" or self.deliveries.seconds_until_due(here, self.now) > 0:
                return number
            more = asyncio.run(
                self.deliveries.make_round(here, self.receiver, now=lambda: self.now, chance=lambda: 0.5)
            )
            if not more:
                return number
        return rounds

    def wait(self) -> float:
        """Let the endpoint's pause pass, and return its seconds."""
        seconds = self.deliveries.seconds_until_due(self.state, self.now)
        self.now += timedelta(seconds=seconds)
        return seconds


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    yield made
    made.store.close()
    made.ledger.close()


def positions(messages) -> list[int]:
    return [message.position for message in messages if message.position is not None]


def test_the_first_message_says_that_this_is_an_endpoint_and_then_everything_comes(place):
    for number in range(40):
        apply_events(
            place.ledger, place.ledger.plan(plan(f"a{number}")), Event.ACKNOWLEDGE, provider_job_id=f"v{number}"
        )
    place.run()
    assert place.receiver.taken[0].fields["type"] == PING
    assert sorted(positions(place.receiver.taken)) == list(range(1, 161))
    assert (place.state.position, place.state.state) == (160, "active")
    lanes = defaultdict(list)
    for message in place.receiver.taken[1:]:
        lanes[message.lane].append(message.position)
    assert all(lane == sorted(lane) for lane in lanes.values())


class Decided:
    """Decisions that were upgraded, each with its number and whose it is."""

    def __init__(self, *principals: str) -> None:
        self._principals = principals

    @property
    def last_upgrade(self) -> int:
        return len(self._principals)

    def upgrades(self, *, after: int, principal: str | None, limit: int) -> tuple[list[dict], int]:
        numbers = [
            number for number, owner in enumerate(self._principals, 1) if number > after and principal in (None, owner)
        ][:limit]
        items = [{"number": one, "decision": f"d-{one}", "at": "2026-05-01T12:00:00+00:00"} for one in numbers]
        return items, numbers[-1] if len(numbers) == limit else self.last_upgrade


def decided(messages) -> list[int]:
    return [one.fields["data"]["number"] for one in messages if one.fields["type"] == UPGRADED]


def test_upgrades_are_told_beside_events_and_each_goes_on_where_it_was(place):
    place.outbox.decisions = Decided("ada", "bob", *["ada"] * 70)
    place.ledger.plan(plan("a"))
    place.receiver.rule = lambda message: FAILED if message.id == "home/decisions/5" else TAKEN
    place.run()
    assert (place.state.upgrade, place.state.position) == (4, 0)  # what was behind it is not sent again
    assert place.wait() == DELAYS_SECONDS[0]
    place.receiver.rule = lambda message: TAKEN
    place.run()
    assert sorted(decided(place.receiver.taken)) == [n for n in range(1, 73) if n != 2]
    assert positions(place.receiver.taken) == [1, 2, 3]
    assert (place.state.upgrade, place.state.position) == (72, 3)


def test_who_wants_other_events_is_told_of_no_upgrade(place):
    place.outbox.decisions = Decided("ada")
    some = add(place.store, types=["JobPlanned"], position=0).id
    tier = add(place.store, by_tier=True, position=0).id
    only = add(place.store, types=["DecisionUpgraded"], position=0).id
    place.ledger.plan(plan("a"))
    for endpoint, wanted in ((some, []), (tier, []), (only, [1])):
        place.receiver.taken.clear()
        place.run(endpoint=endpoint)
        assert decided(place.receiver.taken) == wanted
        assert place.store.get(endpoint).upgrade == 1
        assert len(positions(place.receiver.taken)) == (endpoint == some)


def test_decisions_of_an_older_backup_are_gone_on_with(place):
    place.run()
    place.store.note_upgrade(place.endpoint, 500)
    place.outbox.decisions = Decided("ada")
    place.run()
    assert (place.state.upgrade, decided(place.receiver.taken)) == (1, [])
    place.outbox.decisions = Decided("ada", "ada")
    place.run()
    assert decided(place.receiver.taken) == [2]


def test_a_failure_holds_its_job_and_no_other(place):
    for number in range(3):
        place.ledger.plan(plan(f"a{number}"))
    bad = {"j-a1"}
    place.receiver.rule = lambda message: FAILED if message.lane in bad else TAKEN
    place.run()
    assert positions(place.receiver.taken) == [1, 7, 2, 8, 3, 9] or sorted(positions(place.receiver.taken)) == [
        1,
        2,
        3,
        7,
        8,
        9,
    ]
    assert place.state.position == 3
    assert place.wait() == DELAYS_SECONDS[0]
    bad.clear()
    place.run()
    assert sorted(positions(place.receiver.taken)) == list(range(1, 10))  # none of them twice
    assert place.state.position == 9


def test_after_a_restart_messages_may_be_repeated_and_none_is_missing(place):
    for number in range(3):
        place.ledger.plan(plan(f"a{number}"))
    place.receiver.rule = lambda message: FAILED if message.lane == "j-a1" else TAKEN
    place.run()
    place.restart()
    place.wait()
    place.receiver.rule = lambda message: TAKEN
    place.run()
    assert set(positions(place.receiver.taken)) == set(range(1, 10))
    assert len(positions(place.receiver.taken)) == 12


def test_pauses_follow_the_schedule_and_a_success_ends_them(place):
    place.run()
    place.ledger.plan(plan("a"))
    place.receiver.rule = lambda message: FAILED
    waited = []
    for _ in range(5):
        place.run()
        waited.append(place.wait())
    assert waited == list(DELAYS_SECONDS[:5])
    place.receiver.rule = lambda message: TAKEN
    place.run()
    assert (place.state.failures, place.state.problem, place.state.position) == (0, None, 3)


def test_a_receiver_that_asks_for_a_pause_gets_it(place):
    place.receiver.rule = lambda message: Attempt(delivered=False, status=429, problem="x", retry_after_seconds=77.0)
    place.run()
    assert place.wait() == 77.0


def test_a_message_that_is_never_taken_is_set_aside_and_can_be_replayed(place):
    place.run()
    place.ledger.plan(plan("a"))
    place.receiver.rule = lambda message: FAILED if message.position == 2 else TAKEN
    while place.state.position < 3:
        place.run()
        place.wait()
    assert [one.position for one in place.store.dead(place.endpoint)] == [2]
    assert place.receiver.tried.count("home/2") == len(DELAYS_SECONDS) + 1
    assert positions(place.receiver.taken) == [1, 3]
    place.receiver.rule = lambda message: TAKEN
    place.store.replay(place.endpoint, after=1, until=2)
    place.run()
    assert positions(place.receiver.taken) == [1, 3, 2]
    assert place.store.first_replay(place.endpoint) is None


@pytest.mark.parametrize("first", ["before the first message", "after it"])
def test_one_that_takes_nothing_for_days_is_disabled_and_announced(place, first):
    if first == "after it":
        place.run()
    place.ledger.plan(plan("a"))
    other = add(place.store).id
    began = place.now
    place.receiver.rule = lambda message: FAILED
    while place.state.state != "disabled":
        place.run()
        place.wait()
        assert (place.now - began).total_seconds() < DISABLE_AFTER_SECONDS + 2 * 86_400
    assert (place.now - began).total_seconds() >= DISABLE_AFTER_SECONDS
    assert place.store.dead(place.endpoint) == []  # it was down, and loses nothing by that
    tried = len(place.receiver.tried)
    place.now += timedelta(days=30)
    place.run()
    assert len(place.receiver.tried) == tried
    place.receiver.rule = lambda message: TAKEN
    place.run(endpoint=other)
    [notice] = [one for one in place.receiver.taken if one.fields["type"] == DISABLED]
    place.store.enable(place.endpoint)
    place.run()
    assert positions(place.receiver.taken)[-3:] == [1, 2, 3]
    assert notice.fields["data"]["endpoint"] == place.endpoint


def test_gone_is_the_end_at_once(place):
    place.receiver.rule = lambda message: Attempt(delivered=False, status=410, problem="x")
    place.run()
    assert place.state.state == "disabled"


def test_a_clock_that_was_set_back_makes_nobody_wait_for_years(place):
    place.receiver.rule = lambda message: FAILED
    place.run()
    place.now -= timedelta(days=400)
    assert place.deliveries.seconds_until_due(place.state, place.now) == 0.0


def test_an_error_of_this_program_is_a_failed_attempt(place):
    def broken(message):
        raise UnicodeError("a word of the message")

    place.receiver.rule = broken
    place.run()
    assert place.state.problem == "It could not be sent (UnicodeError)."


def test_a_ledger_that_is_older_than_the_endpoints_is_gone_on_with(place):
    place.run()
    place.store.note_position(place.endpoint, 500)
    place.ledger.plan(plan("a"))
    place.run()
    assert place.state.position == 3
    place.ledger.plan(plan("b"))
    place.run()
    assert positions(place.receiver.taken) == [4, 5, 6]
