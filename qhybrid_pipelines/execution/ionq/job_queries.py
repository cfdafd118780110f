"""Polling jobs in bulk, page by page, and searching the listing for a token.

What the vendor says is read with care: one job with an odd word does not hide the others, and an empty list is not proof
that a job does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from qhybrid_pipelines.core.errors import (
    InvalidInput,
    ProviderError,
    Rejected,
    Throttled,
    Unavailable,
    UnknownProviderStatus,
)
from qhybrid_pipelines.core.jobs.circuit_jobs import JobRef, ListedJob, Snapshot, TokenListing
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.http.authorised_client import Params
from qhybrid_pipelines.execution.http.http_errors import ResourceNotFound
from qhybrid_pipelines.execution.ionq import NAME
from qhybrid_pipelines.execution.ionq.account_registry import AccountRegistry
from qhybrid_pipelines.execution.ionq.client import IonQClient
from qhybrid_pipelines.execution.ionq.payload import HOME_KEY, TOKEN_KEY
from qhybrid_pipelines.execution.ionq.prices import usd_per_unit
from qhybrid_pipelines.execution.port import calling
from qhybrid_pipelines.execution.time_limits import failed_by_time_limit

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

#: The format of a job's result: probabilities by circuit.
AGGREGATE = "ionq.result.probabilities-aggregate.json.v1"
#: Jobs per page: the published maximum.
PAGE_JOBS = 25
#: Pages of one poll that may fail before the others are left for the next one.
MAX_FAILED_PAGES = 2
#: Pages that a search for a token reads before it gives up; newest jobs come first.
MAX_PAGES = 400
#: A second job with the same token was accepted within so long of the first; beyond, a search reads no further.
DUPLICATE_WINDOW = timedelta(days=1)


def poll_jobs(client: IonQClient, refs: Sequence[JobRef], account_registry: AccountRegistry) -> list[Snapshot]:
    """Return a snapshot of each job: one request per 25 jobs, one more for each that has ended (its cost) or is not listed.

    Raises:
        UnknownProviderStatus: some job has a status that is in no table; ``seen`` holds the others' snapshots.
        ProviderError: a page or job could not be read; ``seen`` holds what was read.
    """
    wanted = list({ref.provider_job_id: ref for ref in refs}.values())
    found: dict[str, Snapshot] = {}
    problems: list[ProviderError] = []
    failed_pages = 0
    for first in range(0, len(wanted), PAGE_JOBS):
        chunk = wanted[first : first + PAGE_JOBS]
        try:
            listed = _listed(client, chunk)
        except ProviderError as error:
            problems.append(error)
            failed_pages += 1
            if isinstance(error, Throttled) or failed_pages == MAX_FAILED_PAGES:
                break  # a provider that is down or busy is not asked for the other pages as well
            continue
        for ref in chunk:
            try:
                with calling(ref.provider, "poll"):
                    found[ref.provider_job_id] = _snapshot(
                        client, ref, listed.get(ref.provider_job_id), account_registry
                    )
            except ProviderError as error:
                problems.append(error)
    if problems:
        worst = next((error for error in problems if isinstance(error, UnknownProviderStatus)), problems[0])
        worst.seen = tuple(found.values())
        raise worst
    return [found[ref.provider_job_id] for ref in refs]


def get_job(client: IonQClient, ref: JobRef) -> tuple[bytes, dict[str, Any]]:
    """Return a job as the provider shows it, as bytes and read.

    Raises:
        ResourceNotFound: the provider does not know it.
        ProviderError: no usable answer.
    """
    content, job = client.get("jobs", ref.provider_job_id)
    if not isinstance(job, dict) or job.get("id") != ref.provider_job_id or not isinstance(job.get("status"), str):
        raise Unavailable(f"the answer about job {ref.provider_job_id} is about something else")
    return content, job


def job_state(job: dict[str, Any], ref: JobRef) -> JobState:
    """Return what the vendor's word for a job's status means.

    Raises:
        UnknownProviderStatus: it is in no table.
    """
    try:
        return failed_by_time_limit(STATES[job["status"]], _failure(job))
    except KeyError:
        raise UnknownProviderStatus(
            f"job {ref.provider_job_id} has status {str(job['status'])[:40]!r}, which this adapter does not know; known "
            f"are {', '.join(STATES)}",
        ) from None


def list_child_pages(client: IonQClient, ref: JobRef, count: int) -> list[tuple[bytes, Any]]:
    """Return the pages that list the ``count`` circuits of a job, as bytes and read; a page may have any number of them."""
    params = [("parent_job_id", ref.provider_job_id)]
    return list(_pages(client, params, max_pages=count + 1))


def get_results(client: IonQClient, ref: JobRef, job: dict[str, Any]) -> bytes:
    """Return the probabilities of a finished job by circuit, as they came.

    Where the job names its results as artifacts (the interface of October 2026), they are fetched by id; elsewhere, and
    where the artifact cannot be found, under the older path.
    """
    results = job.get("results")
    artifact = results.get(AGGREGATE) if isinstance(results, dict) else None
    if isinstance(artifact, dict) and isinstance(artifact.get("id"), str):
        try:
            return client.get("jobs", ref.provider_job_id, "artifacts", artifact["id"])[0]
        except ResourceNotFound:
            pass
    return client.get("jobs", ref.provider_job_id, "results", "probabilities")[0]


def list_tokens(
    client: IonQClient,
    backend: str,
    tokens: Sequence[str],
    account_registry: AccountRegistry,
    *,
    known_jobs: Sequence[str] = (),
) -> TokenListing:
    """Return the listed jobs that carry some tokens, and the known jobs among those that were listed.

    The service has no search by metadata, so the list of a backend's jobs is read, newest first: one request per 25 jobs,
    however many tokens are looked for. Where nothing was sent yet (no ``known_jobs``), a list without end is read to its
    limit, and what lies behind that is not found; otherwise that is an error, because absence would prove nothing.

    Raises:
        Unavailable: the key is of another project, or the listing is empty although jobs are known, repeats itself, or
            does not end.
        ProviderError: no usable answer.
    """
    device = backend.partition(":")[2]
    wanted, known = set(tokens), set(known_jobs)
    matches: dict[str, list[dict[str, Any]]] = {}
    labelled: dict[str, tuple[ListedJob, ...]] = {}
    listed_ids: set[str] = set()
    empty = True
    pages = _pages(client, [("target", device)], max_pages=MAX_PAGES, must_end=bool(known))
    for number, (_, page) in enumerate(pages, start=1):
        jobs = [job for job in page["jobs"] if isinstance(job, dict)]
        empty = empty and not page["jobs"]
        listed_ids |= {job["id"] for job in jobs if isinstance(job.get("id"), str)}
        for job in jobs:
            token = _token(job, device)
            if token in wanted:
                matches.setdefault(token, []).append(job)
            elif token and (listed := _listed_job(job, backend)).home_id:
                labelled[token] = (*labelled.get(token, ()), listed)
        if wanted and wanted <= set(matches):
            far_back = _submitted_at(jobs) < min(map(_submitted_at, matches.values())) - DUPLICATE_WINDOW
            if far_back or number == MAX_PAGES:
                break
    for token in wanted - set(matches):
        _check_project(client, account_registry, token)
    if empty:
        _check_empty_listing(client, backend, account_registry)
    return TokenListing(
        jobs={
            token: tuple(_listed_job(job, backend) for job in sorted(jobs, key=lambda job: _submitted_at([job])))
            for token, jobs in matches.items()
        },
        known=frozenset(listed_ids & known),
        labelled=labelled,
    )


def _listed_job(job: dict[str, Any], backend: str) -> ListedJob:
    home_id = job["metadata"].get(HOME_KEY)
    ref = JobRef(provider=NAME, backend=backend, provider_job_id=job["id"])
    return ListedJob(ref=ref, home_id=home_id if isinstance(home_id, str) else "")


def _check_project(client: IonQClient, account_registry: AccountRegistry, token: str) -> None:
    """Check that the key's project is the one that sent a token, unless the token was never sent from here."""
    submitting_project = account_registry.get_project(client.url, token)
    if submitting_project is not None and (project := client.project()) != submitting_project:
        raise _another_project(project, submitting_project)


def absent_job_error(client: IonQClient, ref: JobRef, account_registry: AccountRegistry) -> Rejected:
    """Return the error for a job that the provider does not know.

    Raises:
        Unavailable: nobody can say that the key is of the project that the job belongs to.
    """
    submitting_project = account_registry.get_project(client.url, ref.provider_job_id)
    if (project := client.project()) != submitting_project or submitting_project is None:
        raise _another_project(project, submitting_project)
    return Rejected(f"the provider does not know job {ref.provider_job_id}")


def _submitted_at(jobs: Sequence[Any]) -> datetime:
    """Return when the oldest of some jobs was submitted; the end of time if none says so."""
    moments = [_parse_timestamp(job.get("submitted_at")) for job in jobs if isinstance(job, dict)]
    return min((moment for moment in moments if moment), default=datetime.max.replace(tzinfo=UTC))


def _another_project(project: str | None, submitting_project: str | None) -> Unavailable:
    return Unavailable(
        f"the provider does not show the job to project {project}; it was sent by project {submitting_project or 'unknown'}. Use a "
        "key of the project that sent it, or settle the job by hand.",
    )


def _check_empty_listing(client: IonQClient, backend: str, account_registry: AccountRegistry) -> None:
    """Raise unless an empty listing can be believed: a job that was accepted here before should be in it."""
    known = account_registry.last_accepted(client.url, backend)
    if known is None:
        return  # the account may be new
    try:
        client.get("jobs", known)
    except ResourceNotFound:
        return  # the provider has forgotten that one too: it was cleared, or is another one at the same address
    raise Unavailable(
        f"the listing is empty although the provider has job {known}; it says nothing about other jobs",
    )


def _token(job: dict[str, Any], device: str) -> str | None:
    """Return the token of a listed job; the circuits of a job repeat its metadata and are not it."""
    metadata = job.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(job.get("id"), str):
        return None
    if job.get("parent_job_id") is not None or job.get("backend") != device:
        return None
    token = metadata.get(TOKEN_KEY)
    return token if isinstance(token, str) else None


def _listed(client: IonQClient, refs: Sequence[JobRef]) -> dict[str, Any]:
    """Return the listed entries of some jobs by id; a listing may lag behind, so some can be missing."""
    params = [("ids", ref.provider_job_id) for ref in refs]
    wanted = {ref.provider_job_id for ref in refs}
    listed: dict[str, Any] = {}
    for _, page in _pages(client, params, max_pages=2):
        listed |= {job["id"]: job for job in page["jobs"] if isinstance(job, dict) and job.get("id") in wanted}
        if len(listed) == len(wanted):
            break
    return listed


def _pages(
    client: IonQClient, params: Params, *, max_pages: int, must_end: bool = False
) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Yield the pages of a listing.

    Args:
        client: asks.
        params: of the query.
        max_pages: no more are read.
        must_end: more pages than that are an error, because what is looked for may be on them.

    Raises:
        Unavailable: a page is not one, comes twice, or there are too many.
    """
    next_page: str | None = None
    known: set[str] = set()
    for _ in range(max_pages):
        more = [("next", next_page)] if next_page else []
        content, page = client.get("jobs", params=[*params, ("limit", str(PAGE_JOBS)), *more])
        if not isinstance(page, dict) or not isinstance(page.get("jobs"), list):
            raise Unavailable("the answer is not a list of jobs")
        yield content, page
        next_page = page.get("next")
        if not next_page:
            return
        if not isinstance(next_page, str) or next_page in known:
            raise Unavailable("the list of jobs repeats a page")
        known.add(next_page)
    if must_end:
        raise Unavailable(
            f"the list of jobs has more than {max_pages} pages, and the token is in none of them; settle the job by hand",
        )


def _snapshot(client: IonQClient, ref: JobRef, job: Any, account_registry: AccountRegistry) -> Snapshot:
    if job is None or not isinstance(job.get("status"), str):
        try:
            _, job = get_job(client, ref)
        except ResourceNotFound:
            message = str(absent_job_error(client, ref, account_registry))
            return Snapshot(ref=ref, state=JobState.FAILED, raw_status=LOST, message=message)
    state = job_state(job, ref)
    return Snapshot(
        ref=ref,
        state=state,
        raw_status=job["status"],
        submitted_at=_parse_timestamp(job.get("submitted_at")),
        started_at=_parse_timestamp(job.get("started_at")),
        completed_at=_parse_timestamp(job.get("completed_at")),
        cost_usd=_cost_usd(client, ref) if state in ENDED else None,
        message=_failure(job) if state is JobState.FAILED else None,
    )


def _cost_usd(client: IonQClient, ref: JobRef) -> float | None:
    """Return what a job cost, None where the provider does not say; then the quote counts."""
    try:
        _, answer = client.get("jobs", ref.provider_job_id, "cost")
    except ProviderError:
        return None
    cost = answer.get("cost") if isinstance(answer, dict) else None
    if not isinstance(cost, dict):
        return None
    try:
        usd = usd_per_unit(cost.get("unit"))
    except InvalidInput:  # a setting that cannot be read hides no job; the next price to be asked for names it
        return None
    value = cost.get("value")
    if usd is None or not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < float("inf"):
        return None
    return float(value) * usd


def _failure(job: dict[str, Any]) -> str:
    failure = job.get("failure")
    if isinstance(failure, str) and failure:
        return failure
    if not isinstance(failure, dict):
        return "the provider gives no reason"
    words = [str(failure[key]) for key in ("code", "message", "error") if failure.get(key)]
    return ": ".join(words) or "the provider gives no reason"


def _parse_timestamp(text: Any) -> datetime | None:
    """Return a vendor's timestamp; one without a zone is UTC, one that cannot be read counts as missing."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None
