"""Market split solvers: who comes closest to ``A x = b`` over 0 and 1, on plain integer arrays.

Throughout, ``coefficients`` is ``A``, shape ``(m, n)``, ``targets`` is ``b``, shape ``(m,)``; the value of ``x`` is the
squared residual ``|A x - b|^2``. All values are integers below 2**53 and therefore exact in float64.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.seeds import derive_seed_31bit, generator
from qhybrid_pipelines.problems.family import SolverResult
from qhybrid_pipelines.problems.solvers.cp_sat_solver import repeatable_solver
from qhybrid_pipelines.problems.solvers.row_blocks import BLOCK_BYTES, apply_in_blocks

I64 = npt.NDArray[np.int64]

#: Up to here two tables of 2**(n/2) sums are matched: 2 * 2**20 sums take about a second.
MAX_MATCHED = 40

#: Up to here all assignments are evaluated: 2**26 take about two seconds.
MAX_ENUMERATED = 26

#: CP-SAT's own unit of work, a few seconds each here; the same on every machine, unlike the clock.
MAX_DETERMINISTIC_TIME = 2.0


def residuals(coefficients: I64, targets: I64, rows: U8) -> F64:
    """Return ``A x - b`` of each row ``(k, n)``, shape ``(k, m)``; integers, exact in any order of addition."""
    matrix = coefficients.T.astype(np.float64)
    return apply_in_blocks(lambda block: block @ matrix - targets, rows, bytes_per_row=9 * len(matrix))


def descend(coefficients: I64, targets: I64, seed: int) -> U8:
    """Return ``(n,)``: from nothing chosen, always the flip that lowers the value most, until none does.

    Ties go by a seeded order. The value falls by at least 1 with each step, so this ends.
    """
    size = coefficients.shape[1]
    order = generator(seed, "market_split", "greedy").permutation(size)
    columns = coefficients[:, order]
    norms = (columns**2).sum(axis=0)
    chosen = np.zeros(size, dtype=np.int64)
    residual = -targets
    while True:
        step = 1 - 2 * chosen
        change = norms + 2 * step * (residual @ columns)
        best = int(np.argmin(change))
        if change[best] >= 0:
            break
        residual = residual + step[best] * columns[:, best]
        chosen[best] ^= 1
    assignment = np.zeros(size, dtype=np.uint8)
    assignment[order] = chosen
    return assignment


def solve(coefficients: I64, targets: I64, seed: int) -> SolverResult:
    """Return the best assignment by the strongest method that the size allows.

    Up to 40 variables, two tables of half sums are matched, which finds a solution without residual or proves that
    there is none (E. Horowitz, S. Sahni, J. ACM 21, 277 (1974)). Without one, up to 26 variables all assignments are
    evaluated; what is larger goes to CP-SAT with a deterministic limit of work.
    """
    size = coefficients.shape[1]
    least = 0
    if size <= MAX_MATCHED and _key_bits(coefficients) <= 62:
        found = _meet_in_the_middle(coefficients, targets)
        if found is not None:
            sums = 2 ** (size // 2) + 2 ** (size - size // 2)
            return SolverResult(assignment=found, optimal=True, bound=0.0, evaluations=sums)
        least = 1  # the residuals are integers
    if size <= MAX_ENUMERATED:
        assignment, value = _enumerate(coefficients, targets)
        return SolverResult(assignment=assignment, optimal=True, bound=value, evaluations=2**size)
    return _cp_sat(coefficients, targets, seed, least=least)


def _subset_sums(columns: I64) -> I64:
    """Return the sums of all subsets of ``k`` columns ``(k, m)``, shape ``(2**k, m)``; row ``b`` has the bits of ``b``."""
    sums = np.zeros((1, columns.shape[1]), dtype=np.int64)
    for column in columns:
        sums = np.concatenate([sums, sums + column])
    return sums


def _bits(word: int, width: int) -> U8:
    return np.array([word >> i & 1 for i in range(width)], dtype=np.uint8)


def _enumerate(coefficients: I64, targets: I64) -> tuple[U8, float]:
    """Return the best of all assignments (the first in counting order) and its value.

    With ``u = A_low x_low`` and ``v = A_high x_high - b`` the value is ``u.u + v.v + 2 u.v``: one product of two tables.
    """
    size = coefficients.shape[1]
    half = (size + 1) // 2
    low = _subset_sums(coefficients.T[:half]).astype(np.float64)
    high = _subset_sums(coefficients.T[half:]).astype(np.float64) - targets
    low_norms, high_norms = (low**2).sum(axis=1), (high**2).sum(axis=1)
    rows = max(1, BLOCK_BYTES // (16 * len(low)))
    best, best_word = math.inf, 0
    for start in range(0, len(high), rows):
        block = slice(start, start + rows)
        values = 2 * (high[block] @ low.T) + low_norms + high_norms[block, None]
        flat = int(np.argmin(values))
        if values.flat[flat] < best:
            best = float(values.flat[flat])
            best_word = (start + flat // len(low)) << half | flat % len(low)
    return _bits(best_word, size), best


def _radices(coefficients: I64) -> list[int]:
    """Return one more than the sum of each row: the base of its digit in the key that joins all rows."""
    return [total + 1 for total in coefficients.sum(axis=1).tolist()]


def _key_bits(coefficients: I64) -> int:
    return math.prod(_radices(coefficients)).bit_length()


def _meet_in_the_middle(coefficients: I64, targets: I64) -> U8 | None:
    """Return an assignment without residual, or None where there is none.

    All rows are joined into one number with a digit for each row; no digit can overflow, so that the rows are met
    exactly when the one number is.
    """
    radices = _radices(coefficients)
    if any(target >= radix for target, radix in zip(targets.tolist(), radices, strict=True)):
        return None
    place = np.array([math.prod(radices[:k]) for k in range(len(radices))], dtype=np.int64)
    keys, wanted = place @ coefficients, int(place @ targets)
    half = (len(keys) + 1) // 2
    low = _subset_sums(keys[:half, None]).ravel()
    high = wanted - _subset_sums(keys[half:, None]).ravel()
    order = np.argsort(low, kind="stable")
    position = np.minimum(np.searchsorted(low, high, sorter=order), len(low) - 1)
    hits = np.flatnonzero(low[order[position]] == high)
    if not len(hits):
        return None
    return _bits(int(hits[0]) << half | int(order[position[hits[0]]]), len(keys))


def _cp_sat(coefficients: I64, targets: I64, seed: int, *, least: int) -> SolverResult:
    """Return what CP-SAT finds from the greedy start; ``least`` is a proved lower bound of the value."""
    from ortools.sat.python import cp_model

    size = coefficients.shape[1]
    start = descend(coefficients, targets, seed)
    model = cp_model.CpModel()
    chosen = [model.new_bool_var(f"x{i}") for i in range(size)]
    squares = []
    for row, target in zip(coefficients.tolist(), targets.tolist(), strict=True):
        widest = max(target, sum(row) - target)
        residual = model.new_int_var(-target, sum(row) - target, "residual")
        square = model.new_int_var(0, widest**2, "square")
        model.add(residual == cp_model.LinearExpr.weighted_sum(chosen, row) - target)
        model.add_multiplication_equality(square, [residual, residual])
        squares.append(square)
    value = cp_model.LinearExpr.sum(squares)
    model.add(value >= least)
    model.minimize(value)
    for variable, bit in zip(chosen, start.tolist(), strict=True):
        model.add_hint(variable, bit)

    solver = repeatable_solver(seed=derive_seed_31bit(seed, "market_split", "cp_sat"), max_work=MAX_DETERMINISTIC_TIME)
    status = solver.solve(model)
    found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    assignment = np.array([solver.value(v) for v in chosen], dtype=np.uint8) if found else start
    return SolverResult(
        assignment=assignment,
        optimal=status == cp_model.OPTIMAL,
        bound=max(float(least), math.ceil(solver.best_objective_bound - 1e-6)) if found else float(least),
        evaluations=solver.num_branches,
    )
