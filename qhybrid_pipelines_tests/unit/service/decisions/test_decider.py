"""Every fault of the quantum side, of the machine and of the client: the answer stands, and what is promised of it."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from qhybrid_pipelines.core.vocabulary.decision_words import (
    NO_CANDIDATE,
    SUPERSEDED,
    CandidateOutcome,
    DecisionState,
    NotTried,
)
from qhybrid_pipelines.service.decisions.decider import Found
from qhybrid_pipelines.service.decisions.decision_states import IllegalUse
from qhybrid_pipelines.service.decisions.decision_store import QUANTUM_OPEN
from qhybrid_pipelines.service.problem_documents import ProblemError
from qhybrid_pipelines.storage.decision_database import last_upgrade
from qhybrid_pipelines_tests.support.decisions import (
    HandClock,
    HandDecider,
    dispatch,
    only_greedy,
    order,
    plain_value,
    round_of,
    solvers,
)

#: A round in which greedy is not the best, found below.
DEADLINE = 3600.0


@pytest.fixture(name="answering", scope="module")
def _answering():
    found = solvers()
    found.start()
    yield found
    found.close()


@pytest.fixture(name="gap", scope="module")
def _gap():
    """A round in which greedy leaves something, with its greedy answer and its optimum."""
    for seed in range(100):
        problem, greedy, best = round_of(seed)
        if plain_value(problem, best) > 1.03 * plain_value(problem, greedy):
            return seed, problem, greedy, best
    raise AssertionError


@pytest.fixture(name="decider")
def _decider(answering, tmp_path):
    hand = HandClock()
    only_greedy(tmp_path, hand)
    found = HandDecider(tmp_path, answering, hand)
    yield found
    found.store.close()


@pytest.fixture(name="opened")
def _opened(decider, gap):
    seed, _, greedy, _ = gap
    record = decider.begin(order(dispatch(seed)), may_seek=lambda: True)
    assert record.answer.assignment == greedy
    return record


def offer(decider, record, assignment, **more):
    return decider.offer(record.id, Found(source="local:auto", assignment=assignment, quantum=True, **more))


def found(decider, record):
    return decider.store.get(record.id)


class TestFirstAnswer:
    def test_it_is_feasible_and_worth_what_it_says(self, opened, gap):
        _, problem, greedy, _ = gap
        assert plain_value(problem, greedy) == pytest.approx(opened.answer.objective)
        assert opened.answer.feasible
        assert (opened.status.state, opened.status.version) == (DecisionState.OPEN, 1)

    def test_what_was_solved_before_is_answered_at_once(self, decider, opened, gap):
        seed, _, _, best = gap
        assert offer(decider, opened, best) is CandidateOutcome.UPGRADED
        again = decider.begin(order(dispatch(seed)))
        assert (again.answer.source, again.answer.assignment) == ("known", best)
        other = decider.begin(order(dispatch(seed)), principal="bob")
        assert other.answer.source == "greedy"

    def test_a_proved_optimum_sends_nothing_and_says_so(self, answering, gap, tmp_path):
        decider = HandDecider(tmp_path, answering, HandClock())
        seed, problem, _, best = gap
        exact = {("independent_set", size, method): [0.0] * 50 for size in range(12) for method in ("exact",)}
        decider.store.save_method_times(exact)
        decider.store.close()
        decider = HandDecider(tmp_path, answering, HandClock())
        record = decider.begin(order(dispatch(seed)), may_seek=lambda: pytest.fail("it was sent"))
        assert record.answer.proved
        assert record.answer.objective == pytest.approx(plain_value(problem, best))
        assert (record.quantum, record.status.reason) == (NotTried.PROVED_OPTIMAL, NotTried.PROVED_OPTIMAL)
        again = decider.begin(order(dispatch(seed)))
        assert [(a.source, a.proved) for a in again.answers] == [("known", True)]
        decider.store.close()

    @pytest.mark.parametrize(
        ("source", "terms", "field"),
        [
            ({"generator": "dispatch", "vehicles": 4, "jobs": 99}, {}, "problem.source.jobs"),
            ("networkx:nowhere", {}, "problem.source"),
            (dispatch(1), {"scenarios": [[1.0, 2.0]] * 50}, "scenarios"),
            (dispatch(1), {"supersedes": "d-" + "0" * 24}, None),
        ],
    )
    def test_what_is_wrong_is_refused_and_nothing_kept(self, decider, source, terms, field):
        with pytest.raises(ProblemError) as caught:
            decider.begin(order(source, **terms))
        assert caught.value.problem.field == field
        assert caught.value.problem.remedy
        rows = sqlite3.connect(decider.path).execute("SELECT count(*) FROM decision").fetchone()
        assert rows == (0,)

    def test_a_family_in_which_nothing_feasible_was_found_says_so(self, decider):
        source = {"generator": "random", "constraints": 4, "variables": 25, "seed": 3}
        record = decider.begin(order(source, family="market_split"))
        if not record.answer.feasible:
            assert not record.answer.proved
        assert {answer.version for answer in record.answers} <= {1, None}


class TestCandidates:
    def test_one_in_time_that_is_better_upgrades(self, decider, opened, gap):
        best = gap[3]
        decider.hand.go(DEADLINE - 0.001)
        assert offer(decider, opened, best) is CandidateOutcome.UPGRADED
        record = found(decider, opened)
        assert (record.status.state, record.status.version) == (DecisionState.UPGRADED, 2)
        assert record.answer.assignment == best
        assert record.answer.after_seconds == pytest.approx(DEADLINE - 0.001)

    def test_one_a_millisecond_late_is_kept_with_both_values(self, decider, opened, gap):
        _, problem, greedy, best = gap
        decider.hand.go(DEADLINE + 0.001)
        assert offer(decider, opened, best) is CandidateOutcome.LATE
        record = found(decider, opened)
        assert (record.status.state, record.status.reason) == (DecisionState.RETAINED, NO_CANDIDATE)
        assert record.answer.assignment == greedy
        assert record.answers[-1].assignment == best
        assert record.answers[-1].gain == pytest.approx(plain_value(problem, best) - plain_value(problem, greedy))

    def test_an_upgrade_is_told_of_once_and_of_nothing_else(self, decider, answering, opened, gap):
        _, problem, greedy, best = gap
        assert offer(decider, opened, greedy) is CandidateOutcome.NOT_BETTER
        assert decider.store.last_upgrade == 0
        decider.hand.go(5.0)
        offer(decider, opened, best)
        offer(decider, opened, best)
        [told], last = decider.store.upgrades(after=0, principal=opened.principal, limit=10)
        assert (told["decision"], told["version"], last) == (opened.id, 2, 1)
        assert told["at"] == decider.hand.world.isoformat()
        assert told["objective"] == pytest.approx(plain_value(problem, best))
        assert told["previous_objective"] == pytest.approx(plain_value(problem, greedy))
        # Others are told nothing, and need not ask for it again.
        assert decider.store.upgrades(after=0, principal="bob", limit=10) == ([], 1)
        again = HandDecider(decider.path.parent, answering, decider.hand)
        assert again.store.last_upgrade == 1 == last_upgrade(decider.path)
        assert again.store.upgrades(after=0, principal=None, limit=10) == ([told], 1)
        assert again.store.upgrades(after=1, principal=None, limit=10) == ([], 1)
        again.store.close()

    def test_none_leaves_the_first_answer(self, decider, opened):
        decider.hand.go(DEADLINE)
        assert found(decider, opened).status.reason == NO_CANDIDATE

    def test_the_same_twice_is_one_upgrade_and_two_rows(self, decider, opened, gap):
        best = gap[3]
        assert [offer(decider, opened, best) for _ in range(2)] == [
            CandidateOutcome.UPGRADED,
            CandidateOutcome.ALREADY_UPGRADED,
        ]
        assert len(found(decider, opened).answers) == len(opened.answers) + 2

    def test_forty_at_once_are_one_upgrade(self, decider, opened, gap):
        best = gap[3]
        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(lambda _: offer(decider, opened, best), range(40)))
        assert outcomes.count(CandidateOutcome.UPGRADED) == 1
        assert len(found(decider, opened).answers) == len(opened.answers) + 40

    @pytest.mark.parametrize(
        ("change", "outcome"),
        [
            (lambda best: "1" * len(best), CandidateOutcome.INFEASIBLE),
            (lambda best: "0" * len(best), CandidateOutcome.NOT_BETTER),
            (lambda best: best[:-1], CandidateOutcome.ERROR),
            (lambda best: best + "0", CandidateOutcome.ERROR),
            (lambda _: "not an answer", CandidateOutcome.ERROR),
        ],
    )
    def test_what_is_wrong_with_one_is_named_and_kept(self, decider, opened, gap, change, outcome):
        wrong = change(gap[3])
        assert offer(decider, opened, wrong) is outcome
        assert found(decider, opened).answers[-1].assignment == wrong
        assert offer(decider, opened, gap[3]) is CandidateOutcome.UPGRADED

    def test_an_equal_one_is_not_better(self, decider, opened, gap):
        assert offer(decider, opened, gap[2]) is CandidateOutcome.NOT_BETTER

    def test_one_from_a_batch_that_is_no_better_than_random_samples_stays_out(self, decider, opened, gap):
        assert offer(decider, opened, gap[3], noise_like=True) is CandidateOutcome.NOISE_LIKE

    def test_one_that_a_solver_has_beaten_meanwhile_is_not_better(self, decider, gap):
        """Held against the best classical answer, also where that was not good enough for an upgrade by itself."""
        seed, problem, _, best = gap
        record = decider.begin(order(dispatch(seed), min_gain=9.0), may_seek=lambda: True)
        by_solver = decider.offer(record.id, Found(source="exact", assignment=best, quantum=False))
        assert by_solver is CandidateOutcome.NOT_BETTER
        again = decider.begin(order(dispatch(seed), min_gain=0.0), principal="carl", may_seek=lambda: True)
        decider.store.offer(again.id, replace(found(decider, record).answers[-1]), CandidateOutcome.NOT_BETTER)
        assert plain_value(problem, best) is not None
        assert offer(decider, again, best) is CandidateOutcome.NOT_BETTER

    def test_one_that_is_not_sure_enough_is_kept(self, decider, gap):
        seed, _, _, best = gap
        record = decider.begin(order(dispatch(seed), noise=5.0, min_gain=0.0), may_seek=lambda: True)
        assert offer(decider, record, best) is CandidateOutcome.LOW_CONFIDENCE
        last = found(decider, record).answers[-1]
        assert 0 < last.wins < last.scenarios
        assert last.confidence_low < 0.8


class TestTheClient:
    def test_after_it_has_acted_nothing_changes(self, decider, opened, gap):
        decider.store.use(opened.id, 1)
        assert offer(decider, opened, gap[3]) is CandidateOutcome.ALREADY_USED
        record = found(decider, opened)
        assert (record.status.state, record.status.version, record.status.used_version) == (
            DecisionState.USED,
            1,
            1,
        )
        with pytest.raises(IllegalUse):
            decider.store.use(opened.id, 2)

    def test_a_new_decision_takes_the_place_of_the_old_one(self, decider, opened, gap):
        decider.begin(order(dispatch(gap[0]), supersedes=opened.id))
        assert found(decider, opened).status.reason == SUPERSEDED
        assert offer(decider, opened, gap[3]) is CandidateOutcome.SUPERSEDED

    def test_nobody_else_supersedes_it_or_sees_it(self, decider, opened, gap):
        with pytest.raises(ProblemError) as caught:
            decider.begin(order(dispatch(gap[0]), supersedes=opened.id), principal="bob")
        assert caught.value.problem.status == 404
        assert found(decider, opened).status.state is DecisionState.OPEN


class TestTheMachine:
    def test_a_clock_that_is_set_back_moves_no_deadline(self, decider, opened, gap):
        decider.hand.go(DEADLINE + 1)
        decider.hand.world = decider.hand.world.replace(year=2020)
        assert offer(decider, opened, gap[3]) is CandidateOutcome.LATE

    def test_a_clock_that_is_set_forwards_ends_nothing(self, decider, opened, gap):
        decider.hand.world = decider.hand.world.replace(year=2030)
        assert offer(decider, opened, gap[3]) is CandidateOutcome.UPGRADED

    def test_a_new_process_goes_on_with_the_same_deadline(self, decider, answering, opened, gap):
        other = HandDecider(decider.path.parent, answering, decider.hand)
        assert found(other, opened) == found(decider, opened)
        assert [record.id for record in other.store.with_open_quantum()] == [opened.id]
        other.hand.go(DEADLINE - 1)
        assert offer(other, opened, gap[3]) is CandidateOutcome.UPGRADED
        other.store.use(opened.id, 2)
        third = HandDecider(decider.path.parent, answering, decider.hand)
        assert found(third, opened).status.used_version == 2
        other.store.close()
        third.store.close()

    def test_after_a_new_start_of_the_machine_what_was_open_is_over(self, decider, opened, gap):
        decider.hand.boot, decider.hand.seconds = "second", 1.0
        assert found(decider, opened).status.state is DecisionState.RETAINED
        assert offer(decider, opened, gap[3]) is CandidateOutcome.LATE

    def test_a_killed_solver_is_replaced_and_a_candidate_meanwhile_is_an_error(self, decider, gap, opened):
        own = solvers()
        own.start()
        other = HandDecider(decider.path.parent, own, decider.hand)
        [pid] = own.pids
        os.kill(pid, signal.SIGKILL)
        assert offer(other, opened, gap[3]) is CandidateOutcome.ERROR
        assert found(other, opened).answer.assignment == gap[2]
        until = time.monotonic() + 120
        while own._idle.empty():
            assert time.monotonic() < until
            time.sleep(0.1)
        assert offer(other, opened, gap[3]) is CandidateOutcome.UPGRADED
        assert own.lost == 1
        own.close()
        other.store.close()

    def test_a_full_disk_refuses_and_changes_nothing(self, decider, opened, gap):
        pages = decider.store._connection.execute("PRAGMA page_count").fetchone()[0]
        decider.store._connection.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            _fill(decider, gap[0])
        decider.store._connection.execute("PRAGMA max_page_count=1000000")
        assert decider.begin(order(dispatch(gap[0]))).answer.feasible
        assert found(decider, opened).answers == opened.answers


def _fill(decider, seed):
    for number in range(1000):
        decider.begin(order(dispatch(seed), subject=f"subject {number}"))


def test_a_hundred_at_once_on_few_places_say_that_they_were_not_tried(decider, gap):
    places = iter([True] * 3 + [False] * 97)
    with ThreadPoolExecutor(8) as pool:
        records = list(
            pool.map(
                lambda _: decider.begin(order(dispatch(gap[0])), may_seek=lambda: next(places)),
                range(100),
            )
        )
    assert sum(record.quantum == QUANTUM_OPEN for record in records) == 3
    assert sum(record.quantum == NotTried.SATURATED for record in records) == 97
    assert all(record.answer.feasible for record in records)
