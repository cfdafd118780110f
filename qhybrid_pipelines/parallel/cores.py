"""How many cores this process may use, and how many the piece of work that runs now."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_limit: ContextVar[int | None] = ContextVar("cores", default=None)


def usable_cores() -> int:
    """Return the cores that this process may use: those it is bound to, and no more than a job of Slurm or `limited_cores` allows."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("SLURM_CPUS_PER_TASK", "")  # a cluster need not bind its jobs to their cores
    allowed = min(bound, int(asked)) if asked.isdecimal() and int(asked) else bound
    limit = _limit.get()
    return allowed if limit is None else min(allowed, limit)


@contextmanager
def limited_cores(cores: int) -> Iterator[None]:
    """Let `usable_cores` return no more than ``cores`` in this thread, whose neighbours work on other pieces."""
    before = _limit.set(cores)
    try:
        yield
    finally:
        _limit.reset(before)
