"""The processor time of this thread's own work: not that of other threads, other processes, or the garbage of other tests."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cpu_seconds_below(bound: float) -> Iterator[None]:
    """Fail if the block works for longer: a guard against work that explodes, not a measurement of speed."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        begin = time.thread_time()
        yield
        seconds = time.thread_time() - begin
    finally:
        if was_enabled:
            gc.enable()
    assert seconds < bound, f"{seconds:.2f} s of processor time, at most {bound} s were allowed"
