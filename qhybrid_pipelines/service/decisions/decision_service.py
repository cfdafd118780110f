"""The parts of the decision service of one home, opened together and handed to its routes."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

from qhybrid_pipelines.core.system.clock import SYSTEM_CLOCK
from qhybrid_pipelines.core.vocabulary.decision_words import CandidateOutcome, DecisionState
from qhybrid_pipelines.problems.anytime.error_gate import Gate, note_outcome
from qhybrid_pipelines.problems.anytime.upgrade_rule import TAIL
from qhybrid_pipelines.problems.evaluation import objective_sign
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.problems.source_sense import stated
from qhybrid_pipelines.service.decisions.decider import Decider, moment
from qhybrid_pipelines.service.decisions.decision_body import DecisionOrder
from qhybrid_pipelines.service.decisions.decision_models import OutcomeReport
from qhybrid_pipelines.service.decisions.decision_records import DecisionRecord
from qhybrid_pipelines.service.decisions.decision_states import IllegalUse, Moment
from qhybrid_pipelines.service.decisions.decision_store import QUANTUM_OPEN, DecisionStore, OutcomeKnown
from qhybrid_pipelines.service.decisions.quantum_experiments import QuantumExperiments, progress_reader, register_with
from qhybrid_pipelines.service.decisions.solvers import SolverLimits, Solvers
from qhybrid_pipelines.service.event_feed import EventFeed
from qhybrid_pipelines.service.problem_documents import Problem, ProblemError

if TYPE_CHECKING:
    from qhybrid_pipelines.service.service_parts import ServiceParts

ANSWERING = SolverLimits(processes=2)
#: What runs in the background gets what processors have left.
BEHIND = SolverLimits(processes=1, idle=True, cpu_seconds=60.0, memory_bytes=2 * 2**30)
#: Requests that are worked on at a time; more wait, and are refused when their time is up.
_THREADS = 16


class DecisionService:
    """Decides, and keeps what becomes of decisions.

    Args:
        decider: the mathematics and the store.
        experiments: the quantum side.
    """

    def __init__(self, decider: Decider, experiments: QuantumExperiments) -> None:
        self.decider, self.experiments = decider, experiments
        #: Tells those who listen that something was upgraded.
        self.feed = EventFeed(lambda: decider.store.last_upgrade)
        #: Decisions have threads of their own, so that slow requests of other kinds keep none of them waiting.
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="decisions")

    @classmethod
    def open(cls, parts: ServiceParts) -> Self:
        """Open the parts; nothing is warm yet.

        Raises:
            InvalidInput: the decisions cannot be stored.
        """
        store = DecisionStore(parts.workspace.home.service_decisions, lambda: moment(SYSTEM_CLOCK))
        decider = Decider(store, Solvers(ANSWERING), Solvers(BEHIND))
        return cls(decider, QuantumExperiments(decider, register_with(parts), progress_reader(parts)))

    def warm(self) -> None:
        """Start everything, and return when the first request would be as quick as the others."""
        self.decider.warm()
        self.experiments.start()
        # What is loaded by now stays: looking through it for garbage would stop every answer for a tenth of a second.
        gc.collect()
        gc.freeze()

    def decide(self, principal: str, order: DecisionOrder, arrived: Moment) -> DecisionRecord:
        """Return a new decision, once it is stored.

        Raises:
            ProblemError: something is wrong with it, no answer can be there in time, or nothing can be written.
        """
        reserved = False

        def reserve() -> bool:
            nonlocal reserved
            reserved = self.experiments.reserve_place()
            return reserved

        try:
            record = self.decider.decide(principal, order, arrived=arrived, may_seek=reserve)
        except BaseException as error:
            if reserved:
                self.experiments.release_place()
            if isinstance(error, sqlite3.Error):
                raise _not_stored() from None
            raise
        if record.quantum == QUANTUM_OPEN:
            self.experiments.wake()
        return record

    def use(self, principal: str, decision: str, version: int) -> DecisionRecord:
        """Note that the client has acted on a version.

        Raises:
            ProblemError: 404; or 409, there was no such version, or another one was used.
        """
        self.decider.owned(principal, decision)
        try:
            self.decider.store.use(decision, version)
        except IllegalUse as error:
            raise _conflict(str(error), remedy="Look at the decision: it says which versions there are.") from None
        except sqlite3.Error:
            raise _not_stored() from None
        return self.decider.owned(principal, decision)

    def report(self, principal: str, decision: str, reported: OutcomeReport) -> DecisionRecord:
        """Keep what came of a decision, and hold what was claimed against it.

        Raises:
            ProblemError: 404; 409, it is still open, or another outcome was reported before; 422, coefficients that say nothing
                about it.
        """
        record = self.decider.owned(principal, decision)
        if record.status.state is DecisionState.OPEN:
            raise _conflict(
                "the decision is still open", remedy="Say first which version was used, or wait for its deadline."
            )
        used = record.status.used_version
        if reported.coefficients is not None:
            realised = self.decider.realised(decision, record, reported.coefficients)
        elif used is None:
            raise _conflict("nobody has said which version was used", remedy="Say that first, at .../used.")
        else:
            realised = _stated(record, used, reported)
        value = reported.value
        if value is None and used is not None:
            value = record.turned(realised.get(record.answers.index(record.version(used))))
        outcome = {**reported.model_dump(exclude_none=True), "value": value}
        try:
            self.decider.store.report(decision, outcome, realised, lambda gate: counted(gate, record, realised))
        except OutcomeKnown:
            raise _conflict("another outcome was reported before", remedy="An outcome is final.") from None
        except sqlite3.Error:
            raise _not_stored() from None
        return self.decider.owned(principal, decision)

    def close(self) -> None:
        """Finish what was begun, and end all processes and threads."""
        self.threads.shutdown(wait=True, cancel_futures=True)
        self.experiments.close()
        self.decider.close()


def counted(gate: Gate, record: DecisionRecord, realised: dict[int, float]) -> Gate:
    """Return the gate of a subject after the outcome of one decision: its first candidate that was judged over scenarios counts."""
    first = record.answers.index(record.version(1))
    for place, answer in enumerate(record.answers):
        if answer.low_gain is None or answer.confidence_low is None or place not in realised or first not in realised:
            continue
        gain = objective_sign(family_named(record.family)) * (realised[place] - realised[first])
        claimed = 1 - answer.confidence_low if answer.outcome is CandidateOutcome.UPGRADED else None
        return note_outcome(
            gate, gain=gain, low_gain=answer.low_gain, high_gain=answer.high_gain, tail=TAIL, claimed_error=claimed
        )
    return gate


def _stated(record: DecisionRecord, used: int, reported: OutcomeReport) -> dict[int, float]:
    assert reported.value is not None
    worth = {used: reported.value}
    if reported.fallback_value is not None:
        worth[1] = reported.fallback_value
    return {
        record.answers.index(record.version(version)): stated(value, negated=record.negated)
        for version, value in worth.items()
    }


def gates_of(service: DecisionService, principal: str | None) -> Sequence[tuple[str, Gate]]:
    """Return subjects and their gates, of a principal or of all."""
    return [(subject, gate) for _, subject, gate in service.decider.store.gates(principal)]


def _conflict(detail: str, *, remedy: str) -> ProblemError:
    return ProblemError(
        Problem(status=409, code="wrong-state", detail=f"{detail[0].upper()}{detail[1:]}.", remedy=remedy)
    )


def _not_stored() -> ProblemError:
    return ProblemError(
        Problem(
            status=503,
            code="storage",
            detail="This could not be written to the disk, and nothing was decided or changed.",
            remedy="The operator of this service has to free some disk space; decide by your own rule meanwhile.",
            retry_after_seconds=30,
        )
    )
