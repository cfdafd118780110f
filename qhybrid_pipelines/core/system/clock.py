"""Time as a value: what reads the hour, measures a duration or waits is given a clock, so that a test can set it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


def boot_seconds() -> float:
    """Return seconds since this machine was started, its sleep included: setting the clock changes nothing about them.

    Where the system does not count them, the clock of `time.monotonic` is used instead, which may stop while the machine sleeps.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The ways of dealing with time; the defaults are this machine's.

    Attributes:
        now: the present as an aware datetime, for what is written down and compared with what was written down.
        monotonic: seconds since some moment, never going back, for durations within a process.
        sleep: waits for some seconds.
        boot_time: seconds since the machine was started. A clock with a present of its own and without this has no steps:
            whatever its present does is time that passes.
    """

    now: Callable[[], datetime] = _utc_now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    boot_time: Callable[[], float] | None = None

    @property
    def is_virtual(self) -> bool:
        """Whether hours pass otherwise than in the world, so that no clock of the world can be compared with this one."""
        return self.boot_time is not boot_seconds and (self.boot_time is not None or self.now is not _utc_now)

    def boot_seconds(self) -> float:
        """Return seconds that pass evenly, whatever is done to the clock."""
        if self.boot_time is not None:
            return self.boot_time()
        return boot_seconds() if self.now is _utc_now else self.now().timestamp()


SYSTEM_CLOCK = Clock()
