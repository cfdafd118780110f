"""Processes that solve and judge for the decision service: warm, limited, and replaced when one is lost.

Processes and not threads, because a solver that holds the interpreter would keep every other answer waiting.
"""

from __future__ import annotations

import multiprocessing
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from typing import Any

from qhybrid_pipelines.service.problem_documents import ProblemError

Message = dict[str, Any]
#: Until a new process must have warmed up; a crowded machine imports slowly.
WARMING_SECONDS = 180.0
STOP: Message = {"kind": "hint", "stop": True}
_NOT_THE_LAST = ("instance", "method")


class SolverLost(Exception):
    """The process ended, or took more than it may."""


class NoSolver(Exception):
    """All processes are busy for longer than one can wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolverLimits:
    """What processes there are, and what each order may take.

    Attributes:
        processes: how many answer at a time.
        idle: they run only while nobody else wants the processor.
        cpu_seconds: of one order; more ends the process.
        memory_bytes: on top of what such a process has when it is warm.
    """

    processes: int
    idle: bool = False
    cpu_seconds: float = 20.0
    memory_bytes: int = 2**30


class Solver:
    """One process, and our end of its pipe.

    Attributes:
        busy: it has an order whose last message has not come yet.
        lost: it has ended.
        waits_for_hint: it has read an instance, or is about to, and wants to be told which methods to run.
    """

    def __init__(self, limits: SolverLimits) -> None:
        self.busy, self.lost, self.waits_for_hint = True, False, False
        context = multiprocessing.get_context("forkserver")
        self._pipe, theirs = context.Pipe()
        self._process: ForkServerProcess = context.Process(
            target=_work, args=(theirs, limits.cpu_seconds, limits.memory_bytes, limits.idle), daemon=True
        )
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return self._process.pid

    def send(self, message: Message) -> None:
        """Send an order, or a hint.

        Raises:
            SolverLost: the process has ended.
        """
        self.busy, self.waits_for_hint = True, message["kind"] == "decide"
        try:
            self._pipe.send(message)
        except (OSError, ValueError) as error:
            self.lost = True
            raise SolverLost from error

    def receive(self, seconds: float) -> Message | None:
        """Return the next message; None where there is none in time.

        Raises:
            SolverLost: the process has ended.
        """
        try:
            if not self._pipe.poll(max(0.0, seconds)):
                return None
            found: Message = self._pipe.recv()
        except (EOFError, OSError) as error:
            self.lost = True
            raise SolverLost from error
        self.busy = found["kind"] in _NOT_THE_LAST
        return found

    def end(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.join(5.0)
        self._pipe.close()


class Solvers:
    """A few processes of one kind.

    Args:
        limits: of all of them.
    """

    def __init__(self, limits: SolverLimits) -> None:
        self._limits = limits
        self._idle: queue.SimpleQueue[Solver] = queue.SimpleQueue()
        self._all: set[Solver] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._queued = 0
        #: Processes that ended, or took too long.
        self.lost = 0

    @property
    def pids(self) -> list[int]:
        """Ids of the processes that there are."""
        with self._lock:
            return sorted(solver.pid for solver in self._all if solver.pid is not None)

    @property
    def queue_length(self) -> float:
        """How many orders wait, for each process."""
        return self._queued / self._limits.processes

    def start(self) -> list[Message]:
        """Start all processes, and return what each says when it is warm.

        Raises:
            SolverLost: one of them did not begin.
        """
        return [self._warm(solver) for solver in [self._begin() for _ in range(self._limits.processes)]]

    @contextmanager
    def one(self, seconds: float) -> Iterator[Solver]:
        """Give a process for one order; one that still works on it when the caller leaves is waited for elsewhere.

        Raises:
            NoSolver: none is idle in time.
        """
        with self._lock:
            self._queued += 1
        try:
            solver = self._idle.get(timeout=max(0.0, seconds))
        except queue.Empty:
            raise NoSolver from None
        finally:
            with self._lock:
                self._queued -= 1
        try:
            yield solver
        finally:
            if solver.busy or solver.lost:
                threading.Thread(target=self._wait_for, args=(solver,), name="solver-wait", daemon=True).start()
            else:
                self._idle.put(solver)

    def ask(self, order: Message, *, seconds: float) -> Message:
        """Return the answer to an order that has one message.

        Raises:
            NoSolver: none was idle, or had an answer, in time.
            SolverLost: the process ended.
            ProblemError: something is wrong with the order.
        """
        until = time.monotonic() + seconds
        with self.one(seconds) as solver:
            solver.send(order)
            answer = solver.receive(until - time.monotonic())
        if answer is None:
            raise NoSolver
        return checked(answer)

    def close(self) -> None:
        """End the processes."""
        self._closed = True
        with self._lock:
            solvers = list(self._all)
            self._all.clear()
        for solver in solvers:
            solver.end()

    def _begin(self) -> Solver:
        solver = Solver(self._limits)
        with self._lock:
            self._all.add(solver)
        return solver

    def _warm(self, solver: Solver) -> Message:
        message = solver.receive(WARMING_SECONDS)
        if message is None:
            raise SolverLost
        self._idle.put(solver)
        return message

    def _wait_for(self, solver: Solver) -> None:
        """Have a process back when it is done, or another one in its place."""
        # Its own limit counts processor seconds; many more of the clock pass on a crowded machine.
        until = time.monotonic() + 10 * self._limits.cpu_seconds
        with suppress(SolverLost):
            while not solver.lost and solver.busy and time.monotonic() < until:
                message = solver.receive(1.0)
                if message is not None and message["kind"] == "instance" and solver.waits_for_hint:
                    solver.send(STOP)
        if not solver.busy and not solver.lost:
            self._idle.put(solver)
            return
        self.lost += 1
        with self._lock:
            self._all.discard(solver)
        solver.end()
        while not self._closed:
            with suppress(SolverLost):
                self._warm(self._begin())
                return
            time.sleep(1.0)


def checked(message: Message) -> Message:
    """Return a message that does not report a problem.

    Raises:
        ProblemError: it is one.
    """
    if message["kind"] == "problem":
        raise ProblemError(message["problem"])
    return message


def _work(*args: Any) -> None:
    """Work in the new process, which imports what it needs."""
    from qhybrid_pipelines.service.decisions.solver_process import work

    work(*args)
