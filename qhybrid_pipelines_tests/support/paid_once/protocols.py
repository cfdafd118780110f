"""What a submitting process does until it is killed: ours, and the naive protocol as the negative control."""

from __future__ import annotations

import os
import random
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from qhybrid_pipelines.control.home_identity import HomeGuard
from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.jobs.job_ids import job_id_for
from qhybrid_pipelines.control.ledger.lifecycle import is_settled
from qhybrid_pipelines.control.ledger.port import StaleJob
from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.errors import ProviderError, Refused
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.jobs.sub_batches import SubBatch
from qhybrid_pipelines.core.system.clock import SYSTEM_CLOCK, Clock
from qhybrid_pipelines_tests.support.paid_once.named_places import is_unwanted
from qhybrid_pipelines_tests.support.paid_once.provider_setups import ProviderSetup, make_dispatcher, number_of

DONE, TRY_AGAIN = 0, 75
BUDGET_USD = 1000.0
PERSON = "ada"
#: Of whoever wants a job back: asks for it, or notes the wish for a daemon's round, or for whoever submits.
WAYS_TO_ASK = ("cancel", "poll", "submit")
#: Looks at one job before a process leaves it to the next one.
POLLS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """Where a process works.

    Attributes:
        setup: requests and provider.
        ledger: of its home.
        clock: of its machine.
        guard: knows whether its home is the one that it says it is; None where nobody asks.
        has_cancellations: somebody wants the jobs of every second request back.
        asks: how, one of `WAYS_TO_ASK`; by chance where it is None.
    """

    setup: ProviderSetup
    ledger: SqlLedger
    clock: Clock = SYSTEM_CLOCK
    guard: HomeGuard | None = None
    has_cancellations: bool = False
    asks: str | None = None


Worker = Callable[[Life, Sequence[int], Callable[[int], None]], int]


def ledger_protocol(life: Life, todo: Sequence[int], began: Callable[[int], None]) -> int:
    """Submit, watch and collect each request; one that a fault holds up is left for the next process."""
    setup, end = life.setup, DONE
    dispatcher = make_dispatcher(setup, life.ledger, clock=life.clock, guard=life.guard)
    for number in todo:
        began(number)
        sub_batches = setup.requests[number]
        try:
            is_wanted_back = life.has_cancellations and is_unwanted(number)
            if is_wanted_back:
                _go_on_cancelling(dispatcher, sub_batches, life.asks)
            jobs = dispatcher.submit_all(sub_batches, SubmitRequest(tier="batch", budget_usd=BUDGET_USD))
            if is_wanted_back:
                jobs = [dispatcher.decisions.cancel(job.job_id, by=PERSON) for job in jobs]
            for sub_batch, job in zip(sub_batches, jobs, strict=True):
                for _ in range(POLLS):
                    if is_settled(job) or job.state is JobState.SUBMIT_UNKNOWN:
                        break
                    [job] = dispatcher.poll([job])  # noqa: PLW2901 - it stands otherwise now
                    time.sleep(0.0 if is_settled(job) else 0.002)
                if job.state not in (JobState.SUBMIT_UNKNOWN, JobState.CANCELLED):
                    dispatcher.collect(job.job_id, sub_batch.batch)
            dispatcher.expire_due()
        except (ProviderError, StaleJob, Refused):  # refused by a clock, or by a person's home
            end = TRY_AGAIN
    return end


def _go_on_cancelling(dispatcher: Dispatcher, sub_batches: Sequence[SubBatch], how: str | None) -> None:
    """Ask once more for what a process before may have died over; or note the wish, for a daemon's round or for whoever submits."""
    ids = {job_id_for(sub_batch.batch) for sub_batch in sub_batches}
    planned = [job for job in dispatcher.ledger.jobs() if job.job_id in ids]
    how = how or random.Random(os.getpid()).choice(WAYS_TO_ASK)
    if how == "cancel":
        for job in planned:
            dispatcher.decisions.cancel(job.job_id, by=PERSON)
        return
    dispatcher.decisions.intend_cancel(planned, by=PERSON)
    if how == "poll":
        dispatcher.poll_due()


def naive_protocol(life: Life, todo: Sequence[int], began: Callable[[int], None]) -> int:
    """Submit, then note the id; what has no note is submitted."""
    setup, end = life.setup, DONE
    provider = setup.provider()
    for number in todo:
        began(number)
        for sub_batch in setup.requests[number]:
            try:
                if not note_path(setup, sub_batch).exists():
                    _write(
                        note_path(setup, sub_batch), provider.submit(sub_batch.batch, uuid.uuid4().hex).provider_job_id
                    )
            except ProviderError:
                end = TRY_AGAIN
    return end


def note_path(setup: ProviderSetup, sub_batch: SubBatch) -> Path:
    """Return where the naive protocol notes an id."""
    return setup.home / "noted" / str(number_of(sub_batch.batch))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


PROTOCOLS: dict[str, Worker] = {"ours": ledger_protocol, "naive": naive_protocol}
