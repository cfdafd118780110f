"""The processes that check and estimate what came over the network: warm, limited, and replaced when one is lost.

They are forked from a process that has imported everything already and does nothing else, so that a new one takes some
milliseconds, and an expensive request costs its sender the refusal and nobody else a restart.
"""

from __future__ import annotations

import multiprocessing
import queue
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import MappingProxyType
from typing import Any

from qhybrid_pipelines.service.intake.network_request import NetworkRequest
from qhybrid_pipelines.service.problem_documents import ProblemError, invalid, overloaded

_PROCESS_MODULE = "qhybrid_pipelines.service.intake.check_process"
#: Answers that are kept, so that equal requests are checked once.
_REMEMBERED = 512
#: Until a new process must have answered for the first time; a crowded machine imports slowly.
WARMING_SECONDS = 180.0
_NOTHING: Mapping[str, bytes] = MappingProxyType({})
_WARM_UP: dict[str, Any] = {
    "specification": {"name": "warm-up", "problem": {"family": "maxcut", "source": "networkx:bull"}},
    "files": {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one order may take.

    Attributes:
        cpu_seconds: of the process that answers; more ends it.
        clock_seconds: until the answer; a crowded machine is slower than its processor's time.
        memory_bytes: on top of what such a process has when it begins.
        processes: how many answer at a time.
        most_waiting: orders that wait for one of them; more are refused.
    """

    cpu_seconds: float = 2.0
    clock_seconds: float = 30.0
    memory_bytes: int = 2**30
    processes: int = 2
    most_waiting: int = 64


class Checkers:
    """A few processes that answer orders.

    Args:
        home: whose backends, prices and ledger.
        backends: names of the backends that exist.
        limits: of each order.
    """

    def __init__(self, home: Path, backends: tuple[str, ...], limits: Limits) -> None:
        self._home, self._backends, self._limits = home, backends, limits
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(limits.processes):
            self._idle.put(None)  # started when it is needed
        self._waiting = 0
        self._lock = threading.Lock()
        self._remembered: OrderedDict[tuple[str, str], dict[str, Any]] = OrderedDict()
        self._all: set[_Worker] = set()
        self._closed = False
        self.lost = 0

    def warm(self, kind: str) -> None:
        """Start all processes, and return when each has answered an order of a kind.

        Raises:
            RuntimeError: one of them did not.
        """
        workers = [self._idle.get() or self._start() for _ in range(self._limits.processes)]
        for worker in workers:
            answer = worker.ask({"kind": kind, **_WARM_UP, "warming": True}, seconds=WARMING_SECONDS)
            if answer is None or "problem" in answer:
                raise RuntimeError(f"a process that should {kind} did not begin: {answer}")
            self._idle.put(worker)

    def check(self, request: NetworkRequest, uploads: Mapping[str, bytes] = _NOTHING) -> dict[str, Any]:
        """Return the experiment that a request means, checked as registration would; equal requests are checked once.

        Args:
            request: as it was read.
            uploads: the contents of its uploads, by name.

        Raises:
            ProblemError: something is wrong with it, it takes too much, or too many wait.
        """
        return self._remember("check", request, uploads)

    def estimate(self, request: NetworkRequest, uploads: Mapping[str, bytes] = _NOTHING) -> dict[str, Any]:
        """Return what a request would cost now; arguments as for `check`.

        Raises:
            ProblemError: as for `check`.
        """
        return self._ask("estimate", request, uploads)

    def report(self, experiment: str) -> str:
        """Return the report of a registered experiment as a page.

        Raises:
            ProblemError: it takes too much, or too many wait.
        """
        answer = self._answer({"kind": "report", "experiment": experiment})
        if answer is None:
            raise invalid(
                f"drawing this report took more than {self._limits.cpu_seconds:g} s of processor time",
                remedy="`qhybrid report` on the machine of this home draws it without a limit.",
            )
        return str(answer["page"])

    def close(self) -> None:
        """End the processes."""
        self._closed = True
        with self._lock:
            workers = list(self._all)
        for worker in workers:
            worker.end()

    def _remember(self, kind: str, request: NetworkRequest, uploads: Mapping[str, bytes]) -> dict[str, Any]:
        place = (kind, request.fingerprint)
        with self._lock:
            if place in self._remembered:
                self._remembered.move_to_end(place)
                return self._remembered[place]
        answer = self._ask(kind, request, uploads)
        with self._lock:
            self._remembered[place] = answer
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        return answer

    def _ask(self, kind: str, request: NetworkRequest, uploads: Mapping[str, bytes]) -> dict[str, Any]:
        files = {name: text.encode() for name, text in request.files.items()}
        order = {"kind": kind, "specification": request.specification, "files": {**files, **uploads}}
        answer = self._answer(order)
        if answer is None:
            raise invalid(
                f"checking it took more than {self._limits.cpu_seconds:g} s of processor time or "
                f"{self._limits.memory_bytes // 2**20} MB of memory, the limit for one request",
                remedy="Make the instance smaller; a large one goes through the inbox or `qhybrid run`.",
                field="specification",
            )
        return answer

    def _answer(self, order: dict[str, Any]) -> dict[str, Any] | None:
        """Return the answer to an order; None where it took too much, and its process was lost."""
        with self._worker() as place:
            answer = place.worker.ask(order, seconds=self._limits.clock_seconds)
            place.lost = answer is None
        if answer is None:
            self.lost += 1
        elif "problem" in answer:
            raise ProblemError(answer["problem"])
        return answer

    @contextmanager
    def _worker(self) -> Iterator[_Place]:
        with self._lock:
            if self._closed or self._waiting >= self._limits.most_waiting:
                raise overloaded("Too many requests wait to be checked.", seconds=2)
            self._waiting += 1
        try:
            worker = self._idle.get()
        finally:
            with self._lock:
                self._waiting -= 1
        place = None
        try:
            place = _Place(worker or self._start())
            yield place
        finally:
            if place is None or place.lost:
                if place is not None:
                    self._forget(place.worker)
                self._idle.put(None)
            else:
                self._idle.put(place.worker)

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([_PROCESS_MODULE])
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_work,
            args=(theirs, self._home, self._backends, self._limits.cpu_seconds, self._limits.memory_bytes),
            daemon=True,
        )
        process.start()
        theirs.close()
        worker = _Worker(process, ours)
        with self._lock:
            self._all.add(worker)
        return worker

    def _forget(self, worker: _Worker) -> None:
        worker.end()
        with self._lock:
            self._all.discard(worker)


class _Place:
    """A process that somebody has for one order."""

    def __init__(self, worker: _Worker) -> None:
        self.worker, self.lost = worker, True  # until it has answered


class _Worker:
    """One process, and our end of its pipe."""

    def __init__(self, process: ForkServerProcess, pipe: Connection) -> None:
        self._process, self._pipe = process, pipe

    def ask(self, order: dict[str, Any], *, seconds: float) -> dict[str, Any] | None:
        """Return the answer to an order; None where the process was lost, or gave none in time."""
        try:
            self._pipe.send(order)
            if not self._pipe.poll(seconds):
                return None
            answer: dict[str, Any] = self._pipe.recv()
        except (EOFError, OSError):
            return None
        return answer

    def end(self) -> None:
        """End it, whatever it does."""
        self._pipe.close()
        self._process.kill()
        self._process.join(5.0)


def _work(*args: Any) -> None:
    """Work in the new process; what it needs was imported where it was forked from."""
    from qhybrid_pipelines.service.intake.check_process import work

    work(*args)
