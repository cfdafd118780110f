"""Solution methods run in time for an answer, and in the background after it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from qhybrid_pipelines.core.system.clock import Clock
from qhybrid_pipelines.problems.anytime.method_times import MethodKey, MethodTimes
from qhybrid_pipelines.problems.anytime.solution_methods import METHODS
from qhybrid_pipelines.problems.registry import all_families
from qhybrid_pipelines.service.decisions.decision_body import DecisionOrder
from qhybrid_pipelines.service.decisions.decision_records import AnswerRecord, KnownAnswer
from qhybrid_pipelines.service.decisions.solvers import STOP, Message, NoSolver, SolverLost, Solvers, checked
from qhybrid_pipelines.service.problem_documents import ProblemError, overloaded

KNOWN = "known"
#: Part of the time for an answer that is reserved for storing and sending it: the least, and more where there is more time.
MARGIN_SECONDS = 0.005
_MARGIN_SHARE, _LARGEST_SHARE, _LARGEST_MARGIN = 0.1, 0.25, 0.05
#: A first answer is waited for so much longer, and by the least margin too: a late one is better than none. Then the request is refused.
GRACE_SECONDS = 0.005
#: A method with fewer measurements is measured in the background.
FEWEST_TIMES = 5
#: One of so many decisions begins a method where only its median time fits, so that what was slow under load is tried again. The answer
#: is sent in time even so, with what there is then.
EXPLORE_EVERY = 20
#: Interval at which the times of the methods are stored.
SAVE_INTERVAL_SECONDS = 60.0
#: Orders that wait for the background; more are left out.
MOST_IN_BACKGROUND = 4
#: Until a background order has a process, and ten times as long until it is done.
BACKGROUND_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class FirstAnswers:
    """What was found in the time that there is for the first answer."""

    instance: Message
    answers: list[AnswerRecord]


class MethodRuns:
    """Has processes run the solution methods, and remembers how long each takes.

    Args:
        answering: processes that find first answers.
        background: processes that go on after an answer was given.
        clock: tells the time.
        known: times that were stored.
    """

    def __init__(
        self, answering: Solvers, background: Solvers, clock: Clock, known: dict[MethodKey, list[float]]
    ) -> None:
        self._answering, self._background, self._clock = answering, background, clock
        self._times = MethodTimes.of(known, at=clock.boot_seconds())
        self._lock = threading.Lock()
        self._decisions = self._waiting = 0
        self._new_times, self._saved_at = False, clock.boot_seconds()
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="background-methods")

    def warm(self) -> None:
        """Start the processes; their first measurements are the first times of the methods.

        Raises:
            SolverLost: one of them did not begin.
        """
        all_families()  # the first call imports all families
        for message in [*self._answering.start(), *self._background.start()]:
            with self._lock:
                for method, seconds in message["seconds"].items():
                    for one in seconds:
                        self._times.add(
                            (message["family"], message["size"], method), one, at=self._clock.boot_seconds()
                        )

    def find_answers(
        self, order: DecisionOrder, *, arrived: float, known_about: Callable[[str], KnownAnswer | None]
    ) -> FirstAnswers:
        """Run methods for as long as the answer can wait, and return what they found.

        Args:
            order: what is to be decided.
            arrived: when it came, in seconds since the machine was started.
            known_about: returns what earlier decisions have left about an instance, by its hash.

        Raises:
            ProblemError: something is wrong with the problem, or there is no answer in time.
        """
        margin = _margin(order.answer_seconds)
        until = arrived + order.answer_seconds - margin

        def left(grace: float = 0.0) -> float:
            return until + grace - self._clock.boot_seconds()

        def after() -> float:
            return self._clock.boot_seconds() - arrived

        grace = min(margin, MARGIN_SECONDS) + GRACE_SECONDS
        answers: list[AnswerRecord] = []
        try:
            with self._answering.one(left()) as solver:
                solver.send({**order.content, "kind": "decide"})
                instance = solver.receive(left(grace))
                if instance is None:
                    raise _no_answer(order)
                checked(instance)
                known = known_about(instance["sha256"])
                if known is not None:
                    answers.append(_known_answer(known, after()))
                # Whoever waits for a process meanwhile has a deadline too: a long method is not begun before them.
                solver.send(self._hint(instance, known, left() / (1 + self._answering.queue_length), order.terms.seed))
                while solver.busy and (message := solver.receive(left(0.0 if answers else grace))) is not None:
                    if checked(message)["kind"] == "method":
                        answers.append(self._note(instance, message, after(), measured="seconds"))
        except (NoSolver, SolverLost):
            raise _no_answer(order) from None
        if not answers:
            raise _no_answer(order)
        return FirstAnswers(instance, answers)

    def missing(self, first: FirstAnswers, seconds: float) -> list[str]:
        """Return the methods that were not run and may still be in time, with so many seconds left."""
        run = {answer.source for answer in first.answers}
        at = self._clock.boot_seconds()
        with self._lock:
            return [
                method
                for method in METHODS
                if method not in run and self._times.fits(_key(first.instance, method), seconds, at=at)
            ]

    def start_background(
        self,
        first: FirstAnswers,
        order: DecisionOrder,
        incumbent: str,
        missing: Sequence[str],
        offer: Callable[[AnswerRecord], None],
    ) -> None:
        """Run methods after an answer was given: those that may still be in time, and those whose times are unknown.

        Args:
            first: what was found for the answer.
            order: what was to be decided.
            incumbent: assignment of the answer.
            missing: methods that may be in time.
            offer: is given what each method has found, in a thread of its own.
        """
        run = {answer.source for answer in first.answers}
        with self._lock:
            unknown = [method for method in METHODS if self._times.count(_key(first.instance, method)) < FEWEST_TIMES]
            methods = [method for method in METHODS if method in {*missing, *unknown} - run]
            if not methods or self._waiting >= MOST_IN_BACKGROUND:
                return
            self._waiting += 1
        self._threads.submit(self._run_in_background, order, incumbent, methods, offer)

    def times_to_save(self) -> dict[MethodKey, list[float]] | None:
        """Return the times to be stored; None if there are no new ones, or some were returned a short while ago."""
        now = self._clock.boot_seconds()
        with self._lock:
            if not self._new_times or now < self._saved_at + SAVE_INTERVAL_SECONDS:
                return None
            self._new_times, self._saved_at = False, now
            return self._times.to_dict()

    def close(self) -> None:
        """End what runs in the background, and the processes."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._answering.close()
        self._background.close()

    def _hint(self, instance: Message, known: KnownAnswer | None, seconds: float, seed: int) -> Message:
        """Return which methods to run; the processes know nothing of what others have measured."""
        if known is not None and known.proved:
            return STOP
        with self._lock:
            self._decisions += 1
            estimate = self._times.median if self._decisions % EXPLORE_EVERY == 0 else self._times.p99
            at = self._clock.boot_seconds()
            expected = {method: estimate(_key(instance, method), at=at) for method in METHODS}
        return {
            "kind": "hint",
            "stop": False,
            "known": None if known is None else known.assignment,
            "seconds": seconds,
            "expected": expected,
            "methods": METHODS,
            "seed": seed,
        }

    def _note(self, instance: Message, message: Message, after: float, *, measured: str) -> AnswerRecord:
        with self._lock:
            self._times.add(_key(instance, message["method"]), message[measured], at=self._clock.boot_seconds())
            self._new_times = True
        return AnswerRecord(
            source=message["method"],
            assignment=message["assignment"],
            objective=message["objective"],
            feasible=message["feasible"],
            proved=message["proved"],
            seconds=message["seconds"],
            after_seconds=after,
        )

    def _run_in_background(
        self, order: DecisionOrder, incumbent: str, methods: list[str], offer: Callable[[AnswerRecord], None]
    ) -> None:
        hint = {"known": incumbent, "seconds": float("inf"), "expected": dict.fromkeys(METHODS, 0.0)}
        try:
            with suppress(NoSolver, SolverLost, ProblemError), self._background.one(BACKGROUND_SECONDS) as solver:
                solver.send(
                    {**order.content, **hint, "kind": "background", "methods": methods, "seed": order.terms.seed}
                )
                until = time.monotonic() + 10 * BACKGROUND_SECONDS
                instance: Message = {}
                while solver.busy and (message := solver.receive(until - time.monotonic())) is not None:
                    if checked(message)["kind"] == "instance":
                        instance = message
                    elif message["kind"] == "method":
                        # What has low priority waits for others; its processor's time is what the method takes by itself.
                        offer(self._note(instance, message, 0.0, measured="cpu_seconds"))
        finally:
            with self._lock:
                self._waiting -= 1


def _margin(seconds: float) -> float:
    """Return how much of the time for an answer is reserved for storing and sending it."""
    return min(max(MARGIN_SECONDS, _MARGIN_SHARE * seconds), _LARGEST_SHARE * seconds, _LARGEST_MARGIN)


def _key(instance: Message, method: str) -> MethodKey:
    return instance["family"], instance["size"], method


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
        f"No answer can be ready within {1000 * order.answer_seconds:g} ms, and nothing was decided.", seconds=1
    )
