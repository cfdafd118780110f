"""Functions of many assignments in blocks of rows: memory stays bounded, and a row's value does not depend on others.

A matrix-vector product of a BLAS library rounds a row differently depending on its place in the matrix; the families
therefore add element by element, so that a table is bit-identical however its rows were split.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.bits import U8
from qhybrid_pipelines.core.binary_models.ising import F64

#: Working memory of one block.
BLOCK_BYTES = 2**26

Array = TypeVar("Array", bound=npt.NDArray[Any])


def apply_in_blocks(function: Callable[[U8], Array], rows: U8, *, bytes_per_row: int) -> Array:
    """Return ``function`` of ``rows`` ``(m, n)``, applied to blocks that need at most 64 MiB of working memory.

    Args:
        function: takes rows, C-ordered, and returns an array with one entry (or row) for each.
        rows: shape ``(m, n)``.
        bytes_per_row: working memory of the function for each row.
    """
    blocks = 1 + len(rows) * bytes_per_row // BLOCK_BYTES
    contiguous = np.ascontiguousarray(rows)
    if blocks == 1:
        return function(contiguous)
    joined: Any = np.concatenate([function(block) for block in np.array_split(contiguous, blocks)])
    result: Array = joined
    return result


def weighted_sums(weights: F64, rows: U8) -> F64:
    """Return the sum of the chosen weights of each row ``(m, n)``, shape ``(m,)``."""
    size = len(weights)
    return apply_in_blocks(lambda block: (block * weights).sum(axis=1), rows, bytes_per_row=9 * size)
