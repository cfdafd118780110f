"""The audits find what they are there for: rows tested twice or with two roles, and a protocol that leaks."""

import numpy as np
import pyarrow as pa
import pytest

from qhybrid_pipelines.learning.data.folds import TIME_FOLD_ALGORITHM, fold_rows, make_splits
from qhybrid_pipelines.steps.learning.audits import audit_folds, audit_permuted_labels

FOLDS = fold_rows("e", list(make_splits(np.arange(20) % 2, k=4, repeats=2, seed=1)))


def test_folds_as_they_are_made_are_sound():
    assert list(audit_folds(pa.Table.from_pylist(FOLDS))) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: [*rows, {**next(r for r in rows if r["role"] == "train"), "role": "test"}], "test and train"),
        (lambda rows: [{**r, "role": "train"} if r["role"] == "test" and r["row"] == 3 else r for r in rows], "once"),
    ],
    ids=["a row that is trained and tested", "a row that is never tested"],
)
def test_a_planted_leak_is_found(change, words):
    assert any(words in finding for finding in audit_folds(pa.Table.from_pylist(change(FOLDS))))


def test_in_the_order_of_time_the_first_rows_are_tested_in_no_fold_and_none_twice():
    splits = list(make_splits(np.arange(40) % 2, k=4, repeats=1, seed=1, times=np.arange(40)))
    rows = fold_rows("e", splits, TIME_FOLD_ALGORITHM)
    assert list(audit_folds(pa.Table.from_pylist(rows))) == []
    assert len(list(audit_folds(pa.Table.from_pylist([{**row, "algorithm": "another"} for row in rows])))) == 1
    again = next(row for row in rows if row["role"] == "test")
    twice = [{**row, "role": "test"} if (row["fold"], row["row"]) == (1, again["row"]) else row for row in rows]
    assert any("more than once" in finding for finding in audit_folds(pa.Table.from_pylist(twice)))


@pytest.mark.parametrize(("low", "found"), [(0.55, 0), (0.65, 1)])
def test_learnt_noise_is_found(low, found):
    cards = pa.Table.from_pylist([{"experiment": "e", "majority_share": 0.6}])
    row = {"experiment": "e", "model": "permuted_labels", "metric": "accuracy", "mean": low + 0.1, "low": low}
    assert len(list(audit_permuted_labels(cards, pa.Table.from_pylist([row])))) == found
