"""Virtual time: one queue of what happens when, and tasks that wait in it.

A task is a greenlet: it runs until it waits, so code that was written for a process of its own runs unchanged, many of them in
one thread, in an order that depends on nothing but the queue. Each task has what a process has for itself: here, what it has heard
of the providers' time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from greenlet import getcurrent, greenlet

from qhybrid_pipelines.core.jobs import provider_time

#: What the calendar says when virtual time begins.
START = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Killed(BaseException):
    """The process has died here. No handler in the code under test may catch it, and `EventQueue` sees that it arrives."""


class Task(greenlet):
    """One process.

    Attributes:
        readings: what it has heard of the providers' time, see `core.jobs.provider_time`.
        life: of a worker; None for what belongs to the simulation.
    """

    def __init__(self, run: Callable[[], None], *, life: Any = None) -> None:
        super().__init__(run)
        self.readings: dict[str, provider_time.TimeReading] = {}
        self.life = life


def current_life() -> Any:
    """Return the life of the worker whose task runs now; None outside of one."""
    return getattr(getcurrent(), "life", None)


class EventQueue:
    """What happens when.

    Attributes:
        seconds: of virtual time since its beginning; the true time, which no worker can read.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._entries: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    @property
    def now(self) -> datetime:
        """The true present."""
        return START + timedelta(seconds=self.seconds)

    def call_after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something later, outside of all tasks."""
        heapq.heappush(self._entries, (self.seconds + seconds, next(self._numbers), action))

    def start(self, run: Callable[[], None], *, after: float = 0.0, life: Any = None) -> None:
        """Start a task later."""
        task = Task(run, life=life)
        self.call_after(after, lambda: self._resume(task))

    def wait(self, seconds: float) -> None:
        """Let virtual time pass for the task that calls, while the others go on."""
        task = getcurrent()
        self.call_after(seconds, lambda: self._resume(task))
        task.parent.switch()

    def wait_until_resumed(self) -> Any:
        """Let the task that calls wait until `resume_later` names it, and return what that said."""
        return getcurrent().parent.switch()

    def resume_later(self, task: greenlet, said: Any) -> None:
        """Let a waiting task go on, after what is going on at this moment."""
        self.call_after(0.0, lambda: self._resume(task, said))

    def run(self, *, until: float = float("inf")) -> None:
        """Let time pass until nothing is left to happen, or until a moment."""
        while self._entries and self._entries[0][0] <= until:
            self.seconds, _, action = heapq.heappop(self._entries)
            action()
        self.seconds = max(self.seconds, until) if until != float("inf") else self.seconds

    def _resume(self, task: greenlet, said: Any = None) -> None:
        task.parent = getcurrent()
        provider_time._readings = getattr(task, "readings", {})
        task.switch(said) if task else task.switch()
