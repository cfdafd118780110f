"""One line of JSON for every step of a job, for machines that watch many processes.

Silent unless ``QHYBRID_LOG=json`` is set; then lines go to the error stream, or to the file that ``QHYBRID_LOG_FILE``
names, which many processes may share. A line holds the fields of `FIELDS` and nothing else: what is not in that list
never reaches a log, whatever a later release puts into an event's detail.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from qhybrid_pipelines.control.jobs.spending import WARNING
from qhybrid_pipelines.control.ledger.lifecycle import ENDED_WITHOUT_RESULT
from qhybrid_pipelines.control.reporting.observed_events import ObservedEvent, observed_events
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.text.redaction import redact

if TYPE_CHECKING:
    from typing import TextIO

    from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

    from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger

LOG_VARIABLE, FILE_VARIABLE = "QHYBRID_LOG", "QHYBRID_LOG_FILE"

#: Every field that a line may have.
FIELDS = (
    "logged_at",
    "level",
    "event",
    "correlation_id",
    "job_id",
    "sequence",
    "experiment",
    "backend",
    "tier",
    "environment",
    "principal",
    "from_state",
    "state",
    "at",
    "clock",
    "attempt",
    "provider_job_id",
    "raw_status",
    "cost_quoted_usd",
    "cost_usd",
    "error",
    WARNING,
)
#: Written by others, so that they might repeat a secret.
_EXTERNAL_TEXTS = ("raw_status", "error", "provider_job_id")
#: A vendor may answer with a whole page; one line stays one write, so that the lines of processes do not mix.
MAX_TEXT = 500

_FAILURE_STATES = ENDED_WITHOUT_RESULT - {JobState.CANCELLED, JobState.REROUTED} | {JobState.SUBMIT_UNKNOWN}


def with_logging(ledger: SqlLedger, log: Callable[[Sequence[ObservedEvent]], None] | None = None) -> SqlLedger:
    """Return the ledger, whose steps are logged from now on: as ``log`` does, or as the environment asks for."""
    log = log or logger_from_environment(os.environ)
    if log is not None:
        ledger.observer = lambda written: log(observed_events(written))
    return ledger


def logger_from_environment(environment: Mapping[str, str]) -> Callable[[Sequence[ObservedEvent]], None] | None:
    """Return what writes steps as lines, or None where no log is asked for.

    Raises:
        InvalidInput: the variable has another word than ``json``, or its file cannot be opened.
    """
    kind, file = environment.get(LOG_VARIABLE, ""), environment.get(FILE_VARIABLE)
    if not kind:
        return None
    if kind != "json":
        raise InvalidInput(
            f"{LOG_VARIABLE}={kind} is not a kind of log", remedy="Set it to json, or unset it.", field=LOG_VARIABLE
        )
    return event_logger(_open_log_file(file) if file else sys.stderr, clock=lambda: datetime.now().astimezone())


class Stream(Protocol):
    """As much of a text stream as is needed."""

    def write(self, text: str, /) -> object:
        """Write text."""

    def flush(self) -> None:
        """Hand it on."""


def event_logger(stream: Stream, *, clock: Callable[[], datetime]) -> Callable[[Sequence[ObservedEvent]], None]:
    """Return what writes steps to a stream; a stream that fails loses lines, and never stops a job."""
    logger = _make_logger(stream, clock)

    def log_events(steps: Sequence[ObservedEvent]) -> None:
        for observed in steps:
            try:
                is_warning = observed.to_state in _FAILURE_STATES or WARNING in (observed.step.detail or {})
                logger.log(30 if is_warning else 20, observed.event, **log_fields(observed))
            except (OSError, ValueError):
                return

    return log_events


def log_fields(observed: ObservedEvent) -> dict[str, Any]:
    """Return what a line says about a step; what is not known is left out."""
    job, step = observed.job, observed.step
    failed = observed.to_state in _FAILURE_STATES
    known = {
        "correlation_id": job.correlation_id,
        "job_id": job.job_id,
        "sequence": observed.sequence,
        "experiment": job.experiment,
        "backend": job.backend,
        "tier": job.tier,
        "environment": job.environment,
        "principal": job.principal,
        "from_state": observed.from_state and str(observed.from_state),
        "state": str(observed.to_state),
        "at": step.at.isoformat(),
        "clock": step.clock,
        "attempt": job.attempt,
        "provider_job_id": job.provider_job_id,
        "raw_status": step.raw_status,
        "cost_quoted_usd": job.cost_quoted_usd,
        "cost_usd": job.cost_usd,
        "error": job.error if failed else None,
        WARNING: (step.detail or {}).get(WARNING),
    }
    return {name: value for name, value in known.items() if value is not None}


def _make_logger(stream: Stream, clock: Callable[[], datetime]) -> FilteringBoundLogger:
    """Return a logger of its own; the process's configuration of structlog, which Dagster shares, stays as it is."""
    import structlog

    def add_timestamp(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        return {"logged_at": clock().isoformat(), **line}

    return structlog.wrap_logger(  # type: ignore[no-any-return]
        structlog.WriteLogger(cast("TextIO", stream)),
        wrapper_class=structlog.make_filtering_bound_logger(0),
        processors=[
            structlog.processors.add_log_level,
            add_timestamp,
            _select_fields,
            structlog.processors.JSONRenderer(),
        ],
    )


def _select_fields(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Keep the fields of the list, in its order, and take secrets out of texts that others wrote."""
    fields = {name: line[name] for name in FIELDS if name in line}
    for name in _EXTERNAL_TEXTS:
        if name in fields:
            fields[name] = redact(str(fields[name]))[:MAX_TEXT]
    return fields


class _SharedFile:
    """A file that is opened again for every line, so that it may be moved away at any time; one line is one write."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, line: str) -> None:
        with self._path.open("ab", buffering=0) as file:
            file.write(line.encode())

    def flush(self) -> None:
        """Nothing is held back."""


def _open_log_file(file: str) -> _SharedFile:
    try:
        Path(file).open("ab").close()
        return _SharedFile(Path(file))
    except OSError as error:
        raise InvalidInput(
            f"the log cannot be written: {error.strerror}",
            remedy=f"Let {FILE_VARIABLE} name a file in a folder that you may write to.",
            file=file,
            field=FILE_VARIABLE,
        ) from None
