"""Ledgers whose locks are waited for in virtual time, and that note at which true moment each event was written."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from greenlet import getcurrent, greenlet

from qhybrid_pipelines.control.ledger.databases.file_locks import LockBusy
from qhybrid_pipelines_tests.support.virtual_fleet.event_queue import EventQueue


@dataclass(slots=True, eq=False)
class _Waiting:
    task: greenlet
    is_over: bool = False


class VirtualLocks:
    """Locks of jobs: each belongs to a task, and is given back when that ends, or when its machine is cut off."""

    def __init__(self, queue: EventQueue) -> None:
        self._queue = queue
        self._holders: dict[str, greenlet] = {}
        self._waiting: dict[str, deque[_Waiting]] = defaultdict(deque)

    @contextmanager
    def hold(self, job_id: str, *, timeout_seconds: float) -> Iterator[None]:
        """Hold the lock of a job.

        Raises:
            LockBusy: another task holds it for longer.
        """
        task = getcurrent()
        if job_id in self._holders:
            self._wait(job_id, timeout_seconds)
        self._holders[job_id] = task
        try:
            yield
        finally:
            if self._holders.get(job_id) is task:
                self._release(job_id)

    def lose(self, task: greenlet) -> None:
        """Take all locks from a task, as a server does whose connection to a machine has broken."""
        for job_id in [job_id for job_id, holder in self._holders.items() if holder is task]:
            self._release(job_id)

    def _wait(self, job_id: str, timeout_seconds: float) -> None:
        me = _Waiting(task=getcurrent())
        if timeout_seconds > 0:
            self._waiting[job_id].append(me)

            def give_up() -> None:
                if not me.is_over:
                    me.is_over = True
                    self._queue.resume_later(me.task, False)

            self._queue.call_after(timeout_seconds, give_up)
            if self._queue.wait_until_resumed():
                return
        raise LockBusy(f"'{job_id}' has been locked by another worker for more than {timeout_seconds:g} s")

    def _release(self, job_id: str) -> None:
        del self._holders[job_id]
        waiting = self._waiting.pop(job_id, deque())
        while waiting:
            first = waiting.popleft()
            if not first.is_over:
                first.is_over = True
                self._holders[job_id] = first.task  # nobody may come in between
                self._waiting[job_id] = waiting
                self._queue.resume_later(first.task, True)
                return


def put_in_virtual_time(ledger: Any, queue: EventQueue, *, has_server_clock: bool) -> tuple[VirtualLocks, list[float]]:
    """Let a ledger's locks be waited for in virtual time, and its clock be that of a server if it is to have one.

    Returns:
        Its locks; and the true seconds at which each event was written, by position from 1.
    """
    locks, written = VirtualLocks(queue), [0.0]

    def noted(write: Callable[..., Any]) -> Callable[..., Any]:
        def write_and_note(*args: Any, **kwargs: Any) -> Any:
            try:
                return write(*args, **kwargs)
            finally:
                written.extend([queue.seconds] * (ledger.head().position + 1 - len(written)))

        return write_and_note

    ledger.job_lock = locks.hold
    for name in ("plan", "plan_all", "advance", "advance_all"):
        setattr(ledger, name, noted(getattr(ledger, name)))
    if has_server_clock:
        ledger.has_server_clock, ledger.read_time = True, lambda _: queue.now
    return locks, written
