"""Choosing exactly ``K`` of ``n`` at the least quadratic cost: relaxation, proved bounds and what follows from them.

Two identities carry this module. Over 0 and 1, ``x * x = x``, so a multiple of the identity may be moved between the
matrix and the linear part; that makes any matrix convex, and the relaxation of a convex one tighter. And a convex
function lies above its tangents, so the gradient at any point bounds every choice from below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64

I64 = npt.NDArray[np.int64]

RELAXATION_STEPS = 1000

#: Two values closer than this, relative to the largest coefficient, count as equal in searches.
RELATIVE_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class CardinalityProblem:
    """Minimise ``linear @ x + x @ matrix @ x`` over ``x`` in 0 and 1 with ``sum x = chosen``.

    Attributes:
        linear: shape ``(n,)``.
        matrix: shape ``(n, n)``, symmetric; its diagonal counts.
        chosen: how many are to be chosen, 0 to ``n``.
    """

    linear: F64
    matrix: F64
    chosen: int

    @property
    def size(self) -> int:
        """Number of candidates."""
        return len(self.linear)

    @property
    def tolerance(self) -> float:
        """Difference of values below which a search takes them for equal; proofs go by :attr:`rounding`."""
        return RELATIVE_TOLERANCE * float(np.abs(self.linear).max(initial=0) + np.abs(self.matrix).max(initial=0))

    @property
    def rounding(self) -> float:
        """Bound on the rounding of a value, of a tangent and of what a rounded eigenvalue makes of them.

        A value adds at most ``n * (chosen + 1)`` terms. A computed eigenvalue is off by a small multiple of ``eps``
        times ``n`` times the largest row sum, and counts once for every one of ``chosen`` and of the point.
        """
        largest = float(np.abs(self.linear).max(initial=0) + self.size * np.abs(self.matrix).max(initial=0))
        return 16 * float(np.finfo(np.float64).eps) * self.size * (self.chosen + 1) * largest

    def value(self, x: U8) -> float:
        """Return the value of one row ``(n,)``."""
        point = x.astype(np.float64)
        return float(self.linear @ point + point @ self.matrix @ point)

    def costs(self, x: U8) -> F64:
        """Return what each candidate adds to the value of the others that ``x`` chooses, shape ``(n,)``."""
        point = x.astype(np.float64)
        return np.asarray(self.linear + np.diag(self.matrix) * (1 - 2 * point) + 2 * (self.matrix @ point))

    def subproblem(self, ones: I64, free: I64) -> CardinalityProblem:
        """Return the problem over ``free`` once ``ones`` are chosen; values differ by a constant."""
        linear = self.linear[free] + 2 * self.matrix[np.ix_(free, ones)].sum(axis=1)
        return CardinalityProblem(linear=linear, matrix=self.matrix[np.ix_(free, free)], chosen=self.chosen - len(ones))


@dataclass(frozen=True, kw_only=True)
class Relaxation:
    """A point of the box ``0 <= x <= 1``, ``sum x = chosen``, and the tangent of a convex form of the value there.

    Attributes:
        point: shape ``(n,)``, close to the minimum.
        gradient: shape ``(n,)``; ``base + gradient @ x`` is at most the value of every choice ``x``.
        base: see there.
    """

    point: F64
    gradient: F64
    base: float


def relax(problem: CardinalityProblem) -> Relaxation:
    """Return the box relaxation by accelerated projected gradient with a fixed number of steps.

    The lowest eigenvalue is moved from the diagonal to the linear part, so that the matrix is just positive
    semidefinite. Source of the iteration: A. Beck, M. Teboulle, SIAM J. Imaging Sciences 2, 183 (2009).
    """
    eigenvalues = np.linalg.eigvalsh(problem.matrix)
    lowest, spread = float(eigenvalues[0]), float(eigenvalues[-1] - eigenvalues[0])
    linear, matrix = problem.linear + lowest, problem.matrix - lowest * np.eye(problem.size)
    point = ahead = np.full(problem.size, problem.chosen / problem.size)
    if spread > problem.tolerance:
        momentum = 1.0
        for _ in range(RELAXATION_STEPS):
            step = _project(ahead - (linear + 2 * matrix @ ahead) / (2 * spread), problem.chosen)
            following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
            ahead = step + (momentum - 1) / following * (step - point)
            point, momentum = step, following
    gradient = linear + 2 * matrix @ point
    base = float(linear @ point + point @ matrix @ point - gradient @ point)
    return Relaxation(point=point, gradient=gradient, base=base)


def _project(point: F64, total: int) -> F64:
    """Return the nearest point with all entries in 0 to 1 that add up to ``total``: ``clip(point - t, 0, 1)``.

    The sum falls with ``t`` in straight pieces between the breakpoints ``point`` and ``point - 1``.
    """
    ordered = np.sort(point)
    above = np.concatenate([np.cumsum(ordered[::-1])[::-1], [0.0]])

    def excess(t: F64) -> F64:
        """Return ``sum max(point - t, 0)``."""
        first = np.searchsorted(ordered, t, side="right")
        return np.asarray(above[first] - (len(point) - first) * t)

    breaks = np.sort(np.concatenate([point, point - 1]))
    sums = excess(breaks) - excess(breaks + 1)
    nearest: F64 = np.clip(point - np.interp(total, sums[::-1], breaks[::-1]), 0, 1)
    return nearest


def lower_bound(problem: CardinalityProblem, relaxation: Relaxation) -> float:
    """Return a proved lower bound on the value of every choice; rounding is taken off."""
    return relaxation.base + float(np.sort(relaxation.gradient)[: problem.chosen].sum()) - problem.rounding


def fix_by_bound(problem: CardinalityProblem, incumbent: float) -> tuple[I64, I64]:
    """Return ``(ones, zeros)``: what every choice that is not worse than ``incumbent`` has in common.

    A candidate is left out where the tangent says that every choice with it is worse than the incumbent, and taken
    where every choice without it is. Repeated on what remains, where the relaxation is tighter, until nothing changes.
    """
    ones, zeros = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    free = np.arange(problem.size)
    while 0 < (part := problem.subproblem(ones, free)).chosen < part.size:
        tangent = relax(part)
        ordered = np.sort(tangent.gradient)
        cheapest, last, following = ordered[: part.chosen].sum(), ordered[part.chosen - 1], ordered[part.chosen]
        chosen = np.zeros(problem.size, dtype=np.uint8)
        chosen[ones] = 1
        limit = incumbent - problem.value(chosen) - tangent.base + problem.rounding
        never = cheapest - last + np.maximum(tangent.gradient, last) > limit
        always = cheapest + np.maximum(following - tangent.gradient, 0) > limit
        if not (never | always).any():
            return ones, zeros
        ones, zeros = np.concatenate([ones, free[always]]), np.concatenate([zeros, free[never]])
        free = free[~(never | always)]
    if part.chosen == part.size:
        return np.concatenate([ones, free]), zeros
    return ones, np.concatenate([zeros, free])


def most_promising_subset(problem: CardinalityProblem, incumbent: U8, size: int) -> tuple[I64, I64]:
    """Return ``(ones, zeros)`` that leave ``size`` candidates free: a heuristic, which keeps ``incumbent`` within reach.

    With the incumbent's candidates first and then the others, both in descending order of their relaxed weight, the
    free ones are a window from the top; where ``chosen`` is more than half of ``size``, it starts so far below the top
    that the incumbent's last candidate is in its middle.
    """
    relaxation = relax(problem)
    order = np.lexsort((relaxation.gradient, -np.round(relaxation.point, 9), incumbent == 0))
    start = min(max(0, problem.chosen - size // 2), problem.size - size)
    return order[:start], order[start + size :]


def smallest_exact_penalty(problem: CardinalityProblem) -> float:
    """Return a weight ``a`` such that above it every minimum of ``value + a * (sum x - chosen)^2`` has ``chosen`` ones.

    It is what a step towards ``chosen`` can cost at its cheapest. Adding ``i`` to at most ``chosen - 1`` others costs
    at most ``u_i``, its own term and the ``chosen - 1`` largest of its pair terms above 0. Of any ``chosen``
    candidates at least one is still out, so that the cheapest addition costs at most the ``chosen``-th smallest ``u``.
    Likewise the cheapest removal costs at most the ``(n - chosen)``-th smallest ``v``, where ``v_i`` is what removing
    ``i`` costs when all its pair terms below 0, and none above, are lost with it.
    """
    own, terms = problem.linear + np.diag(problem.matrix), 2 * problem.matrix
    np.fill_diagonal(terms, 0)
    most_to_add = own + np.sort(np.maximum(terms, 0), axis=1)[:, ::-1][:, : problem.chosen - 1].sum(axis=1)
    most_to_remove = -own - np.minimum(terms, 0).sum(axis=1)
    adding = np.sort(most_to_add)[problem.chosen - 1]
    removing = np.sort(most_to_remove)[problem.size - problem.chosen - 1] if problem.chosen < problem.size else adding
    return float(max(adding, removing))
