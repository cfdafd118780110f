"""Matrices of cases of which a part that meets every row and every column stands in the test command, the rest in `make test-long`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest


def covered(rows: Sequence[Any], columns: Sequence[Any], *, columns_per_row: int = 1) -> list[Any]:
    """Return all pairs as parameters, those marked `long` that no row and no column needs.

    Args:
        rows: of the matrix.
        columns: of the matrix; not more than there are rows.
        columns_per_row: how many pairs of each row the test command tries, in turn, so that each column comes up.

    Raises:
        ValueError: a column would come up in no row.
    """
    if len(rows) * columns_per_row < len(columns):
        raise ValueError(f"{len(rows)} rows do not meet each of {len(columns)} columns")
    return [
        pytest.param(row, column)
        if (j - i * columns_per_row) % len(columns) < columns_per_row
        else pytest.param(row, column, marks=pytest.mark.long)
        for (i, row), (j, column) in product(enumerate(rows), enumerate(columns))
    ]


def others_are_long(members: Sequence[Any], *quick: Any) -> list[Any]:
    """Return all members as parameters, those marked `long` that are not named.

    Raises:
        ValueError: one that is named is not a member.
    """
    if missing := [member for member in quick if member not in members]:
        raise ValueError(f"not among the members: {missing}")
    return [member if member in quick else pytest.param(member, marks=pytest.mark.long) for member in members]
