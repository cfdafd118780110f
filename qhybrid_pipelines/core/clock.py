"""Time as a value: what reads the hour, measures a duration or waits is given a clock, so that a test can set it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The three ways of dealing with time; the defaults are this machine's.

    Attributes:
        now: the present as an aware datetime, for what is written down and compared with what was written down.
        monotonic: seconds since some moment, never going back, for durations within a process.
        sleep: waits for some seconds.
    """

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


SYSTEM_CLOCK = Clock()
