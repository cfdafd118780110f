"""Deciding: a classical answer at once, and a better one afterwards only where every promise allows it.

What is promised, and ensured by the store's one transaction per change: the first answer is feasible by the family's own check, or says
that it is not; it does not wait for anything quantum; at most one upgrade, before the deadline and before the client has acted; every
answer is stored, late ones too; nothing is revised for the worse.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from qhybrid_pipelines.core.system.clock import SYSTEM_CLOCK, Clock
from qhybrid_pipelines.core.vocabulary.decision_words import CandidateOutcome, NotTried
from qhybrid_pipelines.problems.anytime.solution_methods import METHODS
from qhybrid_pipelines.problems.evaluation import is_better
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.service.decisions import decision_states
from qhybrid_pipelines.service.decisions.decision_body import DecisionOrder
from qhybrid_pipelines.service.decisions.decision_records import AnswerRecord, DecisionRecord
from qhybrid_pipelines.service.decisions.decision_states import Moment
from qhybrid_pipelines.service.decisions.decision_store import QUANTUM_OPEN, DecisionStore
from qhybrid_pipelines.service.decisions.method_runs import KNOWN, MethodRuns
from qhybrid_pipelines.service.decisions.solvers import NoSolver, SolverLost, Solvers
from qhybrid_pipelines.service.problem_documents import ProblemError, not_found, overloaded

#: Who answers without a circuit.
CLASSICAL = frozenset({*METHODS, KNOWN})
#: Until a candidate is judged.
JUDGING_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A candidate as it comes in.

    Attributes:
        source: a method, or the backend that measured it.
        assignment: 0 and 1 in the instance's own variable order.
        quantum: it was measured.
        noise_like: its batch did not beat random samples.
        proved: nothing is better.
        seconds: that finding it took, where that is known.
        jobs: that measured it.
        cost_usd: of these jobs.
    """

    source: str
    assignment: str
    quantum: bool
    noise_like: bool = False
    proved: bool = False
    seconds: float | None = None
    jobs: tuple[str, ...] = ()
    cost_usd: float | None = None


class Decider:
    """The decision service of a home.

    Args:
        store: the decisions.
        answering: processes that find first answers and judge candidates.
        background: processes that go on after an answer was given.
        clock: tells the time.
    """

    def __init__(
        self, store: DecisionStore, answering: Solvers, background: Solvers, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.store, self._answering, self._clock = store, answering, clock
        self._runs = MethodRuns(answering, background, clock, store.method_times())

    def warm(self) -> None:
        """Start the processes, and find out what an earlier release has not noted.

        Raises:
            SolverLost: one of them did not begin.
        """
        self._runs.warm()
        self.note_senses()

    def note_senses(self) -> None:
        """Read again the instances of which an earlier release did not note whether they are maximised."""
        for decision in self.store.without_sense():
            content = {**(self.store.content(decision) or {}), "kind": "sense"}
            with suppress(NoSolver, SolverLost, ProblemError):  # it stays as it was shown, and is tried again next time
                found = self._answering.ask(content, seconds=JUDGING_SECONDS)
                self.store.note_sense(found["sha256"], negated=found["negated"])

    def now(self) -> Moment:
        """Return the present, as deadlines count it."""
        return moment(self._clock)

    def decide(
        self, principal: str, order: DecisionOrder, *, arrived: Moment, may_seek: Callable[[], bool] = lambda: False
    ) -> DecisionRecord:
        """Return a new decision, once it is stored.

        Args:
            principal: who asks.
            order: what.
            arrived: when the request came.
            may_seek: tells whether there is room for one more quantum answer, and takes it.

        Raises:
            ProblemError: something is wrong with the problem, or no answer can be there in time.
            sqlite3.Error: it cannot be stored.
        """
        if order.terms.supersedes is not None:
            self.owned(principal, order.terms.supersedes)
        first = self._runs.find_answers(
            order, arrived=arrived.seconds, known_about=lambda sha256: self.store.known(principal, sha256)
        )
        family = first.instance["family"]
        best = _best(family, first.answers)
        answers = tuple(replace(a, version=1) if a is best else a for a in first.answers)
        deadline = Moment(arrived.boot, arrived.seconds + order.deadline_seconds)
        missing = self._runs.missing(first, deadline.seconds - self._clock.boot_seconds())
        quantum, final = self._quantum(order, best, may_seek, more_comes=bool(missing))
        elapsed = self._clock.boot_seconds() - arrived.seconds
        now = self._clock.now()
        record = DecisionRecord(
            id=f"d-{secrets.token_hex(12)}",
            principal=principal,
            subject=order.terms.subject or family,
            family=family,
            variables=tuple(first.instance["variables"]),
            negated=first.instance["negated"],
            instance_sha256=first.instance["sha256"],
            content_sha256=order.content_sha256,
            min_gain=order.terms.min_gain,
            confidence=order.terms.confidence,
            uncertain=bool(order.terms.noise) or order.terms.scenarios is not None,
            status=decision_states.opened(deadline, final=final),
            opened_at=(now - timedelta(seconds=elapsed)).isoformat(),
            expires_at=(now + timedelta(seconds=order.deadline_seconds - elapsed)).isoformat(),
            deadline_seconds=order.deadline_seconds,
            answer_seconds=elapsed,
            quantum=quantum,
            supersedes=order.terms.supersedes,
            answers=answers,
        )
        self.store.add(record, order.content)
        if not best.proved:
            self._runs.start_background(
                first, order, best.assignment, missing, lambda method: self._offer_method(record.id, method)
            )
        return record

    def offer(self, decision: str, found: Found) -> CandidateOutcome:
        """Judge a candidate, take it in, and return what became of it.

        Raises:
            KeyError: there is no such decision.
        """
        record = self.store.get(decision)
        if record is None:
            raise KeyError(decision)
        judged = self._judge(record, found)
        outcome = CandidateOutcome(judged["outcome"])
        if outcome is CandidateOutcome.UPGRADED:
            if found.noise_like:
                outcome = CandidateOutcome.NOISE_LIKE
            elif found.quantum and not self._beats_classical(record, judged):
                outcome = CandidateOutcome.NOT_BETTER
        answer = AnswerRecord(
            source=found.source,
            assignment=found.assignment,
            objective=judged["objective"] if judged["objective"] == judged["objective"] else None,
            feasible=judged["feasible"],
            proved=found.proved,
            seconds=found.seconds,
            after_seconds=self._seconds_since(record),
            gain=judged["gain"],
            wins=judged.get("wins"),
            scenarios=judged.get("scenarios"),
            confidence_low=judged.get("confidence_low"),
            low_gain=judged.get("low_gain"),
            high_gain=judged.get("high_gain"),
            jobs=found.jobs,
            cost_usd=found.cost_usd,
        )
        return self.store.offer(decision, answer, outcome)

    def owned(self, principal: str | None, decision: str) -> DecisionRecord:
        """Return a decision of a principal, or anybody's where that is None.

        Raises:
            ProblemError: 404.
        """
        record = self.store.get(decision)
        if record is None or principal not in (None, record.principal):
            raise not_found("decision")
        return record

    def realised(self, decision: str, record: DecisionRecord, coefficients: Sequence[float]) -> dict[int, float]:
        """Return what the feasible answers of a decision turned out to be worth, by their place.

        Raises:
            ProblemError: its problem is no longer stored, or such coefficients say nothing about it.
        """
        content = self.store.content(decision)
        if content is None:
            raise not_found("problem of this decision any more")
        places = [place for place, answer in enumerate(record.answers) if answer.feasible]
        if not places:
            return {}
        order = {**content, "kind": "realise", "coefficients": list(coefficients)}
        order["assignments"] = [record.answers[place].assignment for place in places]
        try:
            answer = self._answering.ask(order, seconds=JUDGING_SECONDS)
        except (NoSolver, SolverLost):
            raise overloaded("The outcome could not be judged now.", seconds=2) from None
        return dict(zip(places, answer["values"], strict=True))

    def settle(self) -> None:
        """Store which decisions have passed their deadlines, and how long the methods take."""
        self.store.settle()
        if (times := self._runs.times_to_save()) is not None:
            self.store.save_method_times(times)

    def close(self) -> None:
        """End what runs in the background, and the processes."""
        self._runs.close()
        with suppress(Exception):  # a full disk must not keep the service from ending
            self.settle()
        self.store.close()

    def _quantum(
        self, order: DecisionOrder, best: AnswerRecord, may_seek: Callable[[], bool], *, more_comes: bool
    ) -> tuple[str, str | None]:
        """Return what is done about a quantum answer, and why the decision is final already, if it is."""
        if best.proved:
            return NotTried.PROVED_OPTIMAL, NotTried.PROVED_OPTIMAL
        if not order.terms.quantum:
            return NotTried.NOT_ASKED, None if more_comes else NotTried.NOT_ASKED
        if not may_seek():
            return NotTried.SATURATED, None if more_comes else NotTried.SATURATED
        return QUANTUM_OPEN, None

    def _seconds_since(self, record: DecisionRecord) -> float:
        """Return how long ago a request came; by the clock of the world if the machine was restarted since."""
        now, deadline = self.now(), record.status.deadline
        if now.boot == deadline.boot:
            return now.seconds - deadline.seconds + record.deadline_seconds
        return (self._clock.now() - datetime.fromisoformat(record.opened_at)).total_seconds()

    def _offer_method(self, decision: str, method: AnswerRecord) -> None:
        found = Found(
            source=method.source,
            assignment=method.assignment,
            quantum=False,
            proved=method.proved,
            seconds=method.seconds,
        )
        with suppress(KeyError):  # nothing forgets a decision
            self.offer(decision, found)

    def _judge(self, record: DecisionRecord, found: Found) -> dict[str, Any]:
        """Return what a candidate is worth compared with the first answer; an error if it could not be judged."""
        unknown = {"outcome": CandidateOutcome.ERROR, "objective": None, "feasible": False, "gain": None}
        content = self.store.content(record.id)
        if content is None:
            return unknown
        order = {
            **content,
            "kind": "judge",
            "incumbent": record.version(1).assignment,
            "candidate": found.assignment,
            "min_gain": record.min_gain,
            "confidence": record.confidence,
        }
        try:
            return self._answering.ask(order, seconds=JUDGING_SECONDS)
        except (NoSolver, SolverLost, ProblemError):
            return unknown

    def _beats_classical(self, record: DecisionRecord, judged: dict[str, Any]) -> bool:
        """Tell whether a candidate is better than every classical answer, and not only than the current one."""
        family, value = family_named(record.family), (judged["objective"], judged["feasible"])
        return all(
            is_better(family, value, (answer.objective, answer.feasible))
            for answer in record.answers
            if answer.objective is not None and answer.feasible and answer.source in CLASSICAL
        )


def moment(clock: Clock) -> Moment:
    """Return the present, as deadlines count it: setting the clock changes nothing about it."""
    return Moment(_boot(), clock.boot_seconds())


@cache
def _boot() -> str:
    """Return what tells this run of the machine from others."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def _best(family: str, answers: Sequence[AnswerRecord]) -> AnswerRecord:
    """Return the best answer; the first of equal ones, or the one that is proved."""
    kind = family_named(family)
    best = answers[0]
    for answer in answers[1:]:
        values = [(one.objective or 0.0, one.feasible) for one in (answer, best)]
        if is_better(kind, *values) or (answer.proved and not is_better(kind, *reversed(values))):
            best = answer
    return best
