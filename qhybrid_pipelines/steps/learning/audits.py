"""What must hold of the tables of a learning experiment. Every function returns findings, none when all is well."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pyarrow as pa

from qhybrid_pipelines.learning.data.folds import TIME_FOLD_ALGORITHM
from qhybrid_pipelines.steps.values_from_rows import Row


def audit_folds(qml_folds: pa.Table) -> Iterator[str]:
    """Every row has one role in a fold, and is tested exactly once in every repeat; in the order of time at most once."""
    roles: dict[tuple[str, int, int], dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    in_time: set[str] = set()
    for row in qml_folds.to_pylist():
        if row["algorithm"].startswith(TIME_FOLD_ALGORITHM):
            in_time.add(row["experiment"])
        roles[row["experiment"], row["repeat"], row["fold"]][row["row"]].append(row["role"])
    tested: dict[tuple[str, int], list[int]] = defaultdict(list)
    rows: dict[str, set[int]] = defaultdict(set)
    for (experiment, repeat, fold), by_row in roles.items():
        rows[experiment] |= set(by_row)
        tested[experiment, repeat] += [row for row, roles_in_fold in by_row.items() if "test" in roles_in_fold]
        for row, roles_in_fold in by_row.items():
            if len(roles_in_fold) != 1:
                yield f"{experiment}: row {row} is {' and '.join(sorted(roles_in_fold))} in repeat {repeat}, fold {fold}"
    for (experiment, repeat), seen in tested.items():
        if experiment in in_time:
            if len(seen) != len(set(seen)):
                yield f"{experiment}: in repeat {repeat} some row is tested more than once"
        elif sorted(seen) != sorted(rows[experiment]):
            yield f"{experiment}: in repeat {repeat} not every row is tested exactly once"


def audit_permuted_labels(qml_datasets: pa.Table, qml_summaries: pa.Table) -> Iterator[str]:
    """A model trained on shuffled labels is no better than always saying the largest class."""
    shares = {row["experiment"]: row["majority_share"] for row in qml_datasets.to_pylist()}
    for row in qml_summaries.to_pylist():
        if (row["model"], row["metric"]) == ("permuted_labels", "accuracy") and _is_above(
            row, shares[row["experiment"]]
        ):
            yield (
                f"{row['experiment']}: shuffled labels are learnt, accuracy {row['mean']:.3f} where the largest class has "
                f"{shares[row['experiment']]:.3f}: something about the test rows reaches the training"
            )


def _is_above(row: Row, share: float) -> bool:
    return row["low"] is not None and row["low"] > share
