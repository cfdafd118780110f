"""Sending a job's work once more: to another backend, or again to the same one."""

from __future__ import annotations

from dataclasses import replace

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.control.jobs.admission import SubmitRequest
from qhybrid_pipelines.control.ledger.lifecycle import ENDED_WITHOUT_RESULT
from qhybrid_pipelines.control.ledger.port import JobRecord
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.steps.on_demand.stored_batches import find_sub_batch
from qhybrid_pipelines.storage.lake import Lake
from qhybrid_pipelines.storage.specifications import Specifications


def reroute(
    job: JobRecord,
    backend: str,
    dispatcher: Dispatcher,
    lake: Lake,
    specifications: Specifications,
    *,
    by: str | None = None,
) -> JobRecord:
    """Take a job's work to another backend and return the job as it stands.

    Args:
        job: as it was read.
        backend: where its work shall go.
        dispatcher: takes it there.
        lake: has its circuits.
        specifications: the register.
        by: who asks; the default is the site's principal.

    Raises:
        InvalidInput: it is there already.
        IllegalTransition: the job has ended, or nobody knows whether its provider has it.
    """
    elsewhere = replace(find_sub_batch(job, dispatcher, lake, specifications).batch, backend=backend)
    return dispatcher.decisions.reroute(job.job_id, elsewhere, reason="a person asked for it", principal=by)


def fetch(job: JobRecord, dispatcher: Dispatcher, lake: Lake, specifications: Specifications) -> JobRecord:
    """Ask a job's provider for its result once more, which is free, and return the job as it stands.

    Raises:
        InvalidInput: no provider ever had the job.
        JobFailed: the provider has no result of it.
        ProviderError: the result is not whole yet, or the provider could not be reached.
    """
    return dispatcher.fetch_again(job.job_id, find_sub_batch(job, dispatcher, lake, specifications).batch)


def retry(job: JobRecord, dispatcher: Dispatcher, lake: Lake, specifications: Specifications) -> JobRecord:
    """Run the work of a job that ended without a result again, as a new job, and return that one.

    A job whose result is refused is given up by that: whoever asks for it pays a second time.

    Raises:
        InvalidInput: the job has a result, has not ended, or has been run again already.
    """
    sub_batch = find_sub_batch(job, dispatcher, lake, specifications)
    newest = dispatcher.latest_job(sub_batch.batch)
    if newest is not None and newest.job_id != job.job_id:
        raise InvalidInput(
            f"the work of job {job.job_id} was taken over by {newest.job_id}",
            remedy=f"`qhybrid jobs show {newest.job_id}` says how that went.",
        )
    if job.has_doubted_result:
        job = dispatcher.decisions.give_up_result(job.job_id)
    if job.state not in ENDED_WITHOUT_RESULT:
        raise InvalidInput(
            f"job {job.job_id} is {job.state}; only jobs that ended without a result are run again",
            remedy=f"`qhybrid jobs show {job.job_id}` says what can be done.",
        )
    spec = specifications.load_any(job.experiment)
    [again] = dispatcher.submit_all(
        [sub_batch],
        SubmitRequest(
            tier=spec.tier,
            budget_usd=spec.budget.usd,
            repeat=True,
            data_class=spec.data_class,
            priority=job.priority,
        ),
    )
    return again
