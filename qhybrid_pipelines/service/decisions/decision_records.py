"""What is stored of a decision and of every answer to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qhybrid_pipelines.core.vocabulary.decision_words import CandidateOutcome
from qhybrid_pipelines.problems.source_sense import stated
from qhybrid_pipelines.service.decisions.decision_states import DecisionStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRecord:
    """One answer: found by a solution method before the first answer was given, or a candidate after it.

    Attributes:
        source: a method, ``known`` for an earlier decision's, or the backend that measured it.
        assignment: 0 and 1 in the instance's own variable order.
        objective: in the family's unit, the negative where the decision is negated; None where it cannot be said.
        feasible: by the family's own check.
        proved: nothing is better.
        seconds: that finding it took, where that is known.
        after_seconds: from the request to the answer.
        version: which version of the decision it is; None where it never stood.
        outcome: what became of it; None for what came before the first answer.
        gain: over the answer that was current, by the coefficients as stated.
        wins: scenarios in which it is better.
        scenarios: number of them.
        confidence_low: lower bound of the probability that it is better.
        low_gain, high_gain: low and high quantile of its gain over the scenarios.
        realised: what it turned out to be worth, as `objective`.
        jobs: ids of the jobs that measured it.
        cost_usd: of these jobs.
    """

    source: str
    assignment: str
    objective: float | None
    feasible: bool
    proved: bool = False
    seconds: float | None = None
    after_seconds: float = 0.0
    version: int | None = None
    outcome: CandidateOutcome | None = None
    gain: float | None = None
    wins: int | None = None
    scenarios: int | None = None
    confidence_low: float | None = None
    low_gain: float | None = None
    high_gain: float | None = None
    realised: float | None = None
    jobs: tuple[str, ...] = ()
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """One decision.

    Attributes:
        id: ours, given out.
        principal: who asked.
        subject: what it is about, in the client's words; its gate belongs to that.
        family: of the instance.
        variables: names, in the instance's order.
        negated: its source is to be maximised, and objectives are the negatives of what that says.
        instance_sha256: content hash of the instance.
        content_sha256: of what was sent of the problem.
        min_gain, confidence: the client's terms.
        uncertain: there is noise, or there are scenarios.
        status: state, version, deadline.
        opened_at, expires_at: ISO 8601, UTC, for people.
        deadline_seconds, answer_seconds: what was asked for, and after how long the answer was ready.
        quantum: what is done about a quantum answer: a word of `NotTried`, or open, answered, ended.
        quantum_detail: in words, where there is more to be said.
        experiment: the experiment that seeks one.
        supersedes: the decision whose place this one took.
        outcome: what the client reported, as JSON.
        revision: grows with every change.
    """

    id: str
    principal: str
    subject: str
    family: str
    variables: tuple[str, ...]
    instance_sha256: str
    content_sha256: str
    min_gain: float
    confidence: float
    uncertain: bool
    status: DecisionStatus
    opened_at: str
    expires_at: str
    deadline_seconds: float
    answer_seconds: float
    quantum: str
    quantum_detail: str | None = None
    experiment: str | None = None
    supersedes: str | None = None
    outcome: dict[str, Any] | None = None
    negated: bool = False
    revision: int = 1
    answers: tuple[AnswerRecord, ...] = ()

    def version(self, number: int) -> AnswerRecord:
        """Return the answer of a version."""
        return next(answer for answer in self.answers if answer.version == number)

    def turned(self, objective: float | None) -> float | None:
        """Return an objective as its source means it; and one that a client states as those of answers are."""
        return None if objective is None else stated(objective, negated=self.negated)

    @property
    def answer(self) -> AnswerRecord:
        """The current answer."""
        return self.version(self.status.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAnswer:
    """The best answer that earlier decisions of a principal have left about the same content."""

    assignment: str
    objective: float
    proved: bool
    source: str
