"""Portfolio files of the OR-Library (``port1.txt`` ...): ``n``, ``n`` lines ``mean deviation``, then ``i j correlation``.

One triangle of the correlations including the diagonal, counted from 1. Means and deviations are per period; the
published files are weekly.
Source: T.-J. Chang, N. Meade, J. Beasley, Y. Sharaiha, Computers and Operations Research 27, 1271 (2000).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats.lines import Row, check_count, size_field, split_rows

#: Correlations are printed with 6 decimals; each may be off by half of the last one.
ROUNDING = 5e-7


@dataclass(frozen=True, kw_only=True)
class Assets:
    """Moments of the returns of ``n`` assets.

    Attributes:
        means: mean return per period, shape ``(n,)``.
        covariance: of the returns per period, shape ``(n, n)``, symmetric, positive semidefinite but for rounding.
    """

    means: F64
    covariance: F64


def read(text: str, *, file: str) -> Assets:
    """Return the moments of a file.

    Raises:
        InvalidInput: names the line and the remedy; or the correlations belong to no random variables at all.
    """
    header, *lines = split_rows(text, file=file)
    if len(header.fields) != 1:
        raise header.invalid(
            f"the header has {len(header.fields)} fields", "Start the file with the number of assets alone in its line."
        )
    size = size_field(header, 0, "the number of assets")
    check_count(header, size, lines[:size], "assets")
    moments = [_moments(row) for row in lines[:size]]
    correlations = _correlations(lines[size:], size, last=lines[-1])

    matrix = np.eye(size)
    for (i, j), value in correlations.items():
        matrix[i, j] = matrix[j, i] = value
    lowest = float(np.linalg.eigvalsh(matrix)[0])
    # Rounding of every entry by up to 5e-7 moves an eigenvalue by up to n times that.
    if lowest < -size * ROUNDING:
        raise InvalidInput(
            f"the correlations are not positive semidefinite: their lowest eigenvalue is {lowest:.3g}",
            remedy="No returns can have these correlations; estimate them from one common set of periods.",
            file=file,
        )
    deviations = np.array([deviation for _, deviation in moments])
    return Assets(means=np.array([mean for mean, _ in moments]), covariance=matrix * np.outer(deviations, deviations))


def _moments(row: Row) -> tuple[float, float]:
    if len(row.fields) != 2:
        raise row.invalid(
            f"the line has {len(row.fields)} fields instead of mean and deviation",
            "Write one such line for each asset before the correlations.",
        )
    mean, deviation = row.number(0, "the mean return"), row.number(1, "the standard deviation")
    if deviation < 0:
        raise row.invalid(f"the standard deviation is {deviation:g}", "A deviation is not negative.")
    return mean, deviation


def _correlations(rows: list[Row], size: int, *, last: Row) -> dict[tuple[int, int], float]:
    """Return the correlation of each pair ``i <= j``; every pair is in the file once."""
    values: dict[tuple[int, int], float] = {}
    lines: dict[tuple[int, int], int] = {}
    for row in rows:
        if len(row.fields) != 3:
            raise row.invalid(
                f"the line has {len(row.fields)} fields instead of `i j correlation`",
                "Complete the line; the file may be half-written.",
            )
        i, j = sorted((row.index(0, size, base=1), row.index(1, size, base=1)))
        value = row.number(2, "the correlation")
        if abs(value) > 1:
            raise row.invalid(f"the correlation {value:g} is outside -1 to 1", "Give correlations, not covariances.")
        if i == j and abs(value - 1) > ROUNDING:
            raise row.invalid(f"asset {i + 1} has correlation {value:g} with itself", "It must be 1.")
        if (i, j) in values:
            raise row.invalid(f"this pair is already in line {lines[i, j]}", "Remove one of the two lines.")
        values[i, j], lines[i, j] = value, row.line
    expected = size * (size + 1) // 2
    if len(values) < expected:
        pairs = itertools.combinations_with_replacement(range(size), 2)
        i, j = next(pair for pair in pairs if pair not in values)
        raise last.invalid(
            f"the correlation of assets {i + 1} and {j + 1} is missing; {len(values)} of {expected} are there",
            "Complete the file; it may be half-written.",
        )
    return values
