"""What makes scores look better than they are is said, and nothing is said of plain data."""

from __future__ import annotations

import numpy as np
import pytest

from qhybrid_pipelines.learning.data.deceptive_rows import near_repetitions, separates, suspicions
from qhybrid_pipelines.learning.data.load_dataset import DatasetSpec, load_dataset

RNG = np.random.default_rng(3)
LABELS = np.arange(60) % 3
PLAIN = RNG.normal(size=(60, 2))


def said(features=PLAIN, labels=LABELS, groups=None):
    return suspicions(features, labels, [f"c{n}" for n in range(features.shape[1])], groups=groups)


def test_plain_rows_raise_no_suspicion():
    assert said() == []


def test_a_column_that_tells_all_classes_apart_is_named():
    column = np.choose(LABELS, [5.0, -1.0, 2.0]) + RNG.random(60)
    [sentence] = said(np.column_stack([PLAIN, column]))
    assert sentence.startswith("Separated by one column alone: 'c2'.")
    column[0] = 2.5
    assert said(np.column_stack([PLAIN, column])) == []


@pytest.mark.parametrize(("values", "expected"), [([0, 1] * 10, True), ([0, 0] * 10, False), ([0, 1] * 9, False)])
def test_separation_is_strict_and_takes_some_rows(values, expected):
    assert separates(np.array(values, dtype=float), np.arange(len(values)) % 2) == expected


def test_rows_that_are_sorted_by_class_are_told():
    [sentence] = said(labels=np.sort(LABELS))
    assert sentence.startswith("The rows are sorted by class.")
    assert said(labels=np.roll(np.sort(LABELS), 5)) == []


def test_near_repetitions_are_counted_across_groups_and_exact_ones_are_not():
    near = np.vstack([PLAIN, PLAIN[:7] + 1e-6, PLAIN[7:10]])
    assert near_repetitions(near) == 7
    groups = np.concatenate([np.arange(60), np.arange(7), np.arange(7, 10)])
    assert near_repetitions(near, groups) == 0
    assert near_repetitions(near, np.arange(70)) == 7
    [sentence] = said(near, np.concatenate([LABELS, LABELS[:10]]))
    assert sentence.startswith("7 rows nearly repeat an earlier one")


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "digits"])
def test_the_bundled_sets_of_the_benchmarks(name):
    dataset = load_dataset(DatasetSpec(source=f"sklearn:{name}"))
    found = suspicions(dataset.features, dataset.labels, dataset.feature_names, groups=None)
    assert [sentence.split(".")[0] for sentence in found] == (
        ["The rows are sorted by class"] if name == "wine" else []
    )
