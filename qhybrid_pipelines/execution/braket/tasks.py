"""Polling tasks, and searching them for a token.

A search shows ten named tasks at once, but neither why one failed nor where it is in the queue, and it may lag: what it lacks is
asked for task by task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qhybrid_pipelines.core.errors import ProviderError, Throttled, UnknownProviderStatus
from qhybrid_pipelines.core.jobs.circuit_jobs import JobRef, Snapshot
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.braket import NAME
from qhybrid_pipelines.execution.braket.decoding import has_results
from qhybrid_pipelines.execution.braket.devices import Devices, device_arn, read_time, region_of
from qhybrid_pipelines.execution.braket.payload import TOKEN_TAG
from qhybrid_pipelines.execution.poll_one_by_one import poll_each
from qhybrid_pipelines.execution.time_limits import failed_by_time_limit

#: The vendor's words. One that is being cancelled may still complete.
STATES = {
    "CREATED": JobState.SUBMITTED,
    "QUEUED": JobState.QUEUED,
    "RUNNING": JobState.RUNNING,
    "CANCELLING": JobState.RUNNING,
    "COMPLETED": JobState.COMPLETED,
    "FAILED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
}
ENDED = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})
#: Values of one filter, the published maximum.
SEARCHED_TOGETHER = 10


def poll_tasks(devices: Devices, refs: Sequence[JobRef]) -> list[Snapshot]:
    """Return the state of each task: one request for ten, and one for each that has failed or that the search lacks.

    Raises:
        UnknownProviderStatus: some task has a status that is in no table; ``seen`` holds the others' snapshots.
        ProviderError: some could not be asked about; ``seen`` holds what was read.
    """
    listed: dict[str, Mapping[str, Any]] = {}
    wanted = list({ref.provider_job_id: ref for ref in refs}.values())
    if len(wanted) > 1:
        for region in sorted({region_of(ref.provider_job_id) for ref in wanted if is_arn(ref)}):
            arns = [ref.provider_job_id for ref in wanted if is_arn(ref) and region_of(ref.provider_job_id) == region]
            listed |= _search(devices, region, arns)

    def poll_one(ref: JobRef) -> Snapshot:
        found = listed.get(ref.provider_job_id)
        if found is not None and found.get("status") != "FAILED":
            return snapshot(found, ref)
        return snapshot(task_status(devices, ref, with_queue=True)[1], ref)

    found = {one.ref.provider_job_id: one for one in poll_each(wanted, poll_one)}
    return [found[ref.provider_job_id] for ref in refs]


def task_status(devices: Devices, ref: JobRef, *, with_queue: bool = False) -> tuple[bytes, dict[str, Any]]:
    """Return what the service says about a task, as bytes and as JSON.

    Raises:
        ResourceNotFound: it does not know the task.
        ProviderError: no usable answer.
    """
    if not is_arn(ref):
        raise ProviderError(f"{ref.provider_job_id!r} is not the ARN of a task")
    return devices.client(region_of(ref.provider_job_id)).task(ref.provider_job_id, with_queue=with_queue)


def snapshot(task: Mapping[str, Any], ref: JobRef) -> Snapshot:
    """Return what is said of a task. Raises `UnknownProviderStatus` for a word that is in no table."""
    said, failure = task.get("status"), task.get("failureReason")
    state = STATES.get(said) if isinstance(said, str) else None
    if state is None:
        raise UnknownProviderStatus(
            f"task {ref.provider_job_id} has status {str(said)[:40]!r}, which this adapter does not know; known are "
            f"{', '.join(STATES)}"
        )
    reason = failure if isinstance(failure, str) and failure else "the provider gives no reason"
    state = JobState.COMPLETED if has_results(task) else failed_by_time_limit(state, reason)
    queue = task.get("queueInfo")
    position = queue.get("position") if isinstance(queue, dict) else None
    message = reason if state is JobState.FAILED else None
    if state is JobState.QUEUED and position:
        message = f"position {position} in the queue"
    return Snapshot(
        ref=ref,
        state=state,
        raw_status=str(said),
        submitted_at=read_time(task.get("createdAt")),
        completed_at=read_time(task.get("endedAt")) if state in ENDED else None,
        message=message,
    )


def find(devices: Devices, backend: str, token: str) -> JobRef | None:
    """Return the oldest task of a device that carries a token in its tags, or None where none is listed."""
    arn = device_arn(backend)
    filters = [{"name": "deviceArn", "operator": "EQUAL", "values": [arn]}]
    found = [
        (str(task.get("createdAt")), task["quantumTaskArn"])
        for task in devices.client(region_of(arn)).search_tasks(filters)
        if (task.get("tags") or {}).get(TOKEN_TAG) == token and task.get("deviceArn") == arn
    ]
    return JobRef(provider=NAME, backend=backend, provider_job_id=min(found)[1]) if found else None


def _search(devices: Devices, region: str, arns: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Return what a search says of some tasks, by ARN; nothing where it fails, for they can be asked about one by one."""
    found: dict[str, Mapping[str, Any]] = {}
    for first in range(0, len(arns), SEARCHED_TOGETHER):
        some = list(arns[first : first + SEARCHED_TOGETHER])
        filters = [{"name": "quantumTaskArn", "operator": "EQUAL", "values": some}]
        try:
            found |= {task["quantumTaskArn"]: task for task in devices.client(region).search_tasks(filters)}
        except Throttled:
            raise
        except ProviderError:
            return found
    return found


def is_arn(ref: JobRef) -> bool:
    """Return whether a job's id can be asked about: it says the region."""
    return ref.provider_job_id.count(":") >= 5 and ref.provider_job_id.startswith("arn:")
