"""Polling job by job, for providers without a request that answers for many."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qhybrid_pipelines.core.errors import ProviderError
from qhybrid_pipelines.core.jobs import JobRef, Snapshot


def poll_each(refs: Sequence[JobRef], poll_one: Callable[[JobRef], Snapshot]) -> list[Snapshot]:
    """Return a snapshot of every job, in order.

    Args:
        refs: the jobs.
        poll_one: takes one look at one job.

    Raises:
        ProviderError: what ``poll_one`` raised first; its ``seen`` holds the snapshots of the jobs before.
    """
    seen: list[Snapshot] = []
    for ref in refs:
        try:
            seen.append(poll_one(ref))
        except ProviderError as error:
            error.seen = tuple(seen)
            raise
    return seen
