"""OpenTelemetry spans of finished jobs, made afterwards from the ledger's timestamps.

A queue outlives every process, so no process could keep a span open for it. When a job has ended, its whole trace is
built from its events and sent over OTLP/HTTP, if ``OTEL_EXPORTER_OTLP_ENDPOINT`` (or its variant for traces) names a
collector. Up to which event of the ledger that was done is kept in a file, written after the collector has answered: a
process that dies in between sends the same spans, with the same ids, once more.

The trace id is the correlation id, padded on the left to 128 bits as is the custom for ids of 64, so it can be searched
for. Semantic conventions have no words for QPUs; the attributes are our own, ``qpu.*`` and ``qhybrid.*``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from filelock import FileLock

from qhybrid_pipelines.control.ledger.lifecycle import TERMINAL
from qhybrid_pipelines.control.ledger.port import EventRecord, JobRecord, Ledger
from qhybrid_pipelines.control.reporting.time_intervals import time_intervals
from qhybrid_pipelines.core.canonical import sha256_hex
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system.files import write_bytes

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExportResult

ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
TIMEOUT_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT")
#: Nobody waits for a collector: what it misses now, it gets the next time.
TIMEOUT_SECONDS = 5
SPANS_PER_REQUEST = 500
#: Jobs and events that are in memory at a time.
JOBS_PER_PAGE, EVENTS_PER_PAGE = 1000, 10_000


class Exporter(Protocol):
    """As much of the SDK's `SpanExporter` as is needed."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans and say whether the collector took them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSummary:
    """What one sending came to; ``complete`` is False where the collector did not take everything."""

    jobs: int
    spans: int
    complete: bool = True


def exporter_from_environment(environment: Mapping[str, str] | None = None) -> Exporter | None:
    """Return the exporter to the collector that the environment names, or None where it names none.

    Raises:
        InvalidInput: a collector is named, and the package that speaks to it is not installed.
    """
    environment = os.environ if environment is None else environment
    if not any(environment.get(name) for name in ENDPOINT_VARIABLES):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise InvalidInput(
            "a collector is named, and the OTLP exporter is not installed",
            remedy="Install qhybrid-pipelines[otel], or unset the variable.",
            field=ENDPOINT_VARIABLES[1],
        ) from None
    # What it says about a collector that is away is said by whoever called.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
    own_timeout = any(environment.get(name) for name in TIMEOUT_VARIABLES)
    return OTLPSpanExporter(timeout=None if own_timeout else TIMEOUT_SECONDS)


def export_finished_jobs(
    ledger: Ledger, exporter: Exporter, *, position_file: Path, locks: Path, tmp: Path
) -> ExportSummary:
    """Send the spans of all jobs that ended since the last time, one process at a time.

    Args:
        ledger: where the jobs are.
        exporter: to the collector.
        position_file: file that holds up to which event of the ledger everything was sent.
        locks: folder of lock files.
        tmp: folder of unfinished files.
    """
    from opentelemetry.sdk.trace.export import SpanExportResult

    with FileLock(locks / "spans.lock"):
        sent_to, head = _read_position(position_file), ledger.head().position
        ended = list(_ended_between(ledger, sent_to, head))
        sent = 0
        for start in range(0, len(ended), JOBS_PER_PAGE):
            page = ended[start : start + JOBS_PER_PAGE]
            jobs, histories = {job.job_id: job for job in ledger.jobs(ids=page)}, ledger.histories(page)
            spans = [span for job_id in page for span in job_spans(jobs[job_id], histories[job_id])]
            for first in range(0, len(spans), SPANS_PER_REQUEST):
                if exporter.export(spans[first : first + SPANS_PER_REQUEST]) is not SpanExportResult.SUCCESS:
                    return ExportSummary(jobs=0, spans=0, complete=False)
            sent += len(spans)
        if head > sent_to:
            write_bytes(position_file, str(head).encode(), tmp=tmp)
    return ExportSummary(jobs=len(ended), spans=sent)


def _ended_between(ledger: Ledger, after: int, last: int) -> dict[str, None]:
    """Return the jobs that ended with an event after a position, up to another one, in the order of these events."""
    ended: dict[str, None] = {}
    while after < last and (events := ledger.events(after=after, limit=EVENTS_PER_PAGE)):
        ended |= dict.fromkeys(e.job_id for e in events if e.position <= last and e.to_state in TERMINAL)
        after = events[-1].position
    return ended


def job_spans(job: JobRecord, events: Sequence[EventRecord]) -> list[ReadableSpan]:
    """Return the spans of a job: ``qhybrid.job`` from request to end, and one below it for each known stretch."""
    begin, end = job.requested_at or job.created_at, events[-1].at
    found = time_intervals(job, events)
    whole = _span(job, "job", None, begin, max([begin, end, *(interval.end for interval in found)]))
    return [whole, *(_span(job, interval.name, whole, interval.begin, interval.end) for interval in found)]


def trace_id_for(correlation_id: str) -> int:
    """Return the trace id of a correlation id, ``c`` and 16 hex digits."""
    return int(correlation_id.removeprefix("c"), 16)


def _span(job: JobRecord, name: str, parent: ReadableSpan | None, begin: datetime, end: datetime) -> ReadableSpan:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
    from opentelemetry.trace.status import Status, StatusCode

    context = SpanContext(
        trace_id=trace_id_for(job.correlation_id),
        span_id=int(sha256_hex(f"{job.job_id}|{name}")[:16], 16) or 1,
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
    failed = parent is None and job.state in (JobState.FAILED, JobState.REJECTED, JobState.EXPIRED)
    return ReadableSpan(
        name=f"qhybrid.{name}",
        context=context,
        parent=parent.context if parent else None,
        resource=_resource(),
        attributes=_attributes(job),
        kind=SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR, str(job.state)) if failed else Status(StatusCode.UNSET),
        start_time=_nanoseconds(begin),
        end_time=_nanoseconds(end),
        instrumentation_scope=InstrumentationScope("qhybrid_pipelines"),
    )


def _resource() -> Resource:
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    return Resource({"service.name": "qhybrid-pipelines"}).merge(OTELResourceDetector().detect())


def _attributes(job: JobRecord) -> dict[str, str | int | float]:
    known = {
        "qhybrid.job_id": job.job_id,
        "qhybrid.experiment": job.experiment,
        "qhybrid.tier": job.tier,
        "qhybrid.state": str(job.state),
        "deployment.environment.name": job.environment,
        "qpu.backend": job.backend,
        "qpu.provider": job.provider,
        "qpu.job_id": job.provider_job_id,
        "qpu.engine": job.engine,
        "qpu.circuits": job.circuits,
        "qpu.shots": job.shots,
        "qpu.cost_quoted_usd": job.cost_quoted_usd,
        "qpu.cost_usd": job.cost_usd,
    }
    return {name: value for name, value in known.items() if value is not None}


def _nanoseconds(at: datetime) -> int:
    return round(at.timestamp() * 1e6) * 1000


def _read_position(position_file: Path) -> int:
    """Return up to which event everything was sent; 0 where nothing was, or where the file says nothing sensible."""
    try:
        return int(position_file.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return 0
