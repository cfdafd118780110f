"""Quadratic functions of 0 and 1: the neutral value of matrix formats, and sums over pairs for many rows at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.ising import F64

#: Cells of the dense blocks that `pair_sums` works in; 2**22 float64 are 32 MB.
_BLOCK_CELLS = 1 << 22


@dataclass(frozen=True, kw_only=True)
class QuadraticForm:
    """``f(x) = offset + sum_i linear_i x_i + sum_{i<j} quadratic_ij x_i x_j`` over 0 and 1.

    Attributes:
        names: names of the variables, distinct.
        linear: shape ``(n,)``; the diagonal of a matrix belongs here, because ``x * x = x``.
        pairs: index pairs ``i < j``, shape ``(m, 2)``, sorted, distinct.
        quadratic: what is added when both variables of the pair are 1, shape ``(m,)``.
        offset: constant part.
        negated: its source is to be maximised, and this is the negative of it.
    """

    names: tuple[str, ...]
    linear: F64
    pairs: npt.NDArray[np.int32]
    quadratic: F64
    offset: float
    negated: bool = False

    def negative(self) -> QuadraticForm:
        """Return the form to minimise where this one is to be maximised."""
        return replace(
            self, linear=-self.linear, quadratic=-self.quadratic, offset=-self.offset, negated=not self.negated
        )


def make_quadratic_form(
    names: Iterable[str], entries: Iterable[tuple[int, int, float]], *, offdiagonal_factor: float, offset: float = 0.0
) -> QuadraticForm:
    """Return the form of matrix entries ``(i, j, value)``, ``i <= j``, each pair once; zeros are dropped.

    Args:
        names: names of the variables.
        entries: entries of the matrix in any order.
        offdiagonal_factor: 2 where the entry stands for both halves of a symmetric matrix, otherwise 1.
        offset: constant part.
    """
    names = tuple(names)
    linear = np.zeros(len(names))
    rows = []
    for i, j, value in entries:
        if i == j:
            linear[i] = value
        elif value:
            rows.append((i, j, value * offdiagonal_factor))
    rows.sort()
    return QuadraticForm(
        names=names,
        linear=linear,
        pairs=np.array([row[:2] for row in rows], dtype=np.int32).reshape(-1, 2),
        quadratic=np.array([row[2] for row in rows], dtype=np.float64),
        offset=offset,
    )


def sum_of_products(size: int, *parts: tuple[npt.NDArray[Any], npt.NDArray[Any]]) -> tuple[npt.NDArray[np.int32], F64]:
    """Return pairs ``(m, 2)``, sorted and distinct, and coefficients ``(m,)`` of several sums of products; zeros are dropped.

    Args:
        size: number of variables.
        *parts: pairs ``i < j``, ``(k, 2)``, and what each product counts, ``(k,)``.
    """
    from scipy.sparse import coo_array

    pairs = np.concatenate([pairs for pairs, _ in parts]).astype(np.int64)
    values = np.concatenate([values for _, values in parts]).astype(np.float64)
    found = coo_array((values, (pairs[:, 0], pairs[:, 1])), shape=(size, size)).tocsr().tocoo()
    order = np.lexsort((found.col, found.row))
    kept = order[found.data[order] != 0]
    return np.stack([found.row[kept], found.col[kept]], axis=1).astype(np.int32), found.data[kept]


def pair_sums(values: npt.NDArray[Any], pairs: npt.NDArray[np.int32], coefficients: F64) -> F64:
    """Return ``sum_(i,j) c_ij v_i v_j`` of each row of an ``(m, n)`` matrix, shape ``(m,)``.

    Works through a sparse matrix in blocks of rows: the sum of a row does not depend on other rows, so that
    scores are bit-identical however they are batched.
    """
    from scipy.sparse import csr_array

    rows, n = values.shape
    matrix = csr_array((coefficients, (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    sums = np.zeros(rows)
    step = max(1, _BLOCK_CELLS // max(n, 1))
    for start in range(0, rows, step):
        block = np.ascontiguousarray(values[start : start + step].T, dtype=np.float64)
        products = np.asarray(block * (matrix @ block), dtype=np.float64)
        # Summed along contiguous memory; across it NumPy's order of addition would depend on the number of rows.
        sums[start : start + step] = np.ascontiguousarray(products.T).sum(axis=1)
    return sums
