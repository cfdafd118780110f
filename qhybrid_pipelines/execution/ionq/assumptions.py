"""The facts about IonQ's service that this adapter was written for, looked up in its raw answers.

Free facts cost nothing: lists, estimates, refusals. Facts about one finished job are read from the job that somebody has paid
for. Names of fields and the types of values are told, their contents only where they are not secret: no key, no id of a
project or person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from qhybrid_pipelines.core.errors import CorruptResult, ProviderError
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch, JobRef, RawResult
from qhybrid_pipelines.execution.adapter_assumptions import Fact, compare, require, unknown
from qhybrid_pipelines.execution.http.authorised_client import Params
from qhybrid_pipelines.execution.http.http_errors import ResourceNotFound
from qhybrid_pipelines.execution.ionq import decoding, job_queries
from qhybrid_pipelines.execution.ionq.client import IonQClient
from qhybrid_pipelines.execution.ionq.job_queries import AGGREGATE, PAGE_JOBS, STATES
from qhybrid_pipelines.execution.ionq.payload import JOB_TYPE, SIMULATOR, TOKEN_KEY, circuit_names

BACKEND_STATES = ("available", "unavailable", "retired")
APRIL, OCTOBER = "2026-04", "2026-10"
_NOBODY = "00000000-0000-4000-8000-00000000dead"
_SHAPES: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    APRIL: {
        "estimated_cost": (int, float),
        "cost_unit": (str,),
        "rate_information": (dict,),
        "estimated_at": (str,),
    },
    OCTOBER: {
        "estimated_total_cost": (int, float),
        "estimated_unit": (str,),
        "rate_card": (dict,),
        "estimated_at": (str,),
    },
}
_JOB_FIELDS = {
    "id": (str,), "status": (str,), "type": (str,), "backend": (str,), "submitted_at": (str,), "metadata": (dict, type(None)),
    "parent_job_id": (str, type(None)), "failure": (dict, type(None)), "stats": (dict,), "results": (dict, type(None)),
}  # fmt: skip


def free_facts(client: IonQClient, device: str) -> Iterator[Fact]:
    """Yield what can be found out without a job."""
    for name, read_facts in (
        ("backends", lambda: _backend_facts(client, device)),
        ("characterizations", lambda: _characterization_facts(client, device)),
        ("account", lambda: _account_facts(client)),
        ("estimate", lambda: _estimate_facts(client, device)),
        ("list of jobs", lambda: _listing_facts(client, device)),
        ("unknown job", lambda: _refusal_facts(client)),
    ):
        yield from _attempted(name, read_facts)


def job_facts(client: IonQClient, ref: JobRef, batch: CircuitBatch, token: str) -> Iterator[Fact]:
    """Yield what a finished job of this batch shows."""
    yield from _attempted("job", lambda: _job_facts(client, ref, batch, token))
    yield from _attempted("cost", lambda: _cost_facts(client, ref))
    yield from _attempted("cancelled too late", lambda: _late_cancel_facts(client, ref))


def _attempted(name: str, read_facts: Callable[[], Iterator[Fact]]) -> Iterator[Fact]:
    """Yield the facts of one question; a question that fails is a fact too, and hides no other."""
    try:
        yield from read_facts()
    except ProviderError as error:
        yield require(name, "an answer", f"{type(error).__name__}: {error}", agrees=False)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        yield require(name, "the published form", f"another one: {error!r}", agrees=False)


def _backend_facts(client: IonQClient, device: str) -> Iterator[Fact]:
    _, entries = client.get("backends", public=True)
    names = [entry["backend"] for entry in entries]
    yield require("backends: list", f"names {device}", ", ".join(map(str, names)), agrees=device in names)
    _, entry = client.get("backends", device, public=True)
    kinds = {"backend": (str,), "status": (str,), "qubits": (int,), "average_queue_time": (int, float)}
    yield _form("backends: entry", kinds, entry)
    status = entry.get("status")
    yield require("backends: status", f"one of {', '.join(BACKEND_STATES)}", status, agrees=status in BACKEND_STATES)
    limits = entry.get("limits")
    yield require(
        "backends: limits",
        "not stated (the vendor's published ones hold), or an object",
        "not stated" if limits is None else limits,
        agrees=limits is None or isinstance(limits, dict),
    )
    try:
        client.get("backends", "qpu.no-such-machine", public=True)
    except ResourceNotFound:
        found = "404"
    except ProviderError as error:
        found = str(error)
    else:
        found = "an answer"
    yield compare("backends: an unknown one", "404", found)


def _characterization_facts(client: IonQClient, device: str) -> Iterator[Fact]:
    _, answer = client.get("backends", device, "characterizations", params=[("limit", "1")], public=True)
    entries = answer["characterizations"]
    if device == SIMULATOR:
        yield require("characterizations", "none for the simulator", f"{len(entries)} listed", agrees=not entries)
        return
    yield compare("characterizations: a page of one", 1, len(entries))
    yield _form("characterizations: entry", {"id": (str,), "date": (str,), "fidelity": (dict,)}, entries[0])
    yield _moment("characterizations: date", entries[0]["date"])


def _account_facts(client: IonQClient) -> Iterator[Fact]:
    _, answer = client.get("whoami")
    project = answer.get("project_id")
    yield require(
        "account: project",
        "the key's project is named; by it a job of another account is told from a lost one",
        "named" if isinstance(project, str) else f"project_id is {type(project).__name__}",
        agrees=isinstance(project, str),
    )
    try:
        client.get("whoami", public=True)
    except ProviderError as error:
        yield require("account: no key", "refused", error, agrees="401" in str(error) or "403" in str(error))
    else:
        yield compare("account: no key", "refused", "accepted")


def _estimate_facts(client: IonQClient, device: str) -> Iterator[Fact]:
    def ask(shots: int) -> Any:
        params = [("backend", device), ("type", JOB_TYPE), ("qubits", "4"), ("shots", str(shots))]
        return client.get("jobs", "estimate", params=[*params, ("1q_gates", "12"), ("2q_gates", "6")])[1]

    answer = ask(1000)
    form = next((name for name, kinds in _SHAPES.items() if not _wrong_fields(kinds, answer)), None)
    yield require(
        "estimate: form",
        f"that of {APRIL} or {OCTOBER}",
        form or f"another one; fields {', '.join(sorted(answer))}",
        agrees=form is not None,
    )
    if form is None:
        return
    unit = answer["cost_unit" if form == APRIL else "estimated_unit"]
    yield require(
        "estimate: unit", "usd, or credit (set IONQ_USD_PER_CREDIT)", unit, agrees=unit.lower() in {"usd", "credit"}
    )
    total = "estimated_cost" if form == APRIL else "estimated_total_cost"
    april = form == APRIL
    rates = [{"unit": "gates", **answer["rate_information"]}] if april else answer["rate_card"]["rates"]
    gates = [rate for rate in rates if rate.get("unit") == "gates"]
    billed = ", ".join(sorted({str(rate.get("unit")) for rate in rates})) or "nothing"
    free = answer[total] == 0
    yield require("estimate: billed by", "gates (nothing on the simulator)", billed, agrees=bool(gates) or free)
    if gates and not free:
        rate = gates[0]
        yield _form("estimate: rate", dict.fromkeys(("cost_1q_gate", "cost_2q_gate"), (int, float)), rate)
        minimum = rate.get("job_cost_minimum", 0.0)
        expected = max(minimum, 1000 * (12 * rate["cost_1q_gate"] + 6 * rate["cost_2q_gate"]))
        yield require(
            "estimate: formula",
            f"the larger of the minimum and shots x gates x rates: {expected:g}",
            f"{answer[total]:g}",
            agrees=abs(answer[total] - expected) <= max(0.01, 1e-3 * expected),
        )
        large = ask(10_000_000)[total]
        yield require(
            "estimate: grows with shots", f"above {answer[total]:g}", f"{large:g}", agrees=large > answer[total]
        )


def _listing_facts(client: IonQClient, device: str) -> Iterator[Fact]:
    def ask(*params: tuple[str, str]) -> Any:
        return client.get("jobs", params=list(params))[1]

    page = ask(("target", device), ("limit", str(PAGE_JOBS)))
    yield _form("list of jobs: page", {"jobs": (list,), "next": (str, type(None))}, page)
    jobs = page["jobs"]
    if not jobs:
        yield unknown("list of jobs: entries", "the published form", "this account has no jobs there yet")
    for job in jobs[:1]:
        yield _form("list of jobs: entry", _JOB_FIELDS, job)
    words = sorted({str(job.get("status")) for job in jobs})
    if words:
        known = set(words) <= set(STATES)
        yield require("list of jobs: states", f"among {', '.join(STATES)}", ", ".join(words), agrees=known)
        others = sorted({str(job.get("backend")) for job in jobs} - {device})
        yield compare("list of jobs: filter by target", "no other backend", ", ".join(others) or "no other backend")
        children = sum(job.get("parent_job_id") is not None for job in jobs)
        yield compare(
            "list of jobs: circuits of a job",
            "not listed beside it",
            f"{children} listed" if children else "not listed beside it",
        )
        times = [str(job.get("submitted_at")) for job in jobs]
        newest = times == sorted(times, reverse=True)
        yield require("list of jobs: order", "newest first", "newest first" if newest else "another one", agrees=newest)
    if len(jobs) > 1:
        yield compare("list of jobs: limit", 1, len(ask(("target", device), ("limit", "1"))["jobs"]))
    found = ask(("ids", _NOBODY))["jobs"]
    yield compare(
        "list of jobs: filter by ids",
        "nothing under an unknown id",
        "nothing under an unknown id" if not found else f"{len(found)} jobs",
    )


def _refusal_facts(client: IonQClient) -> Iterator[Fact]:
    try:
        client.get("jobs", _NOBODY)
    except ResourceNotFound:
        found = "404"
    except ProviderError as error:
        found = str(error)
    else:
        found = "an answer"
    yield compare("unknown job", "404", found)


def _job_facts(client: IonQClient, ref: JobRef, batch: CircuitBatch, token: str) -> Iterator[Fact]:
    content, job = job_queries.get_job(client, ref)
    yield _form("job: fields", _JOB_FIELDS, job)
    yield compare("job: state", "completed", job["status"])
    metadata = job.get("metadata")
    echoed = isinstance(metadata, dict) and metadata.get(TOKEN_KEY) == token
    yield require(
        "job: token", "comes back in the metadata", "came back" if echoed else "did not come back", agrees=echoed
    )
    ideal = ref.backend.endswith(f":{SIMULATOR}")
    shots = job.get("shots", "not stated")
    yield require(
        "job: shots",
        f"{batch.shots}" + (", or not stated (ideal simulator)" if ideal else ""),
        shots,
        agrees=shots == batch.shots or (ideal and shots == "not stated"),
    )
    stats = job.get("stats") or {}
    yield compare("job: width", batch.template.n_qubits, stats.get("qubits"))
    names = circuit_names(batch)
    order = job.get("child_job_ids") or []
    yield compare("job: circuits", len(names), len(order))
    params: Params = [("parent_job_id", ref.provider_job_id), ("limit", str(PAGE_JOBS))]
    _, page = client.get("jobs", params=params)
    children = {child["id"]: child for child in page["jobs"]}
    told = [children.get(child_id, {}).get("name") for child_id in order]
    yield require(
        "job: names of circuits",
        "as sent, in the order sent",
        "as sent, in the order sent"
        if told == names
        else f"{sum(one in names for one in told)} of {len(names)} come back",
        agrees=told == names,
    )
    for name in ("submitted_at", "started_at", "completed_at"):
        yield _moment(f"job: {name}", job.get(name))
    results = job.get("results") or {}
    form = OCTOBER if AGGREGATE in results else APRIL if "probabilities" in results else None
    yield require(
        "results: form",
        f"addresses ({APRIL}) or artifacts ({OCTOBER})",
        form or f"another one; {', '.join(sorted(results)) or 'nothing'}",
        agrees=form is not None,
    )
    answer = job_queries.get_results(client, ref, job)
    pages = [page for page, _ in job_queries.list_child_pages(client, ref, len(order))]
    raw = RawResult(ref=ref, content=decoding.envelope(content, pages, answer), content_type=decoding.CONTENT_TYPE)
    try:
        decoding.decode(raw, batch)
    except CorruptResult as error:
        yield require("results: decoding", "counts of this batch", error, agrees=False)
    else:
        yield compare("results: decoding", "counts of this batch", "counts of this batch")


def _cost_facts(client: IonQClient, ref: JobRef) -> Iterator[Fact]:
    _, answer = client.get("jobs", ref.provider_job_id, "cost")
    cost = answer.get("cost")
    if cost is None:
        free = ref.backend.endswith(f":{SIMULATOR}")
        yield require("cost", "a value and its unit (none where the target is free)", "none", agrees=free)
        return
    yield _form("cost: fields", {"value": (int, float), "unit": (str,)}, cost)
    yield require("cost: unit", "usd, or credit", cost["unit"], agrees=cost["unit"].lower() in {"usd", "credit"})


def _late_cancel_facts(client: IonQClient, ref: JobRef) -> Iterator[Fact]:
    """Ask whether cancelling a completed job changes it: one client's documentation says so."""
    client.cancel(ref.provider_job_id)
    _, job = job_queries.get_job(client, ref)
    yield compare(
        "cancelled too late",
        "the job stays completed",
        "the job stays completed" if job["status"] == "completed" else f"it is {job['status']}",
    )
    job_queries.get_results(client, ref, job)


def _form(name: str, kinds: Mapping[str, tuple[type, ...]], answer: Any) -> Fact:
    """Return whether an object has fields of these types."""
    expected = f"object with {', '.join(kinds)}"
    if not isinstance(answer, dict):
        return require(name, expected, f"a {type(answer).__name__}", agrees=False)
    wrong = _wrong_fields(kinds, answer)
    return require(name, expected, f"not as expected: {', '.join(wrong)}" if wrong else "as expected", agrees=not wrong)


def _wrong_fields(kinds: Mapping[str, tuple[type, ...]], answer: Any) -> list[str]:
    if not isinstance(answer, dict):
        return list(kinds)
    return [
        f"{field} is {'missing' if field not in answer else type(answer[field]).__name__}"
        for field, types in kinds.items()
        if field not in answer
        or not isinstance(answer[field], types)
        or (isinstance(answer[field], bool) and bool not in types)
    ]


def _moment(name: str, text: Any) -> Fact:
    """Return whether a text is a moment with its zone."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return require(name, "a moment in ISO 8601 with its zone", f"{text!r}", agrees=False)
    return require(
        name,
        "a moment in ISO 8601 with its zone",
        "with its zone" if moment.tzinfo else "without a zone",
        agrees=moment.tzinfo is not None,
    )
