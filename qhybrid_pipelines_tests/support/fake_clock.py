"""A clock that a test moves; sleeping moves it, and is remembered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from qhybrid_pipelines.core.system.clock import Clock

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class FakeClock:
    """Set ``at`` to move it.

    Attributes:
        at: the present.
        sleeps: seconds of each wait so far.
        clock: what is given to the code under test.
    """

    def __init__(self, at: datetime = NOON) -> None:
        self.at, self.sleeps, self._started = at, [], at
        self.clock = Clock(now=lambda: self.at, monotonic=self._monotonic, sleep=self._sleep)

    def _monotonic(self) -> float:
        return (self.at - self._started).total_seconds()

    def _sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.at += timedelta(seconds=seconds)
