"""The emulator's time: it starts at a wall-clock moment, runs faster than the wall, and never steps back.

A clock is three stored figures, so that a restart continues where the time would be by then, as a cloud does that
nobody sees while it is rebooted. A change of speed starts a new stretch at the moment reached.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A piece of time with one speed.

    Attributes:
        virtual_seconds: emulated Unix time at the beginning.
        real_seconds: Unix time of the wall clock at the beginning.
        speed: virtual seconds per real second.
    """

    virtual_seconds: float
    real_seconds: float
    speed: float


class Clock:
    """Tells the emulated time.

    Args:
        stretch: where the time began and how fast it runs.
        wall: gives Unix time in seconds.
    """

    def __init__(self, stretch: Stretch, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._latest = stretch.virtual_seconds
        self.stretch = stretch

    def now(self) -> float:
        """Return emulated Unix time in seconds; does not advance while the wall clock is set back."""
        since = self._wall() - self.stretch.real_seconds
        self._latest = max(self._latest, self.stretch.virtual_seconds + since * self.stretch.speed)
        return self._latest

    def restarted(self, speed: float) -> Stretch:
        """Return the stretch that begins now with this speed."""
        return Stretch(virtual_seconds=self.now(), real_seconds=self._wall(), speed=speed)

    def advance(self, seconds: float) -> Stretch:
        """Jump ahead by so many virtual seconds and return the stretch that begins there."""
        self.stretch = Stretch(
            virtual_seconds=self.now() + seconds, real_seconds=self._wall(), speed=self.stretch.speed
        )
        return self.stretch


_LAST_SECOND = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


def stamp(virtual_seconds: float) -> str:
    """Return a moment as the interface writes it, for example ``2026-05-28T20:47:05.440Z``; what no calendar has is its nearest day."""
    moment = datetime.fromtimestamp(min(max(virtual_seconds, 0.0), _LAST_SECOND), tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
