"""Asking what takes much work only so often that asking takes a small share of a processor."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from qhybrid_pipelines.core.system.clock import SYSTEM_CLOCK, Clock


@dataclass(slots=True)
class PacedQuestion:
    """A question with yes or no for an answer, which rests after it was asked.

    Args:
        share: of one processor that asking may take.
        free_seconds: an answer that took no more processor time than this needs no rest.
        clock: tells the time.
        worked: processor seconds of this process so far.
    """

    share: float = 0.05
    free_seconds: float = 0.5
    clock: Clock = SYSTEM_CLOCK
    worked: Callable[[], float] = time.process_time
    _rests_until: dict[str, float] = field(default_factory=dict, init=False)

    def ask(self, about: str, question: Callable[[], bool]) -> bool:
        """Return the answer; no while the question about this rests."""
        now = self.clock.monotonic()
        if now < self._rests_until.get(about, now):
            return False
        before = self.worked()
        answer = question()
        took = self.worked() - before
        self._rests_until[about] = self.clock.monotonic() + (took / self.share if took > self.free_seconds else 0.0)
        return answer
