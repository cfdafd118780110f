"""The clock of a worker's machine in virtual time: wrong from the beginning, drifting, and set now and then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from qhybrid_pipelines.core.system.clock import Clock
from qhybrid_pipelines_tests.support.virtual_fleet.event_queue import START, EventQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class Skew:
    """How wrong a machine's clock is.

    Attributes:
        offset_seconds: by which it is ahead at the beginning.
        drift: seconds that it gains in a second.
        steps: by how many seconds it is set forward, and after how many seconds.
    """

    offset_seconds: float = 0.0
    drift: float = 0.0
    steps: tuple[tuple[float, float], ...] = ()

    def ahead_seconds(self, true_seconds: float) -> float:
        """Return by how much the clock is ahead at a moment."""
        stepped = sum(step for at, step in self.steps if true_seconds >= at)
        return self.offset_seconds + self.drift * true_seconds + stepped


#: A right clock.
RIGHT = Skew()


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineClock(Clock):
    """A clock that may be compared with those of the vendors, because all of them stand in the same virtual world."""

    @property
    def is_virtual(self) -> bool:
        return False


def machine_clock(queue: EventQueue, skew: Skew, sleep: Callable[[float], None]) -> MachineClock:
    """Return the clock of a machine; durations within a process, and since its start, are right whatever is done to the clock."""

    def now() -> datetime:
        return START + timedelta(seconds=queue.seconds + skew.ahead_seconds(queue.seconds))

    def passed() -> float:
        return queue.seconds

    return MachineClock(now=now, monotonic=passed, sleep=sleep, boot_time=passed)
