"""How much of the processor a process may take from others."""

from __future__ import annotations

import os
from contextlib import suppress

_LOWEST = 19


def run_when_idle() -> None:
    """Let this process have the processor only while nobody else wants it.

    The lowest niceness still takes a share from everybody, which an answer within milliseconds notices. Where the system has no such class, or does not
    allow it, that niceness is what there is.
    """
    os.nice(_LOWEST)
    if hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
