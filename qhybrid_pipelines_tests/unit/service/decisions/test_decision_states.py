"""Whatever comes in whatever order: one upgrade at most, in time, before the client acted, and nothing moves what was used."""

from __future__ import annotations

import itertools
import random

import pytest

from qhybrid_pipelines.core.vocabulary.decision_words import NO_CANDIDATE, SUPERSEDED, CandidateOutcome, DecisionState
from qhybrid_pipelines.service.decisions.decision_states import (
    IllegalUse,
    Moment,
    at,
    offered,
    opened,
    superseded,
    used,
)

BOOT, DEADLINE = "a", 10.0
OPEN = opened(Moment(BOOT, DEADLINE), final=None)
BEFORE, AFTER = Moment(BOOT, DEADLINE - 0.001), Moment(BOOT, DEADLINE + 0.001)
GOOD = CandidateOutcome.UPGRADED
AGAINST_ITSELF = (
    CandidateOutcome.INFEASIBLE,
    CandidateOutcome.NOT_BETTER,
    CandidateOutcome.LOW_CONFIDENCE,
    CandidateOutcome.NOISE_LIKE,
    CandidateOutcome.ERROR,
)


def offer(status, now, judged=GOOD, *, gate_closed=False):
    return offered(status, now, judged, gate_closed=gate_closed)


class TestOneCandidate:
    def test_a_millisecond_before_the_deadline_it_upgrades(self):
        status, outcome = offer(OPEN, BEFORE)
        assert (status.state, status.version, outcome) == (DecisionState.UPGRADED, 2, GOOD)

    @pytest.mark.parametrize("now", [AFTER, Moment(BOOT, DEADLINE), Moment("b", 0.0), Moment("b", DEADLINE - 1)])
    def test_at_the_deadline_after_it_or_after_another_start_of_the_machine_it_is_late(self, now):
        status, outcome = offer(OPEN, now)
        assert (status, outcome) == (OPEN, CandidateOutcome.LATE)
        assert at(status, now).state is DecisionState.RETAINED

    @pytest.mark.parametrize("judged", AGAINST_ITSELF)
    def test_what_speaks_against_it_keeps_the_answer_and_is_the_reason(self, judged):
        status, outcome = offer(OPEN, BEFORE, judged)
        assert (status.state, status.version, outcome) == (DecisionState.OPEN, 1, judged)
        assert at(status, AFTER).reason == judged

    def test_a_closed_gate_lets_nothing_through(self):
        status, outcome = offer(OPEN, BEFORE, gate_closed=True)
        assert (status.version, outcome) == (1, CandidateOutcome.GATE_CLOSED)

    def test_a_second_one_is_no_second_upgrade(self):
        upgraded, _ = offer(OPEN, BEFORE)
        assert offer(upgraded, BEFORE) == (upgraded, CandidateOutcome.ALREADY_UPGRADED)

    def test_after_the_client_has_acted_nothing_changes(self):
        acted = used(OPEN, 1)
        assert offer(acted, BEFORE) == (acted, CandidateOutcome.ALREADY_USED)

    def test_after_another_decision_took_its_place_nothing_changes(self):
        gone = superseded(OPEN)
        assert (gone.state, gone.reason) == (DecisionState.RETAINED, SUPERSEDED)
        assert offer(gone, BEFORE) == (gone, CandidateOutcome.SUPERSEDED)


class TestUse:
    def test_either_version_of_an_upgraded_decision_may_be_used(self):
        upgraded, _ = offer(OPEN, BEFORE)
        assert [used(upgraded, version).used_version for version in (1, 2)] == [1, 2]

    def test_saying_it_again_is_no_error_and_another_version_is_one(self):
        upgraded, _ = offer(OPEN, BEFORE)
        acted = used(upgraded, 2)
        assert used(acted, 2) == acted
        with pytest.raises(IllegalUse, match="version 2 was used already"):
            used(acted, 1)

    @pytest.mark.parametrize("version", [0, 2, -1])
    def test_a_version_that_never_was_is_refused(self, version):
        with pytest.raises(IllegalUse, match="there is no version"):
            used(OPEN, version)


def test_without_a_candidate_the_reason_is_that():
    assert at(OPEN, BEFORE) == OPEN
    assert at(OPEN, AFTER).reason == NO_CANDIDATE


def test_any_order_of_events_keeps_the_promises():
    rng = random.Random(7)
    for _ in range(20_000):
        status, now, upgrades, acted = OPEN, 0.0, 0, None
        for _ in range(rng.randrange(1, 12)):
            now += rng.choice([0.0, 0.5, 3.0, 9.9])
            moment = Moment(rng.choice([BOOT, BOOT, BOOT, "b"]), now)
            before = status
            event = rng.choice(["offer", "offer", "offer", "use", "supersede", "look"])
            if event == "offer":
                status, outcome = offer(
                    status, moment, rng.choice([GOOD, *AGAINST_ITSELF]), gate_closed=rng.random() < 0.2
                )
                if outcome is GOOD:
                    upgrades += 1
                    assert acted is None
                    assert moment.boot == BOOT
                    assert now < DEADLINE
                    assert status.version == before.version + 1
                else:
                    assert status.version == before.version
            elif event == "use":
                version = rng.randrange(1, 3)
                if version <= status.version and status.state is not DecisionState.USED:
                    status, acted = used(status, version), version
            else:
                status = superseded(status) if event == "supersede" else at(status, moment)
            if before.state is DecisionState.USED:
                assert status == before
        assert upgrades <= 1
        assert status.version == 1 + upgrades


def test_states_only_go_forwards():
    order = {DecisionState.OPEN: 0, DecisionState.UPGRADED: 1, DecisionState.RETAINED: 1, DecisionState.USED: 2}
    upgraded, _ = offer(OPEN, BEFORE)
    for status in (OPEN, upgraded, superseded(OPEN), used(OPEN, 1), used(upgraded, 2)):
        for now, judged in itertools.product((BEFORE, AFTER), (GOOD, *AGAINST_ITSELF)):
            for later in (offer(status, now, judged)[0], at(status, now), superseded(status)):
                assert order[later.state] >= order[status.state]
