"""What in a table may make scores look better than they are: each suspicion in a sentence, for the card and the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.ising import F64

#: Fewer rows than this are separated by some column by chance.
LEAST_ROWS = 20
#: Rows nearer than this in every column, in standard deviations of the column, nearly repeat each other.
NEAR = 1e-3
#: More columns than this are not searched for near repetitions.
MOST_COLUMNS = 64
_NAMED = 3


def suspicions(
    features: F64, labels: npt.NDArray[np.int64], names: Sequence[str], *, groups: npt.NDArray[Any] | None
) -> list[str]:
    """Return what a reader should know before he believes a score, one sentence each.

    Args:
        features: shape ``(rows, columns)``.
        labels: class index per row, shape ``(rows,)``.
        names: of the columns.
        groups: of the rows, if they are known; near repetitions within a group do no harm.
    """
    found = []
    separating = [name for name, column in zip(names, features.T, strict=True) if separates(column, labels)]
    if separating:
        listed = ", ".join(repr(name) for name in separating[:_NAMED])
        more = f" and {len(separating) - _NAMED} more" if len(separating) > _NAMED else ""
        found.append(
            f"Separated by one column alone: {listed}{more}. Check that it was known before the label was; else leave it out with "
            "dataset.exclude."
        )
    if len(labels) >= LEAST_ROWS and np.count_nonzero(np.diff(labels)) == len(np.unique(labels)) - 1:
        found.append(
            "The rows are sorted by class. Folds are drawn at random, so that this does no harm by itself; but classes that were recorded one "
            "after the other may differ by what changed in between."
        )
    near = near_repetitions(features, groups)
    if near:
        found.append(
            f"{near} rows nearly repeat an earlier one, so that a test row may have been trained on: if they belong together, name the "
            "column that says so as dataset.group."
        )
    return found


def separates(column: F64, labels: npt.NDArray[np.int64]) -> bool:
    """Tell whether thresholds on one column are enough to tell all classes apart, one interval for each."""
    if len(labels) < LEAST_ROWS:
        return False
    order = np.argsort(column, kind="stable")
    values, classes = column[order], labels[order]
    changes = np.flatnonzero(np.diff(classes))
    return len(changes) == len(np.unique(labels)) - 1 and bool((values[changes] < values[changes + 1]).all())


def near_repetitions(features: F64, groups: npt.NDArray[Any] | None = None) -> int:
    """Return how many rows are nearly, but not exactly, equal to an earlier row of another group."""
    if features.shape[1] > MOST_COLUMNS:
        return 0
    from scipy.spatial import cKDTree

    scaled = (features - features.mean(axis=0)) / np.where(features.std(axis=0) > 0, features.std(axis=0), 1.0)
    first = np.unique(scaled, axis=0, return_index=True)[1]
    distinct = scaled[np.sort(first)]
    pairs = cKDTree(distinct).query_pairs(NEAR, p=np.inf, output_type="ndarray")
    if groups is not None and len(pairs):
        of_distinct = np.asarray(groups)[np.sort(first)]
        pairs = pairs[of_distinct[pairs[:, 0]] != of_distinct[pairs[:, 1]]]
    return len(np.unique(pairs[:, 1])) if len(pairs) else 0
