"""Climbing the ladder in time for an answer, and going on behind it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from qhybrid_pipelines.core.clock import Clock
from qhybrid_pipelines.problems.anytime.ladder import RUNGS
from qhybrid_pipelines.problems.anytime.rung_times import RungKey, RungTimes
from qhybrid_pipelines.problems.registry import all_families
from qhybrid_pipelines.service.decisions.decision_body import DecisionOrder
from qhybrid_pipelines.service.decisions.decision_records import AnswerRecord, KnownAnswer
from qhybrid_pipelines.service.decisions.solvers import STOP, Message, NoSolver, SolverLost, Solvers, checked
from qhybrid_pipelines.service.problem_documents import ProblemError, overloaded

KNOWN = "known"
#: Kept back of the time for an answer: writing it down and sending it.
MARGIN_SECONDS = 0.005
_LARGEST_MARGIN = 0.25
#: A first answer is waited for so much longer, because a late one is better than none; then the request is refused.
GRACE_SECONDS = 0.005
#: A rung of fewer measurements is measured behind an answer.
FEWEST_TIMES = 5
#: One of so many decisions begins a rung where only its median time fits, so that what was slow under load is tried again. The answer
#: is sent in time even so, with what there is then.
EXPLORE_EVERY = 20
#: Between two times at which the times of the rungs are written down.
KEEP_SECONDS = 60.0
#: Orders behind answers that wait; more are left out.
MOST_BEHIND = 4
#: Until an order behind an answer has a process, and ten times as long until it is done.
BEHIND_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Climbed:
    """What was found in the time that there is for the first answer."""

    instance: Message
    answers: list[AnswerRecord]


class LadderRuns:
    """Has the ladder climbed by processes, and remembers how long its rungs take.

    Args:
        answering: processes that find first answers.
        behind: processes that go on behind an answer.
        clock: tells the time.
        known: times that were kept.
    """

    def __init__(self, answering: Solvers, behind: Solvers, clock: Clock, known: dict[RungKey, list[float]]) -> None:
        self._answering, self._behind, self._clock = answering, behind, clock
        self._times = RungTimes.of(known, at=clock.boot_seconds())
        self._lock = threading.Lock()
        self._climbed = self._waiting = 0
        self._new_times, self._kept_at = False, clock.boot_seconds()
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="behind-answers")

    def warm(self) -> None:
        """Start the processes; their first measurements are the first times of the rungs.

        Raises:
            SolverLost: one of them did not begin.
        """
        all_families()  # the first look at a family imports them all
        for message in [*self._answering.start(), *self._behind.start()]:
            with self._lock:
                for rung, seconds in message["seconds"].items():
                    for one in seconds:
                        self._times.add((message["family"], message["size"], rung), one, at=self._clock.boot_seconds())

    def climb(
        self, order: DecisionOrder, *, arrived: float, known_about: Callable[[str], KnownAnswer | None]
    ) -> Climbed:
        """Have the ladder climbed for as long as the answer can wait, and return what it found.

        Args:
            order: what is to be decided.
            arrived: when it came, in seconds since the machine was started.
            known_about: returns what earlier decisions have left about an instance, by its hash.

        Raises:
            ProblemError: something is wrong with the problem, or there is no answer in time.
        """
        margin = min(MARGIN_SECONDS, _LARGEST_MARGIN * order.answer_seconds)
        until = arrived + order.answer_seconds - margin

        def left(grace: float = 0.0) -> float:
            return until + grace - self._clock.boot_seconds()

        def after() -> float:
            return self._clock.boot_seconds() - arrived

        grace = margin + GRACE_SECONDS
        answers: list[AnswerRecord] = []
        try:
            with self._answering.one(left()) as solver:
                solver.send({**order.content, "kind": "decide"})
                first = solver.receive(left(grace))
                if first is None:
                    raise _no_answer(order)
                checked(first)
                known = known_about(first["sha256"])
                if known is not None:
                    answers.append(_known_answer(known, after()))
                solver.send(self._hint(first, known, left(), order.terms.seed))
                while solver.busy and (message := solver.receive(left(0.0 if answers else grace))) is not None:
                    if checked(message)["kind"] == "rung":
                        answers.append(self._note(first, message, after(), measured="seconds"))
        except (NoSolver, SolverLost):
            raise _no_answer(order) from None
        if not answers:
            raise _no_answer(order)
        return Climbed(first, answers)

    def missing(self, climbed: Climbed, seconds: float) -> list[str]:
        """Return the rungs that were not run and may still be in time, with so many seconds left."""
        run = {answer.source for answer in climbed.answers}
        at = self._clock.boot_seconds()
        with self._lock:
            return [
                rung
                for rung in RUNGS
                if rung not in run and self._times.fits(_key(climbed.instance, rung), seconds, at=at)
            ]

    def go_on(
        self,
        climbed: Climbed,
        order: DecisionOrder,
        standing: str,
        missing: Sequence[str],
        offer: Callable[[AnswerRecord], None],
    ) -> None:
        """Have rungs run behind an answer: those that may still be in time, and those whose times are not known.

        Args:
            climbed: what was found for the answer.
            order: what was to be decided.
            standing: assignment of the answer.
            missing: rungs that may be in time.
            offer: is given what each rung has found, in a thread of its own.
        """
        run = {answer.source for answer in climbed.answers}
        with self._lock:
            unknown = [rung for rung in RUNGS if self._times.count(_key(climbed.instance, rung)) < FEWEST_TIMES]
            rungs = [rung for rung in RUNGS if rung in {*missing, *unknown} - run]
            if not rungs or self._waiting >= MOST_BEHIND:
                return
            self._waiting += 1
        self._threads.submit(self._run_behind, order, standing, rungs, offer)

    def changed(self) -> dict[RungKey, list[float]] | None:
        """Return the times to be kept; None where there are no new ones, or some were returned a short while ago."""
        now = self._clock.boot_seconds()
        with self._lock:
            if not self._new_times or now < self._kept_at + KEEP_SECONDS:
                return None
            self._new_times, self._kept_at = False, now
            return self._times.kept()

    def close(self) -> None:
        """End what runs behind answers, and the processes."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._answering.close()
        self._behind.close()

    def _hint(self, instance: Message, known: KnownAnswer | None, seconds: float, seed: int) -> Message:
        """Return how far to climb; the processes know nothing of what others have measured."""
        if known is not None and known.proved:
            return STOP
        with self._lock:
            self._climbed += 1
            look = self._times.median if self._climbed % EXPLORE_EVERY == 0 else self._times.p99
            at = self._clock.boot_seconds()
            expected = {rung: look(_key(instance, rung), at=at) for rung in RUNGS}
        return {
            "kind": "hint",
            "stop": False,
            "known": None if known is None else known.assignment,
            "seconds": seconds,
            "expected": expected,
            "rungs": RUNGS,
            "seed": seed,
        }

    def _note(self, instance: Message, message: Message, after: float, *, measured: str) -> AnswerRecord:
        with self._lock:
            self._times.add(_key(instance, message["rung"]), message[measured], at=self._clock.boot_seconds())
            self._new_times = True
        return AnswerRecord(
            source=message["rung"],
            assignment=message["assignment"],
            objective=message["objective"],
            feasible=message["feasible"],
            proved=message["proved"],
            seconds=message["seconds"],
            after_seconds=after,
        )

    def _run_behind(
        self, order: DecisionOrder, standing: str, rungs: list[str], offer: Callable[[AnswerRecord], None]
    ) -> None:
        hint = {"known": standing, "seconds": float("inf"), "expected": dict.fromkeys(RUNGS, 0.0)}
        try:
            with suppress(NoSolver, SolverLost, ProblemError), self._behind.one(BEHIND_SECONDS) as solver:
                solver.send({**order.content, **hint, "kind": "climb", "rungs": rungs, "seed": order.terms.seed})
                until = time.monotonic() + 10 * BEHIND_SECONDS
                instance: Message = {}
                while solver.busy and (message := solver.receive(until - time.monotonic())) is not None:
                    if checked(message)["kind"] == "instance":
                        instance = message
                    elif message["kind"] == "rung":
                        # What has low priority waits for others; its processor's time is what the rung takes by itself.
                        offer(self._note(instance, message, 0.0, measured="cpu_seconds"))
        finally:
            with self._lock:
                self._waiting -= 1


def _key(instance: Message, rung: str) -> RungKey:
    return instance["family"], instance["size"], rung


def _known_answer(known: KnownAnswer, after: float) -> AnswerRecord:
    return AnswerRecord(
        source=KNOWN,
        assignment=known.assignment,
        objective=known.objective,
        feasible=True,
        proved=known.proved,
        after_seconds=after,
    )


def _no_answer(order: DecisionOrder) -> ProblemError:
    return overloaded(
        f"No answer could be there within {1000 * order.answer_seconds:g} ms, and nothing was decided.", seconds=1
    )
