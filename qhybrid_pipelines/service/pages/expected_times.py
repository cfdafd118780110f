"""How long a job will take, as far as jobs like it tell: the middle and the slow end of the last ones on its backend."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from qhybrid_pipelines.control.ledger.port import Ledger
from qhybrid_pipelines.control.reporting.ledger_tables import latency
from qhybrid_pipelines.core.jobs.job_states import JobState
from qhybrid_pipelines.core.system.clock import SYSTEM_CLOCK, Clock
from qhybrid_pipelines.service.pages.job_index import JobIndex

#: Fewer jobs than this say nothing about the next one.
FEWEST, MOST = 10, 50
#: An answer is good for so long.
KEPT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ExpectedSeconds:
    """What jobs on a backend took with their provider, in seconds; None where too few are known, and ``basis`` says what it rests on."""

    p50: float | None
    p90: float | None
    jobs: int
    basis: str


class ExpectedTimes:
    """Tells what to expect, by backend.

    Args:
        ledger: has the events of the jobs.
        index: knows which are the last ones.
        clock: tells the time.
    """

    def __init__(self, ledger: Ledger, index: JobIndex, clock: Clock = SYSTEM_CLOCK) -> None:
        self._ledger, self._index, self._clock = ledger, index, clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, ExpectedSeconds]] = {}

    def on(self, backend: str) -> ExpectedSeconds:
        """Return what to expect on a backend."""
        with self._lock:
            at, found = self._known.get(backend, (0.0, None))
            if found is None or self._clock.monotonic() - at > KEPT_SECONDS:
                found = self._measured(backend)
                self._known[backend] = (self._clock.monotonic(), found)
            return found

    def _measured(self, backend: str) -> ExpectedSeconds:
        seconds = []
        for one in self._index.newest(backend, JobState.VERIFIED, MOST):
            took = latency(self._ledger.job(one.job), self._ledger.events(one.job)).provider_seconds
            if took is not None:
                seconds.append(took)
        if len(seconds) < FEWEST:
            basis = f"only {len(seconds)} jobs on {backend} have a result and known times, and {FEWEST} are needed"
            return ExpectedSeconds(None, None, len(seconds), basis)
        middle, late = np.quantile(seconds, [0.5, 0.9])
        basis = f"the last {len(seconds)} jobs on {backend} that have a result: queue and execution there"
        return ExpectedSeconds(float(middle), float(late), len(seconds), basis)
