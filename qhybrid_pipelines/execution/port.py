"""The provider port: what every adapter offers, and the promises it makes.

Every method is synchronous and restart-safe, makes one request or a few, never waits for a job and never retries
on its own. Adapters live in `execution/providers/`, one file per vendor; only `control` calls them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import pyarrow as pa

from qhybrid_pipelines.core.errors import Ambiguous, ProviderError, QHybridError, Rejected, Throttled, Unavailable
from qhybrid_pipelines.core.jobs import circuit_jobs
from qhybrid_pipelines.core.jobs.batch_kinds import Batch
from qhybrid_pipelines.core.jobs.provider_time import asking
from qhybrid_pipelines.execution.abilities import Ability

#: What `Provider.decode` returns: sorted by (point, repetition, bits), one row per distinct outcome.
COUNTS_SCHEMA = pa.schema(
    [
        pa.field("point", pa.int32(), nullable=False),
        pa.field("repetition", pa.int32(), nullable=False),
        pa.field("bits", pa.uint64(), nullable=False),
        pa.field("high_bits", pa.binary(), nullable=True),
        pa.field("count", pa.int64(), nullable=False),
    ]
)


class Provider(Protocol):
    """One vendor, or this machine."""

    @property
    def name(self) -> str:
        """First part of its backends' names, ``name:backend``."""

    @property
    def abilities(self) -> frozenset[Ability]:
        """The optional members that it has, see `execution.abilities`."""

    def backends(self) -> tuple[str, ...]:
        """Return the full names of the backends it offers."""

    def capabilities(self, backend: str) -> circuit_jobs.Capabilities:
        """Return the backend's limits and abilities. Raises `Rejected` for a backend it does not have."""

    def calibration(self, backend: str) -> circuit_jobs.Calibration | None:
        """Return the newest calibration, or None for a backend without one."""

    def status(self, backend: str) -> circuit_jobs.BackendStatus:
        """Return whether the backend takes jobs now, and how long its queue is."""

    def prepare(self, template: circuit_jobs.Template, backend: str, *, level: int, seed: int) -> circuit_jobs.Compiled:
        """Compile a template for a backend; parameters stay free."""

    def estimate(self, batch: Batch) -> circuit_jobs.Estimate:
        """Return the cost range of a batch, before anything is sent."""

    def submit(self, batch: Batch, token: str) -> circuit_jobs.JobRef:
        """Submit a batch. The same token gives the same job. Raises `Rejected`, `Throttled` or `Ambiguous`.

        What is refused before the request leaves this machine says so, see `before_sending`.
        """

    def find(self, backend: str, token: str) -> circuit_jobs.JobRef | None:
        """Return the job that carries ``token``, or None."""

    def poll(self, refs: Sequence[circuit_jobs.JobRef]) -> list[circuit_jobs.Snapshot]:
        """Poll many jobs.

        Raises:
            UnknownProviderStatus: some job has a status that is in no table.
            ProviderError: some job could not be polled. The ``seen`` of both holds the snapshots of the others.
        """

    def fetch(self, ref: circuit_jobs.JobRef) -> circuit_jobs.RawResult:
        """Return the result's bytes as received."""

    def decode(self, raw: circuit_jobs.RawResult, batch: Batch) -> pa.Table:
        """Return counts in `COUNTS_SCHEMA`. Pure, so that stored payloads can be decoded again.

        Circuits that the vendor says failed one by one have none; `details` names them.

        Raises:
            CorruptResult: shots, width, points or job do not match the batch.
        """

    def details(self, raw: circuit_jobs.RawResult) -> dict[str, Any]:
        """Return what a result says about its making, ready for JSON. Pure, like `decode`.

        Known words are ``engine``, ``engine_version``, ``compile_seconds`` and ``execute_seconds``; an adapter that
        gives ``execute_seconds`` has compiled within its run, otherwise before it submitted the batch. ``failed_circuits``
        is a list of sentences, one for each circuit of the job that failed by itself.
        """

    def cancel(self, ref: circuit_jobs.JobRef) -> circuit_jobs.CancelOutcome:
        """Ask the provider to cancel a job."""


#: Looks, searches and downloads: asking again is safe, and may find the vendor in another mood.
_REPEATABLE_METHODS = frozenset({"poll", "find", "fetch", "status", "calibration", "cancel", "check_key"})


@contextmanager
def before_sending() -> Iterator[None]:
    """Mark what is raised here as raised before the request left: there is nothing to look up then."""
    try:
        yield
    except (Rejected, Throttled) as error:
        error.request_sent = False
        raise


@contextmanager
def calling(provider: str, method: str) -> Iterator[None]:
    """Name the call in what a provider's method raises: adapters say what happened, the caller knows whom it asked for what.

    A vendor's client has exceptions of its own, and an answer may have a form that no adapter expects. Neither may end
    more than the one call: it becomes an error of ours, with the original as its cause.

    Args:
        provider: its name.
        method: of the port.

    Raises:
        ProviderError: `Ambiguous` for whatever else a submission raises, because the job may have been sent;
            `Unavailable` for a poll, search or download.
    """
    with name_call(provider, method):
        try:
            yield
        except (QHybridError, MemoryError):
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            if method == "submit":
                raise Ambiguous(f"{reason}. The job may have been accepted: look its token up.") from error
            kind = Unavailable if method in _REPEATABLE_METHODS else ProviderError
            raise kind(f"{reason}. The adapter does not know this; report it with the provider's name.") from error


@contextmanager
def name_call(provider: str, method: str) -> Iterator[None]:
    """Name the call in a `ProviderError` that passes through, and let everything else pass as it is."""
    with asking(provider):
        try:
            yield
        except ProviderError as error:
            error.add_call(provider, method)
            raise
