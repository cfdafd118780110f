"""Machines whose wall clocks are wrong, or are set in the middle of a life; the boot-time clock beside them stays right."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from qhybrid_pipelines.core.system.clock import SYSTEM_CLOCK, Clock, boot_seconds

#: A day and more: the deadline of every job that was planned today is over.
OFFSETS = (timedelta(minutes=11), timedelta(minutes=-11), timedelta(hours=26), timedelta(hours=-26))
#: Of the machines, how many have a right clock, have a wrong one, and have it set while they run.
RIGHT, WRONG, SET = 6, 2, 2


def draw_clock(rng: random.Random, span: float) -> Clock:
    """Return the clock of a machine that a process of about ``span`` seconds is going to start on."""
    [kind] = rng.choices(("right", "wrong", "set"), (RIGHT, WRONG, SET))
    offset = rng.choice(OFFSETS)
    if kind == "right":
        return SYSTEM_CLOCK
    set_at = boot_seconds() + (rng.uniform(0.0, span) if kind == "set" else 0.0)

    def now() -> datetime:
        return datetime.now(UTC) + (offset if boot_seconds() >= set_at else timedelta())

    return Clock(now=now, boot_time=boot_seconds)
