"""The quantum side of decisions: an ordinary experiment for each, and whatever it measures is a candidate, late or not.

An experiment goes the way of every other one: the same checks, the same register, the same policy, budget and ledger, run by whoever
runs the pipeline on this home. Here it is only asked for and watched, in a thread that no answer waits for.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from qhybrid_pipelines.core.errors import QHybridError
from qhybrid_pipelines.core.vocabulary.decision_words import NotTried
from qhybrid_pipelines.problems.final_answer import best_quantum_answer
from qhybrid_pipelines.problems.registry import family_named
from qhybrid_pipelines.service.access.callers import Caller
from qhybrid_pipelines.service.decisions.decider import Decider, Found
from qhybrid_pipelines.service.decisions.decision_records import DecisionRecord
from qhybrid_pipelines.service.intake.network_request import FILES, SPECIFICATION, NetworkRequest
from qhybrid_pipelines.service.intake.request_store import KeyReused, NewRequest, OwnedByOther, StoreBusy
from qhybrid_pipelines.service.problem_documents import Problem, ProblemError
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import PartitionKey

if TYPE_CHECKING:
    from qhybrid_pipelines.service.service_parts import ServiceParts

ROUTE = "POST /v1/decisions"
#: Decisions whose quantum answers are sought at a time; further ones say that they were not tried.
MOST_OPEN = 8
#: Between two polls: an answer waits no longer than that.
POLL_SECONDS = 0.2
#: Between two checks whether anything more will come, which read the ledger.
STATE_SECONDS = 5.0
#: After this nobody waits for a candidate any more.
LONGEST = timedelta(hours=24)
ANSWERED, ENDED = "answered", "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What there is of an experiment now.

    Attributes:
        found: its candidates, one for each backend that has measured.
        ended: nothing more will come.
    """

    found: Sequence[Found]
    ended: bool


class QuantumExperiments:
    """Watches over the experiments of decisions.

    Args:
        decider: judges and stores candidates.
        register: registers the experiment of a decision and returns its key; raises ProblemError where that is refused.
        read_progress: reads what an experiment has; ``ask_state`` says whether to find out if more will come.
    """

    def __init__(
        self,
        decider: Decider,
        register: Callable[[DecisionRecord, dict[str, Any]], str],
        read_progress: Callable[..., Progress],
    ) -> None:
        self._decider, self._register, self._read_progress = decider, register, read_progress
        self._reserved = 0
        self._lock = threading.Lock()
        self._wake, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="quantum-experiments", daemon=True)

    def start(self) -> None:
        """Begin, with what an earlier process has left."""
        self._reserved = len(self._decider.store.with_open_quantum())
        self._thread.start()

    def reserve_place(self) -> bool:
        """Reserve a place for one more, and tell whether there was one."""
        with self._lock:
            if self._reserved >= MOST_OPEN:
                return False
            self._reserved += 1
        return True

    def release_place(self) -> None:
        """Release a place that is not needed."""
        with self._lock:
            self._reserved -= 1

    def wake(self) -> None:
        """Say that there is a new decision."""
        self._wake.set()

    def close(self) -> None:
        """End after the poll that is under way."""
        self._ending.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        polls = 0
        while not self._ending.is_set():
            self._wake.clear()
            if polls % round(STATE_SECONDS / POLL_SECONDS) == 0:
                with suppress(sqlite3.Error):
                    self._decider.settle()
            # Whatever fails now is tried again: the row stays.
            with suppress(sqlite3.Error, OSError, QHybridError):
                for record in self._decider.store.with_open_quantum():
                    if self._ending.is_set():
                        return
                    with suppress(OSError, sqlite3.Error, QHybridError):
                        self.follow(record, ask_state=polls % round(STATE_SECONDS / POLL_SECONDS) == 0)
            polls += 1
            self._wake.wait(POLL_SECONDS)

    def follow(self, record: DecisionRecord, *, ask_state: bool) -> None:
        """Register the experiment of a decision, or offer what it has measured."""
        store = self._decider.store
        if record.experiment is None:
            content = store.content(record.id)
            try:
                if content is None:
                    raise _problem_gone()
                store.note_quantum(record.id, "open", experiment=self._register(record, content))
            except ProblemError as error:
                self._end(record, NotTried.REFUSED, error.problem.detail)
            return
        progress = self._read_progress(record.experiment, ask_state=ask_state)
        offered = {answer.source for answer in record.answers if answer.outcome is not None}
        for found in progress.found:
            if found.source not in offered:
                self._decider.offer(record.id, found)
        if progress.ended:
            self._end(record, ANSWERED if progress.found else ENDED, None)
        elif datetime.now(UTC) - datetime.fromisoformat(record.opened_at) > LONGEST:
            self._end(record, ENDED, "Nothing came within a day.")

    def _end(self, record: DecisionRecord, status: str, detail: str | None) -> None:
        self._decider.store.note_quantum(record.id, status, detail=detail)
        self.release_place()


def register_with(parts: ServiceParts) -> Callable[[DecisionRecord, dict[str, Any]], str]:
    """Return what registers experiments the way that every request of the service goes."""

    def register(record: DecisionRecord, content: dict[str, Any]) -> str:
        asked = NetworkRequest(specification=content[SPECIFICATION], files=content[FILES])
        before = parts.requests.find(principal=record.principal, route=ROUTE, idempotency_key=record.id)
        if before is not None:
            return before.experiment
        checked = parts.checkers.check(asked)
        key: str = checked["experiment"]
        if parts.is_anothers(Caller(principal=record.principal, scopes=frozenset()), key):
            raise _belongs_to_another()
        now = datetime.now(UTC).isoformat()
        new = NewRequest(
            id=f"r-{record.id}",
            principal=record.principal,
            route=ROUTE,
            idempotency_key=record.id,
            fingerprint=asked.fingerprint,
            experiment=key,
            learning=checked["learning"],
            specification=checked["specification"],
            labels=checked["labels"],
            content=checked["content"],
            circuit=checked["circuit"],
            answer=json.dumps({"decision": record.id, "experiment": key}),
            accepted_at=now,
        )
        try:
            parts.requests.accept(new, shared=parts.authenticator.is_open).result()
        except (OwnedByOther, KeyReused):
            raise _belongs_to_another() from None
        except StoreBusy as error:
            raise sqlite3.OperationalError("too many requests wait") from error
        parts.registrar.wake()
        return key

    return register


def progress_reader(parts: ServiceParts) -> Callable[..., Progress]:
    """Return what reads the progress of experiments from the lake and the ledger."""

    def read(experiment: str, *, ask_state: bool) -> Progress:
        if experiment not in parts.workspace.specifications:
            return Progress(found=(), ended=False)
        found = tuple(_measured(parts, experiment))
        ended = ask_state and parts.resources.experiment(experiment)["state"] in ("decided", "stopped", "refused")
        return Progress(found=found, ended=ended)

    return read


def _measured(parts: ServiceParts, experiment: str) -> Iterator[Found]:
    """Yield the best measured answer of each backend that was scored."""
    workspace = parts.workspace
    spec = workspace.specifications.load(experiment)
    for backend in spec.backends:
        execution = PartitionKey(experiment=experiment, backend=backend)
        tables = (schemas.SCORED_SOLUTIONS, schemas.POINT_SCORES)
        if not all(workspace.lake.exists(table, execution) for table in tables):
            continue
        solutions, points = (workspace.lake.read(table, execution).to_pylist() for table in tables)
        best = best_quantum_answer(family_named(spec.problem.family), solutions)
        if best is None:
            continue
        jobs = [
            job
            for job in workspace.control_plane.ledger.jobs(experiment=experiment)
            if job.requested_backend == backend
        ]
        costs = [job.cost_settled_usd if job.cost_settled_usd is not None else job.cost_usd for job in jobs]
        yield Found(
            source=backend,
            assignment=best.assignment,
            quantum=True,
            noise_like=bool(points) and all(point["noise_like"] for point in points),
            jobs=tuple(job.job_id for job in jobs),
            cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
        )


def _belongs_to_another() -> ProblemError:
    return _refusal(
        "Somebody else already has an experiment with exactly this specification.",
        "Change its name or its seed.",
    )


def _problem_gone() -> ProblemError:
    return _refusal("Its problem is no longer stored.", "Decide again.")


def _refusal(detail: str, remedy: str) -> ProblemError:
    return ProblemError(Problem(status=409, code="conflict", detail=detail, remedy=remedy))
