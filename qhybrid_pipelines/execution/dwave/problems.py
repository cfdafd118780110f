"""Polling problems in bulk by their ids, and searching them for a token.

What the vendor says is read with care: one unknown id refuses a bulk poll as a whole, a search for a label also finds longer labels
that contain it, and an empty list does not prove that a problem does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from qhybrid_pipelines.core.errors import ProviderError, Throttled, Unavailable, UnknownProviderStatus
from qhybrid_pipelines.core.jobs.circuit_jobs import JobRef, ListedJob, Snapshot, TokenListing
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.execution.dwave import NAME
from qhybrid_pipelines.execution.dwave.client import SapiClient
from qhybrid_pipelines.execution.dwave.payload import read_label
from qhybrid_pipelines.execution.dwave.solvers import solver_name
from qhybrid_pipelines.execution.http.http_errors import ResourceNotFound
from qhybrid_pipelines.execution.port import calling
from qhybrid_pipelines.execution.time_limits import failed_by_time_limit

#: The vendor's words.
STATES = {
    "PENDING": JobState.QUEUED,
    "IN_PROGRESS": JobState.RUNNING,
    "COMPLETED": JobState.COMPLETED,
    "FAILED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
}
ENDED = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})
LOST = "lost"

#: Problems of one poll: as many as keep the address below the published 8 KB.
POLLED_TOGETHER = 100
#: Polls of many that may fail before the others are left for the next one.
MAX_FAILED_POLLS = 2
#: Problems of one list: the published maximum. There is no further page.
LISTED_TOGETHER = 1000


def poll_problems(client: SapiClient, refs: Sequence[JobRef]) -> list[Snapshot]:
    """Return the state of each problem: one request per 100 problems, without what they cost.

    A problem that is unknown while another of ours is known counts as lost; where none is known, the token may be another account's.

    Raises:
        UnknownProviderStatus: some problem has a status that is in no table; ``seen`` holds the others' snapshots.
        ProviderError: some could not be asked about; ``seen`` holds what was read.
    """
    wanted = list({ref.provider_job_id: ref for ref in refs}.values())
    found: dict[str, Snapshot] = {}
    unknown: list[JobRef] = []
    problems: list[ProviderError] = []
    failed = 0
    for first in range(0, len(wanted), POLLED_TOGETHER):
        chunk = wanted[first : first + POLLED_TOGETHER]
        try:
            statuses = _statuses(client, chunk, unknown)
        except ProviderError as error:
            problems.append(error)
            failed += 1
            if isinstance(error, Throttled) or failed == MAX_FAILED_POLLS:
                break  # a provider that is down or busy is not asked about the others as well
            continue
        for ref in chunk:
            if ref.provider_job_id in statuses:
                try:
                    with calling(ref.provider, "poll"):
                        found[ref.provider_job_id] = snapshot(statuses[ref.provider_job_id], ref)
                except ProviderError as error:
                    problems.append(error)
    for ref in unknown:
        if found:
            message = f"the service does not know problem {ref.provider_job_id}, and knows others of this account"
            found[ref.provider_job_id] = Snapshot(ref=ref, state=JobState.FAILED, raw_status=LOST, message=message)
        else:
            problems.append(_unknown_problem(ref))
    if problems:
        worst = next((error for error in problems if isinstance(error, UnknownProviderStatus)), problems[0])
        worst.seen = tuple(found.values())
        raise worst
    return [found[ref.provider_job_id] for ref in refs]


def problem_status(client: SapiClient, ref: JobRef) -> dict[str, Any]:
    """Return a problem as the service shows it now.

    Raises:
        ResourceNotFound: the service does not know it.
        ProviderError: no usable answer.
    """
    _, found = client.get("problem", "problems", ref.provider_job_id, params=[("timeout", "0")])
    if not isinstance(found, dict) or found.get("id") != ref.provider_job_id:
        raise Unavailable(f"the answer about problem {ref.provider_job_id} is about something else")
    return found


def snapshot(status: Mapping[str, Any], ref: JobRef) -> Snapshot:
    """Return what a status says. Raises `UnknownProviderStatus` for a word that is in no table."""
    said, failure = status.get("status"), _failure(status)
    state = STATES.get(said) if isinstance(said, str) else None
    if state is None:
        raise UnknownProviderStatus(
            f"problem {ref.provider_job_id} has status {str(said)[:40]!r}, which this adapter does not know; known are "
            f"{', '.join(STATES)}"
        )
    state = failed_by_time_limit(state, failure)
    return Snapshot(
        ref=ref,
        state=state,
        raw_status=str(said),
        submitted_at=_parse_timestamp(status.get("submitted_on")),
        completed_at=_parse_timestamp(status.get("solved_on")) if state in ENDED else None,
        message=failure if state is JobState.FAILED else None,
    )


def list_tokens(
    client: SapiClient, backend: str, tokens: Sequence[str], *, known_jobs: Sequence[str] = ()
) -> TokenListing:
    """Return the listed problems of a solver that carry some tokens, and the known ones among those that were listed.

    The newest 1000 come with one request, for all tokens together; where there are more, each token that is not among them is
    searched for by itself.

    Raises:
        Unavailable: the list is empty although problems are known, or it is full and shows none of them.
        ProviderError: no usable answer.
    """
    solver = solver_name(backend)
    newest = _listed(client, solver)
    ids = {entry["id"] for entry in newest}
    known = frozenset(known_jobs) & ids
    is_whole = len(newest) < LISTED_TOGETHER
    if known_jobs and not newest:
        raise Unavailable(
            f"the list of problems on {solver} is empty, although some were accepted; is it another account's token?"
        )
    if known_jobs and not is_whole and not known:
        raise Unavailable(
            f"the newest {LISTED_TOGETHER} problems on {solver} show none of ours, so that absence proves nothing"
        )
    entries = {entry["id"]: entry for entry in newest}
    if not is_whole:
        seen = {label[0] for entry in newest if (label := read_label(entry.get("label")))}
        for token in tokens:
            if token not in seen:
                entries |= {entry["id"]: entry for entry in _listed(client, solver, label=token)}
    by_token: dict[str, list[ListedJob]] = {}
    for entry in sorted(entries.values(), key=lambda one: str(one.get("submitted_on"))):
        if label := read_label(entry.get("label")):
            ref = JobRef(provider=NAME, backend=backend, provider_job_id=entry["id"])
            by_token.setdefault(label[0], []).append(ListedJob(ref=ref, home_id=label[1]))
    return TokenListing(
        jobs={token: tuple(by_token[token]) for token in tokens if token in by_token},
        known=known,
        labelled={
            token: tuple(job for job in jobs if job.home_id)
            for token, jobs in by_token.items()
            if any(job.home_id for job in jobs)
        },
    )


def _statuses(client: SapiClient, refs: Sequence[JobRef], unknown: list[JobRef]) -> dict[str, dict[str, Any]]:
    """Return the statuses of some problems by id; those that the service does not know are added to ``unknown``."""
    ids = ",".join(ref.provider_job_id for ref in refs)
    try:
        _, answer = client.get("problems", "problems", params=[("id", ids), ("timeout", "0")])
    except ResourceNotFound:  # one of them is unknown, and nothing is said about the others
        found = {}
        for ref in refs:
            try:
                found[ref.provider_job_id] = problem_status(client, ref)
            except ResourceNotFound:
                unknown.append(ref)
        return found
    if not isinstance(answer, list):
        raise Unavailable("the answer is not a list of problems")
    statuses = {entry["id"]: entry for entry in answer if isinstance(entry, dict) and isinstance(entry.get("id"), str)}
    missing = [ref for ref in refs if ref.provider_job_id not in statuses]
    if missing:
        raise Unavailable(f"the answer says nothing about problem {missing[0].provider_job_id}")
    return statuses


def _listed(client: SapiClient, solver: str, *, label: str | None = None) -> list[dict[str, Any]]:
    """Return problems of a solver, newest first; a label narrows them to those that contain it."""
    params = [("solver", solver), ("max_results", str(LISTED_TOGETHER))] + ([("label", label)] if label else [])
    _, answer = client.get("problems", "problems", params=params)
    if not isinstance(answer, list) or not all(
        isinstance(one, dict) and isinstance(one.get("id"), str) for one in answer
    ):
        raise Unavailable("the answer is not a list of problems")
    return [one for one in answer if _solver_of(one) == solver]


def _solver_of(entry: Mapping[str, Any]) -> object:
    solver = entry.get("solver")
    return solver.get("name") if isinstance(solver, dict) else solver


def _unknown_problem(ref: JobRef) -> Unavailable:
    return Unavailable(
        f"the service does not know problem {ref.provider_job_id}, nor another of ours; is the token another account's?"
    )


def _failure(status: Mapping[str, Any]) -> str:
    reason = status.get("error_message")
    return reason if isinstance(reason, str) and reason else "the provider gives no reason"


def _parse_timestamp(text: Any) -> datetime | None:
    """Return a vendor's timestamp; one without a zone is UTC, one that cannot be read counts as missing."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None
