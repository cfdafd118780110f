"""How long the solution methods take, as measured on this machine: a method is begun only if that fits."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from qhybrid_pipelines.problems.anytime.solution_methods import GREEDY
from qhybrid_pipelines.problems.evaluation import Problem

#: Times that are remembered of a method.
REMEMBERED = 400
#: The load of a machine changes: older times count only where there are few newer ones [s].
RECENT_SECONDS = 600.0
#: Below so many times, no percentile: the longest one, and as much again.
FEW = 40
_PERCENT = 99

#: Family, size and method.
MethodKey = tuple[str, int, str]


def size_class(problem: Problem) -> int:
    """Return the power of two that variables and couplings together lie below: instances of a class take about as long."""
    return problem.cells_per_row.bit_length()


@dataclass
class MethodTimes:
    """The times of the methods, by family, size and method; one thread at a time. Moments are seconds of any clock that goes on."""

    _seconds: dict[MethodKey, deque[tuple[float, float]]] = field(default_factory=dict)

    @classmethod
    def of(cls, known: Mapping[MethodKey, Iterable[float]], *, at: float) -> MethodTimes:
        """Return times that were stored, oldest first, as if they had been measured at that moment."""
        return cls({key: deque(((at, one) for one in seconds), REMEMBERED) for key, seconds in known.items()})

    def add(self, key: MethodKey, seconds: float, *, at: float) -> None:
        """Note that a method took so long."""
        self._seconds.setdefault(key, deque(maxlen=REMEMBERED)).append((at, seconds))

    def count(self, key: MethodKey) -> int:
        """Return how many times of a method are remembered."""
        return len(self._seconds.get(key, ()))

    def p99(self, key: MethodKey, *, at: float) -> float | None:
        """Return the time that 99 of 100 runs stay below, in seconds; None where it was never measured."""
        times = self._recent(key, at)
        if not times:
            return None
        return 2 * times[-1] if len(times) < FEW else times[-(-_PERCENT * len(times) // 100) - 1]

    def median(self, key: MethodKey, *, at: float) -> float | None:
        """Return the time that half of the runs stay below, in seconds; None where it was never measured."""
        times = self._recent(key, at)
        return times[len(times) // 2] if times else None

    def fits(self, key: MethodKey, seconds: float, *, at: float) -> bool:
        """Return whether a method may be begun with so many seconds left.

        Greedy always may: it is the answer that there is when nothing else fits. A method that was never measured may not.
        """
        if key[2] == GREEDY:
            return True
        known = self.p99(key, at=at)
        return known is not None and known <= seconds

    def to_dict(self) -> dict[MethodKey, list[float]]:
        """Return all times, oldest first."""
        return {key: [seconds for _, seconds in times] for key, times in self._seconds.items()}

    def _recent(self, key: MethodKey, at: float) -> list[float]:
        """Return the times that count, shortest first."""
        times = self._seconds.get(key, ())
        recent = [seconds for moment, seconds in times if moment >= at - RECENT_SECONDS]
        return sorted(recent if len(recent) >= FEW else (seconds for _, seconds in times))
