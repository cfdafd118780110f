"""Looking at jobs: in bulk by pages of the listing, and searching them for a token.

What the vendor says is read with care: one job with an odd word does not hide the others, and an empty list is no proof
that a job does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from qhybrid_pipelines.core.errors import ProviderError, Rejected, Unavailable, UnknownProviderStatus
from qhybrid_pipelines.core.jobs import JobRef, JobState, Snapshot
from qhybrid_pipelines.execution.credentials import redact
from qhybrid_pipelines.execution.ionq import NAME
from qhybrid_pipelines.execution.ionq.account_registry import Witness
from qhybrid_pipelines.execution.ionq.client import IonQClient, NotThere, Params
from qhybrid_pipelines.execution.ionq.payload import TOKEN_KEY

#: The vendor's words. "started" may mean that only some of a job's circuits have run.
STATES = {
    "submitted": JobState.SUBMITTED,
    "ready": JobState.QUEUED,
    "started": JobState.RUNNING,
    "completed": JobState.COMPLETED,
    "failed": JobState.FAILED,
    "canceled": JobState.CANCELLED,
}
ENDED = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})
LOST = "lost"

#: Jobs per page: the published maximum.
PAGE_JOBS = 25
#: Pages that a search for a token reads before it gives up; newest jobs come first.
MOST_PAGES = 400
#: A second job with the same token was accepted within so long of the first; beyond, a search reads no further.
TWINS_APART = timedelta(days=1)


def look(client: IonQClient, refs: Sequence[JobRef], witness: Witness) -> list[Snapshot]:
    """Return a snapshot of each job: one request per 25 jobs, one more for each that has ended (its cost) or is not listed.

    Raises:
        UnknownProviderStatus: some job has a status that is in no table; ``seen`` holds the others' snapshots.
        ProviderError: a page or job could not be read; ``seen`` holds what was read.
    """
    wanted = list({ref.provider_job_id: ref for ref in refs}.values())
    found: dict[str, Snapshot] = {}
    problems: list[ProviderError] = []
    for first in range(0, len(wanted), PAGE_JOBS):
        chunk = wanted[first : first + PAGE_JOBS]
        try:
            listed = _listed(client, chunk)
        except ProviderError as error:
            problems.append(error)
            break  # a provider that is down or busy is not asked for the other pages as well
        for ref in chunk:
            try:
                found[ref.provider_job_id] = _snapshot(client, ref, listed.get(ref.provider_job_id), witness)
            except ProviderError as error:
                problems.append(error)
    if problems:
        worst = next((error for error in problems if isinstance(error, UnknownProviderStatus)), problems[0])
        worst.seen = tuple(found.values())
        raise worst
    return [found[ref.provider_job_id] for ref in refs]


def look_at(client: IonQClient, ref: JobRef, *, phase: str) -> tuple[bytes, dict[str, Any]]:
    """Return a job as the provider shows it, as bytes and read.

    Raises:
        NotThere: the provider does not know it.
        ProviderError: no usable answer.
    """
    content, job = client.get("jobs", ref.provider_job_id, phase=phase)
    if not isinstance(job, dict) or job.get("id") != ref.provider_job_id or not isinstance(job.get("status"), str):
        raise Unavailable(
            f"the answer about job {ref.provider_job_id} is about something else", provider=NAME, phase=phase
        )
    return content, job


def state_of(job: dict[str, Any], ref: JobRef, *, phase: str) -> JobState:
    """Return what the vendor's word for a job's status means.

    Raises:
        UnknownProviderStatus: it is in no table.
    """
    try:
        return STATES[job["status"]]
    except KeyError:
        raise UnknownProviderStatus(
            f"job {ref.provider_job_id} has status {str(job['status'])[:40]!r}, which this adapter does not know; known "
            f"are {', '.join(STATES)}",
            provider=NAME,
            phase=phase,
        ) from None


def children(client: IonQClient, ref: JobRef, count: int) -> list[tuple[bytes, Any]]:
    """Return the pages that list the ``count`` circuits of a job, as bytes and read."""
    params = [("parent_job_id", ref.provider_job_id)]
    most = -(-count // PAGE_JOBS) + 1
    return list(_pages(client, params, phase="fetch", most=most))


def find(client: IonQClient, backend: str, token: str, witness: Witness) -> JobRef | None:
    """Return the oldest listed job that carries a token, None when the listing works and has none.

    Raises:
        Unavailable: the key is of another project, or the listing is empty although jobs are known, repeats itself, or
            does not end.
        ProviderError: no usable answer.
    """
    device = backend.partition(":")[2]
    empty = True
    carriers: list[dict[str, Any]] = []
    pages = _pages(client, [("target", device)], phase="find", most=MOST_PAGES)
    for number, (_, page) in enumerate(pages, start=1):
        jobs = page["jobs"]
        empty = empty and not jobs
        carriers += [job for job in jobs if _carries(job, token, device)]
        far_back = _submitted_at(jobs) < _submitted_at(carriers) - TWINS_APART
        if carriers and (far_back or number == MOST_PAGES):
            break
    if carriers:
        oldest = min(carriers, key=lambda job: _submitted_at([job]))
        return JobRef(provider=NAME, backend=backend, provider_job_id=oldest["id"])
    sent_by = witness.project_of(client.url, token)
    if (project := client.project(phase="find")) != sent_by and sent_by is not None:
        raise _another_project(project, sent_by, phase="find")
    if empty:
        _prove_empty(client, backend, witness)
    return None


def absent(client: IonQClient, ref: JobRef, witness: Witness, *, phase: str) -> Rejected:
    """Return the error for a job that the provider does not know.

    Raises:
        Unavailable: nobody can say that the key is of the project that the job belongs to.
    """
    sent_by = witness.project_of(client.url, ref.provider_job_id)
    if (project := client.project(phase=phase)) != sent_by or sent_by is None:
        raise _another_project(project, sent_by, phase=phase)
    return Rejected(f"the provider does not know job {ref.provider_job_id}", provider=NAME, phase=phase)


def _submitted_at(jobs: Sequence[Any]) -> datetime:
    """Return when the oldest of some jobs was submitted; the end of time if none says so."""
    moments = [_moment(job.get("submitted_at")) for job in jobs if isinstance(job, dict)]
    return min((moment for moment in moments if moment), default=datetime.max.replace(tzinfo=UTC))


def _another_project(project: str | None, sent_by: str | None, *, phase: str) -> Unavailable:
    return Unavailable(
        f"the provider does not show the job to project {project}; it was sent by project {sent_by or 'unknown'}. Use a "
        "key of the project that sent it, or settle the job by hand.",
        provider=NAME,
        phase=phase,
    )


def _prove_empty(client: IonQClient, backend: str, witness: Witness) -> None:
    """Raise unless an empty listing can be believed: a job that was accepted here before should be in it."""
    known = witness.last_accepted(client.url, backend)
    if known is None:
        return  # the account may be new
    try:
        client.get("jobs", known, phase="find")
    except NotThere:
        return  # the provider has forgotten that one too: it was cleared, or is another one at the same address
    raise Unavailable(
        f"the listing is empty although the provider has job {known}; it says nothing about other jobs",
        provider=NAME,
        phase="find",
    )


def _carries(job: Any, token: str, device: str) -> bool:
    """Tell whether a listed job is the one with the token; the circuits of a job repeat its metadata and are not it."""
    if not isinstance(job, dict) or not isinstance(job.get("id"), str):
        return False
    metadata = job.get("metadata")
    own = isinstance(metadata, dict) and metadata.get(TOKEN_KEY) == token
    return own and job.get("parent_job_id") is None and job.get("backend") == device


def _listed(client: IonQClient, refs: Sequence[JobRef]) -> dict[str, Any]:
    """Return the listed entries of some jobs by id; a listing may lag behind, so some can be missing."""
    params = [("ids", ref.provider_job_id) for ref in refs]
    wanted = {ref.provider_job_id for ref in refs}
    listed: dict[str, Any] = {}
    for _, page in _pages(client, params, phase="poll", most=2):
        listed |= {job["id"]: job for job in page["jobs"] if isinstance(job, dict) and job.get("id") in wanted}
        if len(listed) == len(wanted):
            break
    return listed


def _pages(client: IonQClient, params: Params, *, phase: str, most: int) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Yield the pages of a listing.

    Raises:
        Unavailable: a page is none, comes twice, or there are more than ``most`` (in a search only).
    """
    following: str | None = None
    known: set[str] = set()
    for _ in range(most):
        more = [("next", following)] if following else []
        content, page = client.get("jobs", phase=phase, params=[*params, ("limit", str(PAGE_JOBS)), *more])
        if not isinstance(page, dict) or not isinstance(page.get("jobs"), list):
            raise Unavailable("the answer is no list of jobs", provider=NAME, phase=phase)
        yield content, page
        following = page.get("next")
        if not following:
            return
        if not isinstance(following, str) or following in known:
            raise Unavailable("the list of jobs repeats a page", provider=NAME, phase=phase)
        known.add(following)
    if phase == "find":
        raise Unavailable(
            f"the list of jobs has more than {most} pages, and the token is in none of them; settle the job by hand",
            provider=NAME,
            phase=phase,
        )


def _snapshot(client: IonQClient, ref: JobRef, job: Any, witness: Witness) -> Snapshot:
    if job is None or not isinstance(job.get("status"), str):
        try:
            _, job = look_at(client, ref, phase="poll")
        except NotThere:
            message = str(absent(client, ref, witness, phase="poll"))
            return Snapshot(ref=ref, state=JobState.FAILED, raw_status=LOST, message=message)
    state = state_of(job, ref, phase="poll")
    return Snapshot(
        ref=ref,
        state=state,
        raw_status=job["status"],
        submitted_at=_moment(job.get("submitted_at")),
        started_at=_moment(job.get("started_at")),
        completed_at=_moment(job.get("completed_at")),
        cost_usd=_cost_usd(client, ref) if state in ENDED else None,
        message=_failure(job) if state is JobState.FAILED else None,
    )


def _cost_usd(client: IonQClient, ref: JobRef) -> float | None:
    """Return what a job cost, None where the provider does not say; then the quote stands."""
    try:
        _, answer = client.get("jobs", ref.provider_job_id, "cost", phase="poll")
    except ProviderError:
        return None
    cost = answer.get("cost") if isinstance(answer, dict) else None
    if not isinstance(cost, dict) or str(cost.get("unit")).lower() != "usd":
        return None
    value = cost.get("value")
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < float("inf"):
        return None
    return float(value)


def _failure(job: dict[str, Any]) -> str:
    failure = job.get("failure")
    if not isinstance(failure, dict):
        return "the provider gives no reason"
    words = [str(failure[key]) for key in ("code", "message", "error") if failure.get(key)]
    return redact(re.sub(r"\s+", " ", ": ".join(words)))[:500] or "the provider gives no reason"


def _moment(text: Any) -> datetime | None:
    """Return a vendor's timestamp; one without a zone is UTC, one that cannot be read is none."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
