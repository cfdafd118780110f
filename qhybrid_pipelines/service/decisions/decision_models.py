"""The bodies of the decision service, as the description of the interface shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from qhybrid_pipelines.core.vocabulary.decision_words import CandidateOutcome, DecisionState
from qhybrid_pipelines.problems.anytime.upgrade_rule import FEWEST_SCENARIOS
from qhybrid_pipelines.service.response_models import ResponseModel

SUBJECT_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9 ._:-]{0,63}$"
DECISION_PATTERN = r"^d-[0-9a-f]{24}$"
_Numbers = list[Annotated[float, Field(allow_inf_nan=False)]]


class _Sent(BaseModel):
    """A body that comes in: what it does not know is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class DecisionRequest(_Sent):
    """A problem to be decided at once, and on what terms a better answer may take the place of the first one."""

    specification: dict[str, Any] = Field(
        description="As for an experiment: the problem, and how a quantum answer is sought."
    )
    files: Annotated[dict[str, str], Field(max_length=4)] = Field(
        default_factory=dict, description="Texts that the specification names."
    )
    deadline_ms: int = Field(ge=1, le=86_400_000, description="After this the answer is final [ms].")
    answer_ms: int | None = Field(
        default=None,
        ge=1,
        le=60_000,
        description="By then the first answer is there; at most 250 where it is left out [ms].",
    )
    min_gain: float = Field(
        default=0.02,
        ge=0,
        le=10,
        allow_inf_nan=False,
        description="Least gain of an upgrade, as a share of the objective.",
    )
    confidence: float = Field(
        default=0.8,
        ge=0.5,
        le=0.999,
        allow_inf_nan=False,
        description="Least probability that an upgrade is better; counts where something is uncertain.",
    )
    noise: float = Field(
        default=0.0,
        ge=0,
        le=10,
        allow_inf_nan=False,
        description="Standard deviation of every coefficient of the objective, as a share of its size.",
    )
    scenarios: Annotated[list[_Numbers], Field(min_length=FEWEST_SCENARIOS, max_length=10_000)] | None = Field(
        default=None,
        description="In the place of noise: the coefficient of each variable in each scenario, where the objective is a sum over variables.",
    )
    subject: str | None = Field(
        default=None,
        pattern=SUBJECT_PATTERN,
        description="What it is about; claims are compared with outcomes by subject. The default is the family.",
    )
    supersedes: str | None = Field(
        default=None, pattern=DECISION_PATTERN, description="An earlier decision of yours that this one replaces."
    )
    quantum: bool = Field(default=True, description="Seek a quantum answer as well as the classical one.")
    seed: int = Field(default=0, ge=0, lt=2**63, description="Of solvers and scenarios.")


class UsedVersion(_Sent):
    """Which answer the client has acted on."""

    version: int = Field(ge=1, le=1_000)


class OutcomeReport(_Sent):
    """What came of a decision: the worth of the answer that was used, or how the coefficients turned out."""

    value: float | None = Field(
        default=None, allow_inf_nan=False, description="What the version that was used turned out to be worth."
    )
    fallback_value: float | None = Field(
        default=None, allow_inf_nan=False, description="What version 1 would have been worth, where another was used."
    )
    coefficients: _Numbers | None = Field(
        default=None,
        description="How the coefficient of each variable turned out, where the objective is a sum over variables.",
    )


class DecisionAnswer(ResponseModel):
    """One answer: found by a solution method before the first answer was given, or a candidate after it."""

    source: str = Field(description="greedy, local_search, annealing, exact, known, or the backend that measured it.")
    assignment: str | None = Field(description="0 and 1 in the order of the variables; null where it is not feasible.")
    objective: float | None = Field(description="As the source means it.")
    feasible: bool
    proved: bool = Field(description="Nothing is better.")
    seconds: float | None = Field(description="That finding it took.")
    after_seconds: float = Field(description="From the request.")
    version: int | None = Field(description="Which version it is; null where it never stood.")
    outcome: CandidateOutcome | None = Field(
        description="What became of a candidate; null for what came before the first answer."
    )
    gain: float | None = Field(description="Over the answer that stood; by the coefficients as stated.")
    wins: int | None = Field(description="Scenarios in which it is better.")
    scenarios: int | None
    confidence_low: float | None = Field(description="Lower 95 % bound of the probability that it is better.")
    realised: float | None = Field(description="What it turned out to be worth.")
    jobs: list[str]
    cost_usd: float | None


class Decision(ResponseModel):
    """A decision with its current answer and all others."""

    decision: str
    subject: str
    family: str
    state: DecisionState
    reason: str | None = Field(
        description="Why the first answer was retained; null while the decision is open, and after an upgrade."
    )
    version: int
    source: str
    objective: float | None = Field(description="As the source means it.")
    sense: Literal["max", "min"] = Field(description="Whether larger or smaller objectives are better.")
    feasible: bool
    proved: bool
    assignment: str | None = Field(description="The current answer; null if no feasible one was found.")
    chosen: list[str] | None = Field(description="Names of the variables that are 1 in it.")
    opened_at: datetime
    expires_at: datetime = Field(description="After this the answer is final.")
    answer_ms: float = Field(description="After which the first answer was ready.")
    used_version: int | None
    quantum: str = Field(
        description="open, answered or ended; or why none is sought: not_asked, proved_optimal, saturated, refused."
    )
    quantum_detail: str | None
    experiment: str | None = Field(description="Address of the experiment that seeks a quantum answer.")
    supersedes: str | None
    outcome: dict[str, Any] | None
    answers: list[DecisionAnswer]
    href: str


class SubjectGate(ResponseModel):
    """What became of the claims about a subject."""

    subject: str
    closed: bool = Field(description="Claims did not hold: nothing uncertain is upgraded any more.")
    evidence: float = Field(description="Against the claims; the gate closes at 20.")
    judged: int = Field(description="Outcomes of candidates that were judged over scenarios.")
    low: int = Field(description="Of these, below the 5 % quantile of their scenarios.")
    outside: int = Field(description="Of those judged by this release, below the 5 % or above the 95 % quantile.")
    upgrades: int
    worse: int = Field(description="Upgrades that turned out worse.")


class GateList(ResponseModel):
    """The gates of the caller's subjects."""

    items: list[SubjectGate]
