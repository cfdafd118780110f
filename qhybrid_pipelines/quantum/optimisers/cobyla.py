"""COBYLA, asked one point at a time: SciPy's own runs from the start, and is answered from what was measured.

SciPy's optimiser calls a function and cannot be stopped in between. Here the function knows the measured values, in the order in which
they were asked for, and the run ends with the first point that was not measured yet. It is deterministic, so that the same answers lead
to the same question in every process.

Source: M. J. D. Powell, in Advances in Optimization and Numerical Analysis, 51 (1994); `scipy.optimize.minimize`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.quantum.optimisers.search import MeasuredStep, Search

#: First and last radius of the trust region, in units of the angles.
FIRST_RADIUS, LAST_RADIUS = 0.5, 0.02
#: A measured point within this of the one that is asked for is that one; in units of the angles.
SAME_POINT = 1e-6


def ask(search: Search, history: Sequence[MeasuredStep]) -> F64 | None:
    """Return the next point, shape ``(1, angles)``, radians; None where the trust region has shrunk to its last radius.

    Where the points that were measured are not those that this version of SciPy asks for, it starts anew around the best of them.
    """
    points, values = search.told(history)
    begin, answers = 0, list(zip(points, values, strict=True))
    origin: list[tuple[F64, float]] = []
    while True:
        try:
            _run(search.size, [*origin, *answers[begin:]])
        except _NotMeasuredError as asked:
            return search.to_angles(asked.point[None])
        except _OtherPointError as other:
            begin = max(begin + other.number - len(origin), begin + 1)
            origin = [min(answers[:begin], key=lambda answer: answer[1])]
        else:
            return None


class _NotMeasuredError(Exception):
    """COBYLA asks for a point that was not measured yet."""

    def __init__(self, point: F64) -> None:
        super().__init__()
        self.point = point


class _OtherPointError(Exception):
    """COBYLA asks for another point than the one that was measured in this place."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def _run(size: int, answers: Sequence[tuple[F64, float]]) -> None:
    from scipy.optimize import minimize

    number = 0

    def answer(point: F64) -> float:
        nonlocal number
        if number == len(answers):
            raise _NotMeasuredError(np.array(point))
        known, value = answers[number]
        if np.abs(known - point).max() > SAME_POINT:
            raise _OtherPointError(number)
        number += 1
        return float(value)

    start = answers[0][0] if answers else np.zeros(size)
    # More evaluations than any loop has steps: the loop decides when it has had enough.
    minimize(
        answer,
        start,
        method="COBYLA",
        options={"rhobeg": FIRST_RADIUS, "tol": LAST_RADIUS, "maxiter": len(answers) + size + 10},
    )
