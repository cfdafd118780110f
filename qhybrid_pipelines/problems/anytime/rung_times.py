"""How long the rungs of the ladder take, as measured on this machine: a rung is begun only where that fits."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from qhybrid_pipelines.problems.anytime.ladder import GREEDY
from qhybrid_pipelines.problems.evaluation import Problem

#: Times that are remembered of a rung; the load of a machine changes, and old times say less.
REMEMBERED = 400
#: Below so many times, no percentile: the longest one, and as much again.
FEW = 40
_PERCENT = 99

#: Family, size and rung.
RungKey = tuple[str, int, str]


def size_class(problem: Problem) -> int:
    """Return the power of two that variables and couplings together lie below: instances of a class take about as long."""
    return problem.cells_per_row.bit_length()


@dataclass
class RungTimes:
    """The times of the rungs, by family, size and rung; one thread at a time."""

    _seconds: dict[RungKey, deque[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, known: Mapping[RungKey, Iterable[float]]) -> RungTimes:
        """Return the times that were kept, oldest first."""
        return cls({key: deque(seconds, REMEMBERED) for key, seconds in known.items()})

    def add(self, key: RungKey, seconds: float) -> None:
        """Note that a rung took so long."""
        self._seconds.setdefault(key, deque(maxlen=REMEMBERED)).append(seconds)

    def p99(self, key: RungKey) -> float | None:
        """Return the time that 99 of 100 runs stay below, in seconds; None where it was never measured."""
        times = sorted(self._seconds.get(key, ()))
        if not times:
            return None
        return 2 * times[-1] if len(times) < FEW else times[-(-_PERCENT * len(times) // 100) - 1]

    def fits(self, key: RungKey, seconds: float) -> bool:
        """Return whether a rung may be begun with so many seconds left.

        Greedy always may: it is the answer that there is when nothing else fits. A rung that was never measured may not.
        """
        if key[2] == GREEDY:
            return True
        known = self.p99(key)
        return known is not None and known <= seconds

    def kept(self) -> dict[RungKey, list[float]]:
        """Return the times to be kept, oldest first."""
        return {key: list(seconds) for key, seconds in self._seconds.items()}
