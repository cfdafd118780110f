"""Freed memory, given back to the machine between steps."""

from __future__ import annotations

import ctypes
import sys

import pyarrow as pa


def release_memory() -> None:
    """Return what was freed to the system, so that the next step does not hold it in addition to what it needs itself.

    Arrow's pool is asked to, and glibc: it raises its limit for blocks of their own up to 32 MiB as such blocks are freed, and
    keeps smaller ones. After a wide sweep that was 170 MB. Other C libraries have no such call.
    """
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
