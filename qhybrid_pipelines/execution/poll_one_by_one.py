"""Polling job by job, for providers without a request that answers for many."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from qhybrid_pipelines.core.errors import ProviderError, Throttled
from qhybrid_pipelines.core.jobs.circuit_jobs import JobRef, Snapshot
from qhybrid_pipelines.execution.port import calling

#: Failing polls may take this long together; a provider that is away must not hold up the round for every single job.
PATIENCE_SECONDS = 20.0


def poll_each(refs: Sequence[JobRef], poll_one: Callable[[JobRef], Snapshot]) -> list[Snapshot]:
    """Return a snapshot of every job, in order.

    The failing poll of one job hides no other. Only a provider that asks to be left alone, or whose failures take long,
    is not asked about the rest.

    Args:
        refs: the jobs.
        poll_one: polls one job once.

    Raises:
        ProviderError: what ``poll_one`` raised first; its ``seen`` holds the snapshots of all jobs that were seen.
    """
    seen: list[Snapshot] = []
    first: ProviderError | None = None
    failed_seconds = 0.0
    for ref in refs:
        started = time.monotonic()
        try:
            with calling(ref.provider, "poll"):
                seen.append(poll_one(ref))
        except ProviderError as error:
            first = first or error
            failed_seconds += time.monotonic() - started
            if isinstance(error, Throttled) or failed_seconds > PATIENCE_SECONDS:
                break
    if first is not None:
        first.seen = tuple(seen)
        raise first
    return seen
