"""Deaths at the named places of the code, each as often as asked for, beside those at random moments.

A process is sent to a place that lacks deaths: it is given requests that stand where the way to that place begins, and dies there.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system import failpoints

#: Of a request's jobs; None is one that is not written down.
States = frozenset[JobState | None]


@dataclass(frozen=True, slots=True)
class Way:
    """What brings a process to a place.

    Attributes:
        states: of one of a request's jobs before, the best first.
        unwanted_states: the same where somebody wants the request's jobs back.
        asks: in which of the ways of `protocols.WAYS_TO_ASK`; None where it does not matter.
    """

    states: tuple[JobState | None, ...]
    unwanted_states: tuple[JobState | None, ...] = (None,)
    asks: str | None = None


_UNSENT = (None, JobState.APPROVED)
_SENT = (JobState.SUBMITTED, JobState.QUEUED, JobState.RUNNING)
_NEW, _TO_SEND, _TO_ANSWER = Way((None,)), Way(_UNSENT), Way((*_UNSENT, JobState.SUBMITTING))
_IN_DOUBT = Way((JobState.SUBMITTING, *_UNSENT), (JobState.SUBMITTING, None))
_TO_POLL, _TO_FETCH = Way((*_SENT, *_UNSENT), ()), Way((JobState.COMPLETED, *_SENT, *_UNSENT), ())
_TO_DECODE = Way((JobState.FETCHED, *_TO_FETCH.states), ())
_TO_CANCEL = Way((), (*_SENT, None))
#: In the order of a life that submits, watches and collects; the last four where somebody wants a job back.
WAYS: Mapping[str, Way] = {
    "submit.before_intent": _NEW,
    "submit.planned": _NEW,
    "submit.before_look_up": _TO_SEND,
    "submit.intended": _TO_SEND,
    "submit.before_call": _TO_ANSWER,
    "submit.doubted": _TO_ANSWER,
    "recover.before_look_up": _IN_DOUBT,
    "recover.looked_up": _IN_DOUBT,
    "submit.accepted": _TO_ANSWER,
    "submit.acknowledged": _TO_ANSWER,
    "poll.seen": _TO_POLL,
    "poll.recorded": _TO_POLL,
    "collect.before_fetch": _TO_FETCH,
    "collect.fetched": _TO_FETCH,
    "collect.stored": _TO_FETCH,
    "collect.recorded": _TO_FETCH,
    "collect.decoded": _TO_DECODE,
    "collect.verified": _TO_DECODE,
    "submit.cancelled_unsent": Way((), (JobState.APPROVED,), asks="submit"),
    "cancel.unsent": Way((), (JobState.APPROVED,), asks="poll"),
    "cancel.before_call": _TO_CANCEL,
    "cancel.answered": _TO_CANCEL,
}
PLACES = tuple(WAYS)
#: A death that leaves a job planned, where somebody wants it back; from there the way to other places begins.
LEADS_TO = dict.fromkeys(("submit.cancelled_unsent", "cancel.unsent"), "submit.planned")
_LEAD = Way(())
#: Places that a kind of provider has no way to, with the reason; that no process comes there is checked.
NO_WAY: Mapping[str, Mapping[str, str]] = {
    "braket": {
        "submit.before_look_up": "it accepts a token once (clientToken), so none is looked up before it is sent; and it names no "
        "homes, so no attempt of a job that is still wanted is ever called absent by a person"
    }
}
#: Given to one process; one that misses its place, because of a fault for example, leaves the others to the next.
MOST_REQUESTS = 3


@dataclass(frozen=True, slots=True)
class Errand:
    """Where a process dies, with which requests it comes there, and how it asks for their jobs where somebody wants them back."""

    place: str
    order: list[int]
    asks: str | None


def is_unwanted(number: int) -> bool:
    """Tell whether somebody wants the jobs of a request back, where there are cancellations."""
    return number % 2 == 1


class NamedPlaces:
    """Counts who died where, and sends processes to places with too few deaths.

    Args:
        least: deaths at every place.
        slots: processes at a time.
        kind: of provider, which `NO_WAY` may have.
    """

    def __init__(self, least: int, *, slots: int, kind: str = "") -> None:
        self.least, self.hits = least, Counter[str]()
        self.places = tuple(place for place in PLACES if place not in NO_WAY.get(kind, ()))
        self._died_at, self._passed = mmap.mmap(-1, 4 * slots), mmap.mmap(-1, len(PLACES))

    def wanted(self) -> dict[str, int]:
        """Return how many deaths each place lacks that has too few."""
        return {place: self.least - self.hits[place] for place in self.places if self.hits[place] < self.least}

    def wrongly_passed(self) -> list[str]:
        """Return the places that there should be no way to, and that some process has come to."""
        return [place for at, place in enumerate(PLACES) if self._passed[at] and place not in self.places]

    def choose(self, chance: random.Random, todo: Mapping[int, States]) -> Errand | None:
        """Choose a place among those that some request leads to, one that lacks many deaths more often.

        Args:
            chance: decides.
            todo: the states of the jobs of each request that has not come to its end.

        Returns:
            None where no place lacks deaths, or no request leads there.
        """
        errands = {place: errand for place in self.wanted() if (errand := _errand(place, chance, todo))}
        if not errands:
            return None
        [place] = chance.choices(list(errands), [self.wanted()[place] for place in errands])
        return errands[place]

    def arm(self, slot: int, place: str | None) -> None:
        """Let this process, a new child, die at a place, if there is one, and note which places it passes."""

        def note_or_die(name: str) -> None:
            if name in WAYS:
                self._passed[PLACES.index(name)] = 1
            if name == place:
                struct.pack_into("i", self._died_at, 4 * slot, PLACES.index(name))
                os.kill(os.getpid(), signal.SIGKILL)

        failpoints.on_reached = note_or_die

    def clear(self, slot: int) -> None:
        """Forget the process that was here before."""
        struct.pack_into("i", self._died_at, 4 * slot, -1)

    def count(self, slot: int) -> None:
        """Count the death of a process, if it was at a named place."""
        [number] = struct.unpack_from("i", self._died_at, 4 * slot)
        if number >= 0:
            self.hits[PLACES[number]] += 1


def _errand(place: str, chance: random.Random, todo: Mapping[int, States]) -> Errand | None:
    """Return what brings a process to a place, or to the one that leads there; None where no request does."""
    ways = [(place, WAYS[place]), *([(LEADS_TO[place], _LEAD)] if place in LEADS_TO else [])]
    for at, way in ways:
        if order := _suited(way, todo, chance):
            return Errand(at, order[:MOST_REQUESTS], way.asks)
    return None


def _suited(way: Way, todo: Mapping[int, States], chance: random.Random) -> list[int]:
    """Return the requests where a way begins, the best first."""
    ranks = {}
    for number, states in todo.items():
        best = way.unwanted_states if is_unwanted(number) else way.states
        if found := [rank for rank, state in enumerate(best) if state in states]:
            ranks[number] = found[0]
    return sorted(ranks, key=lambda number: (ranks[number], chance.random()))
