"""A labelled data set as everything after it sees it: plain arrays, checked, with an identity and a card."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.learning.data.deceptive_rows import suspicions

I64 = npt.NDArray[np.int64]

#: Below this, folds differ by chance alone; the card says so.
FEW_ROWS = 200
#: Above this, accuracy is misleading: always predicting the largest class already scores this much; the card says so.
LARGE_MAJORITY = 0.6


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Rows of features with one label each. Row ``i`` keeps its number in every table of the experiment.

    Attributes:
        name: as a person calls it, ``sklearn:wine`` or the name of a file.
        features: finite numbers, shape ``(rows, columns)``.
        labels: class index per row, shape ``(rows,)``, counted from 0.
        feature_names: one per column.
        class_names: one per class index.
        source: where the rows come from, one sentence.
        licence: under which terms, as far as known.
        notes: what was done on the way in, one sentence each.
        groups: number of the group of each row, shape ``(rows,)``; None where rows are on their own.
        times: number of the instant of each row from the earliest on, shape ``(rows,)``; None where they have no order.
    """

    name: str
    features: F64
    labels: I64
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    source: str
    licence: str
    notes: tuple[str, ...] = field(default=())
    groups: I64 | None = None
    times: I64 | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.labels)

    @property
    def class_counts(self) -> I64:
        """Rows per class, shape ``(classes,)``."""
        return np.bincount(self.labels, minlength=len(self.class_names)).astype(np.int64)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over names and values; the same table has the same digest in CSV, Parquet and memory.

        The order of rows and columns counts, because folds name rows by their number.
        """
        names = canonical_json({"features": self.feature_names, "classes": self.class_names, "rows": self.rows})
        hashed = hashlib.sha256(names.encode())
        hashed.update(np.ascontiguousarray(self.features + 0.0, dtype="<f8").tobytes())  # + 0.0 makes -0.0 plain zero
        hashed.update(np.ascontiguousarray(self.labels, dtype="<i8").tobytes())
        return hashed.hexdigest()

    @property
    def duplicate_rows(self) -> int:
        """Rows with the same features as an earlier row; they may meet in the training and the test part of a fold."""
        return self.rows - len(np.unique(self.features + 0.0, axis=0))


def describe_dataset(dataset: Dataset) -> dict[str, Any]:
    """Return the data set's card, ready for JSON: what it is, how it is balanced, its ranges, and its limits."""
    counts, values = dataset.class_counts, dataset.features
    return {
        "name": dataset.name,
        "digest": dataset.digest,
        "source": dataset.source,
        "licence": dataset.licence,
        "n_rows": dataset.rows,
        "n_columns": len(dataset.feature_names),
        "classes": {name: int(count) for name, count in zip(dataset.class_names, counts, strict=True)},
        "majority_share": float(counts.max() / dataset.rows),
        "duplicate_rows": dataset.duplicate_rows,
        "ranges": [
            {"feature": name, "minimum": float(low), "maximum": float(high), "mean": float(mean), "deviation": float(s)}
            for name, low, high, mean, s in zip(
                dataset.feature_names, values.min(0), values.max(0), values.mean(0), values.std(0), strict=True
            )
        ],
        "notes": list(dataset.notes),
        "limits": _limits(dataset),
    }


def _limits(dataset: Dataset) -> list[str]:
    limits = []
    share = float(dataset.class_counts.max() / dataset.rows)
    if dataset.rows < FEW_ROWS:
        limits.append(
            f"Only {dataset.rows} rows: one row more or less right moves an accuracy by {1 / dataset.rows:.2%}."
        )
    if share > LARGE_MAJORITY:
        limits.append(f"Unbalanced: always answering with the largest class is right for {share:.1%} of the rows.")
    if dataset.duplicate_rows:
        limits.append(f"{dataset.duplicate_rows} rows repeat earlier ones, so a test row may have been trained on.")
    if len(dataset.feature_names) > dataset.rows:
        limits.append("There are more columns than rows.")
    limits += suspicions(dataset.features, dataset.labels, dataset.feature_names, groups=dataset.groups)
    limits.append(
        "Cross-validation tells about rows like these, not about data from elsewhere or from another time."
        if dataset.times is None
        else "Every fold is tested on later rows than it is trained on; that tells nothing about data from elsewhere."
    )
    return limits
