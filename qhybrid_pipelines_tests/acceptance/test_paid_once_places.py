"""Where the kill harness sends processes to die: to places that lack deaths, with requests that lead there, and nowhere else."""

from __future__ import annotations

import os
import random
import signal

import pytest

from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system import failpoints
from qhybrid_pipelines_tests.support.paid_once.named_places import (
    NO_WAY,
    PLACES,
    WAYS,
    Errand,
    NamedPlaces,
    is_unwanted,
)
from qhybrid_pipelines_tests.support.paid_once.protocols import WAYS_TO_ASK

WANTED, UNWANTED = 4, 5
CHANCE = random.Random(3)
NEW = {WANTED: frozenset({None}), UNWANTED: frozenset({None})}


def places(**lacking: int) -> NamedPlaces:
    """Return places of which only some lack deaths, ``submit__planned=1`` for example, of 15."""
    made = NamedPlaces(15, slots=1)
    made.hits.update(dict.fromkeys(PLACES, 15) | {name.replace("__", "."): 15 - few for name, few in lacking.items()})
    return made


def lacking(place: str) -> NamedPlaces:
    return places(**{place.replace(".", "__"): 1})


def test_somebody_wants_one_of_the_two_requests_back():
    assert (is_unwanted(WANTED), is_unwanted(UNWANTED)) == (False, True)


def test_nobody_is_sent_where_there_were_enough_deaths():
    assert places().choose(CHANCE, NEW) is None
    assert {places(poll__seen=1, submit__planned=3).choose(CHANCE, NEW).place for _ in range(40)} == {
        "poll.seen",
        "submit.planned",
    }


def test_a_place_that_lacks_more_deaths_is_chosen_more_often():
    chosen = [places(poll__seen=14, submit__planned=1).choose(CHANCE, NEW).place for _ in range(300)]
    assert chosen.count("poll.seen") > 200


@pytest.mark.parametrize("place", PLACES)
def test_to_each_place_some_states_lead_and_no_others(place):
    way = WAYS[place]
    assert way.states or way.unwanted_states
    assert way.asks in (None, *WAYS_TO_ASK)
    for state in (None, *JobState):
        errand = lacking(place).choose(CHANCE, {WANTED: frozenset({state}), UNWANTED: frozenset({state})})
        if errand is None or errand.place != place:
            assert state not in way.states + way.unwanted_states
        else:
            expected = {WANTED: state in way.states, UNWANTED: state in way.unwanted_states}
            assert set(errand.order) == {number for number, leads in expected.items() if leads}


@pytest.mark.parametrize("place", PLACES)
def test_new_requests_lead_to_every_place(place):
    """At once, or by way of the death of a process that has planned jobs which somebody wants back."""
    errand = lacking(place).choose(CHANCE, NEW)
    led = place in ("submit.cancelled_unsent", "cancel.unsent")
    assert errand.place == ("submit.planned" if led else place)
    assert not led or errand.order == [UNWANTED]


@pytest.mark.parametrize(("place", "asks"), [("submit.cancelled_unsent", "submit"), ("cancel.unsent", "poll")])
def test_planned_jobs_are_asked_for_in_the_way_that_leads_to_the_place(place, asks):
    todo = NEW | {7: frozenset({JobState.APPROVED, JobState.VERIFIED}), 8: frozenset({JobState.APPROVED})}
    assert lacking(place).choose(CHANCE, todo) == Errand(place, [7], asks)


def test_what_is_nearest_to_the_place_comes_first():
    todo = {0: frozenset({None}), 2: frozenset({JobState.RUNNING}), 4: frozenset({JobState.COMPLETED, None})}
    assert lacking("collect.fetched").choose(CHANCE, todo).order == [4, 2, 0]


def test_a_process_dies_at_its_place_and_is_counted_there():
    sent = lacking("submit.doubted")
    for reached, at_its_place in ((("submit.planned", "submit.doubted"), True), (("submit.planned",), False)):
        sent.clear(0)
        child = os.fork()
        if child == 0:
            sent.arm(0, "submit.doubted")
            for name in reached:
                failpoints.failpoint(name)
            os._exit(3)
        end = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert end == (-signal.SIGKILL if at_its_place else 3)
        sent.count(0)
        assert sent.hits["submit.doubted"] == 15
    assert sent.wanted() == {}


@pytest.mark.parametrize("kind", NO_WAY)
def test_a_place_without_a_way_is_not_waited_for_and_nobody_may_come_there(kind):
    sent = NamedPlaces(1, slots=1, kind=kind)
    assert set(sent.wanted()) == set(PLACES) - set(NO_WAY[kind])
    assert all({sent.choose(CHANCE, NEW).place for _ in range(5)} <= set(sent.places) for _ in range(20))
    for name, found in (("poll.seen", []), ("submit.before_look_up", ["submit.before_look_up"])):
        child = os.fork()
        if child == 0:
            sent.arm(0, None)
            failpoints.failpoint(name)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert sent.wrongly_passed() == found
