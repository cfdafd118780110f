"""Folds: disjoint, complete, stratified, the same for the same seed; and a table that gives them back."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.dataset_specification import DatasetSpec
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.learning.data.folds import (
    INNER_FOLDS,
    check_folds,
    fold_algorithm,
    fold_rows,
    make_splits,
    splits_from_rows,
    training_subset,
)
from qhybrid_pipelines.learning.data.load_dataset import load_dataset
from qhybrid_pipelines.learning.evaluation.fold_results import check_experiment


@st.composite
def labels_and_fold_count(draw):
    k = draw(st.integers(2, 6))
    counts = draw(st.lists(st.integers(max(k, 4 if k == 2 else 3), 40), min_size=2, max_size=4))
    labels = np.repeat(np.arange(len(counts)), counts)
    return draw(st.permutations(labels.tolist()).map(np.array)), k, draw(st.integers(0, 2**31 - 1))


@settings(deadline=None, max_examples=60)
@given(labels_and_fold_count())
def test_folds_are_disjoint_complete_and_stratified(case):
    labels, k, seed = case
    splits = list(make_splits(labels, k=k, repeats=2, seed=seed))
    assert [(s.repeat, s.fold) for s in splits] == [(r, f) for r in range(2) for f in range(k)]
    for repeat in range(2):
        mine = [s for s in splits if s.repeat == repeat]
        assert np.sort(np.concatenate([s.test for s in mine])).tolist() == list(range(len(labels)))
        sizes = [len(s.test) for s in mine]
        assert max(sizes) - min(sizes) <= 1
        per_class = np.array([np.bincount(labels[s.test], minlength=labels.max() + 1) for s in mine])
        assert (np.ptp(per_class, axis=0) <= 1).all()
    for s in splits:
        parts = np.concatenate([s.train, s.validation, s.test])
        assert np.sort(parts).tolist() == list(range(len(labels)))
        for part in (s.train, s.validation, s.test):
            assert set(labels[part]) == set(labels), "every class stands in every part"
        outer = np.bincount(labels[s.outer_train])
        share = np.bincount(labels[s.validation]) - outer / min(INNER_FOLDS, outer.min())
        assert (np.abs(share) < 1).all(), "validation has its share of every class, to the row"


def dealt_folds(labels, k, seed):
    """Deal the shuffled rows of one class after the other round the folds, as cards are: our own folds once."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    fold_index = np.empty(len(labels), dtype=np.int64)
    fold_index[shuffled[np.argsort(labels[shuffled], kind="stable")]] = np.arange(len(labels)) % k
    return [np.flatnonzero(fold_index == fold) for fold in range(k)]


@settings(deadline=None, max_examples=40)
@given(labels_and_fold_count())
def test_folds_are_as_even_as_rows_that_are_dealt_like_cards(case):
    labels, k, seed = case
    mine = [split.test for split in make_splits(labels, k=k, repeats=1, seed=seed)]
    dealt = dealt_folds(labels, k, seed)
    assert sorted(map(len, mine)) == sorted(map(len, dealt))
    for cls in range(labels.max() + 1):
        counts = [sorted((labels[test] == cls).sum() for test in folds) for folds in (mine, dealt)]
        assert counts[0] == counts[1]


def test_the_seed_decides_and_repeats_differ():
    labels = np.repeat([0, 1], 50)
    one, again, other = (list(make_splits(labels, k=5, repeats=2, seed=s)) for s in (1, 1, 2))
    assert fold_rows("e", one) == fold_rows("e", again) != fold_rows("e", other)
    assert one[0].test.tolist() != one[5].test.tolist()


def test_the_table_gives_the_folds_back():
    splits = list(make_splits(np.repeat([0, 1, 2], 11), k=3, repeats=2, seed=5))
    rows = fold_rows("e", splits)
    assert len(rows) == 33 * 3 * 2
    back = splits_from_rows(rows[::-1])
    assert fold_rows("e", back) == rows
    assert {row["algorithm"] for row in rows} == {fold_algorithm()}
    assert fold_algorithm() == f"sklearn-repeated-stratified/1 scikit-learn {sklearn.__version__}"


def test_a_seed_has_the_folds_that_were_written_down():
    """Another release of scikit-learn may draw others; then `FOLD_ALGORITHM` and the measured tables have to follow."""
    first = next(iter(make_splits(np.repeat([0, 1], [7, 5]), k=3, repeats=1, seed=7)))
    assert [first.train.tolist(), first.validation.tolist(), first.test.tolist()] == [
        [1, 3, 6, 7, 8, 11],
        [4, 10],
        [0, 2, 5, 9],
    ]


@settings(deadline=None, max_examples=40)
@given(labels_and_fold_count(), st.data())
def test_subsets_of_a_learning_curve_are_nested_and_hold_every_class(case, data):
    labels, _, seed = case
    classes = len(set(labels))
    rows = np.flatnonzero(np.arange(len(labels)) % 3)
    assume(len(set(labels[rows])) == classes)
    small, large = sorted(data.draw(st.tuples(*[st.integers(classes, len(rows))] * 2)))
    one, other = (training_subset(labels, rows, size, seed=seed) for size in (small, large))
    assert len(one) == small
    assert set(one) <= set(other) <= set(rows)
    assert set(labels[one]) == set(labels)
    expected = small * np.bincount(labels[rows]) / len(rows)
    assert (np.abs(np.bincount(labels[one]) - expected) <= classes).all()


def test_a_subset_that_is_not_possible_is_refused():
    labels, rows = np.array([0, 1, 0, 1]), np.arange(4)
    for size in (1, 5):
        with pytest.raises(ValueError, match="not possible"):
            training_subset(labels, rows, size, seed=0)


@pytest.mark.parametrize(
    ("counts", "k", "says"),
    [
        ((2, 2), 5, "4 rows cannot be split into 5 folds"),
        ((30, 3), 5, "class 'b' has 3 rows"),
        ((9, 1), 2, "has 1 row,"),
    ],
)
def test_fewer_rows_than_folds_are_refused(counts, k, says):
    labels = "a" * counts[0] + "b" * counts[1]
    text = "x,y\n" + "".join(f"{at},{label}\n" for at, label in enumerate(labels))
    dataset = load_dataset(DatasetSpec(source="r.csv", target="y", classes=("a", "b")), text.encode())
    with pytest.raises(InvalidInput) as caught:
        check_folds(dataset, k)
    assert caught.value.field == "folds.k"
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"features": {"pca": None}}, "features.pca", "30 features need 30 qubits"),
        ({"features": {"pca": 4}, "dataset": {"features": ("mean_area", "mean_texture")}}, "features.pca", "2 columns"),
        (
            {"dataset": {"classes": (0, 1), "source": "sklearn:iris"}, "features": {"pca": 5}},
            "features.pca",
            "4 columns",
        ),
        ({"evaluation": {"curve": (20, 500)}}, "evaluation.curve.1", "455 are available for training"),
    ],
)
def test_what_does_not_fit_the_data_is_refused_before_training(fields, field, says):
    source = {"source": "sklearn:breast_cancer", **fields.pop("dataset", {})}
    spec = LearningSpec.model_validate({"name": "x", "dataset": source, **fields})
    with pytest.raises(InvalidInput) as caught:
        check_experiment(spec, load_dataset(spec.dataset))
    assert caught.value.field == field
    assert says in str(caught.value)


def test_more_components_than_training_rows_are_refused():
    rows = np.random.default_rng(0).random((10, 8))
    text = "a,b,c,d,e,f,g,h,y\n" + "".join(f"{','.join(map(str, row))},{at % 2}\n" for at, row in enumerate(rows))
    spec = LearningSpec.model_validate(
        {"name": "x", "dataset": {"source": "r.csv", "target": "y"}, "features": {"pca": 6}, "folds": {"k": 2}}
    )
    with pytest.raises(InvalidInput, match="no 6 principal components") as caught:
        check_experiment(spec, load_dataset(spec.dataset, text.encode()))
    assert caught.value.field == "features.pca"


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31 - 1), st.integers(2, 5))
def test_rows_of_a_group_are_never_trained_on_and_tested_in_one_fold(seed, k):
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(30), rng.integers(2, 5, 30)))
    labels = rng.permutation(np.arange(len(groups)) % 2)
    splits = list(make_splits(labels, k=k, repeats=2, seed=seed, groups=groups))
    assert [(s.repeat, s.fold) for s in splits] == [(r, f) for r in range(2) for f in range(k)]
    for split in splits:
        parts = [set(groups[part]) for part in (split.train, split.validation, split.test)]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 30
        assert all(len(set(labels[part])) == 2 for part in (split.train, split.validation, split.test))
    for repeat in range(2):
        tested = np.concatenate([s.test for s in splits if s.repeat == repeat])
        assert sorted(tested.tolist()) == list(range(len(labels)))


def test_groups_of_one_class_each_may_be_refused():
    labels = np.repeat([0, 1], [40, 8])
    groups = np.concatenate([np.arange(40) // 4, [10] * 8])
    with pytest.raises(InvalidInput, match="without some class") as error:
        list(make_splits(labels, k=3, repeats=1, seed=1, groups=groups))
    assert error.value.field == "dataset.group"


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31 - 1), st.integers(2, 10))
def test_in_the_order_of_time_every_fold_is_tested_on_later_rows(seed, k):
    """Rows of one instant are never divided, so that no row is tested on by what was known at its own moment."""
    rng = np.random.default_rng(seed)
    times = rng.permutation(np.repeat(np.arange(3 * (k + 1)), rng.integers(6, 9, 3 * (k + 1))))
    labels = np.empty(len(times), dtype=np.int64)
    for instant in np.unique(times):  # both classes at every instant, or a draw may leave a part without one
        labels[times == instant] = np.arange(np.sum(times == instant)) % 2
    splits = list(make_splits(labels, k=k, repeats=1, seed=seed, times=times))
    assert [(s.repeat, s.fold) for s in splits] == [(0, f) for f in range(k)]
    for split in splits:
        assert times[split.train].max() < times[split.validation].min()
        assert times[split.validation].max() < times[split.test].min()
        known = np.sum(times < times[split.test].min())
        assert len(split.outer_train) == known  # everything that is earlier
    tested = np.concatenate([split.test for split in splits])
    assert len(set(tested.tolist())) == len(tested)
    assert times[tested].max() == times.max()


def test_what_time_leaves_without_a_class_or_instants_is_refused():
    with pytest.raises(InvalidInput, match="training rows of fold 1 are without some class") as error:
        list(make_splits(np.repeat([0, 1], 20), k=3, repeats=1, seed=1, times=np.arange(40)))
    assert error.value.field == "dataset.time"
    text = "t,a,y\n" + "".join(f"{n // 4},{n},{n % 2}\n" for n in range(40))
    for folds, words in (({}, "Use at most 4 folds"), ({"k": 3, "repeats": 2}, "")):
        fields = {"name": "x", "dataset": {"source": "r.csv", "target": "y", "time": "t"}, "folds": folds}
        if not words:
            with pytest.raises(ValidationError, match="same in every repeat"):
                LearningSpec.model_validate(fields)
            continue
        spec = LearningSpec.model_validate(fields)
        assert (spec.folds.k, spec.folds.repeats) == (10, 1)
        with pytest.raises(InvalidInput) as error:
            check_experiment(spec, load_dataset(spec.dataset, text.encode()))
        assert words in error.value.remedy


def test_components_are_counted_on_the_first_rows_in_time():
    """Of 66 rows the first of ten folds is tuned on four, however many the last one has."""
    rng = np.random.default_rng(1)
    rows = "".join(f"{n // 2},{','.join(map(str, rng.random(6)))},{n % 2}\n" for n in range(66))
    fields = {"name": "x", "dataset": {"source": "r.csv", "target": "y", "time": "t"}, "features": {"pca": 6}}
    spec = LearningSpec.model_validate(fields)
    with pytest.raises(InvalidInput, match="no 6 principal components"):
        check_experiment(spec, load_dataset(spec.dataset, f"t,a,b,c,d,e,f,y\n{rows}".encode()))
