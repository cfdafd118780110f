"""Repeated stratified k-fold: the same folds for every model, each with an inner split for tuning.

Both splits are scikit-learn's. Folds differ by at most one row, in all and in each class. Rows in the order of time are not
drawn: every fold is tested on what follows the rows that it is trained on, and tuned on the latest of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.seeds import derive_seed_31bit, generator
from qhybrid_pipelines.learning.data.dataset import I64, Dataset
from qhybrid_pipelines.learning.data.table_rows import FoldRow

#: Tuning is scored on one of so many stratified parts of the outer training rows; on one of fewer, larger parts where a
#: class has fewer rows than that, so that every class has a row in each part.
INNER_FOLDS = 4

#: Grows when the same seed gives other folds, for a reason other than another release of scikit-learn.
FOLD_ALGORITHM = "sklearn-repeated-stratified/1"
#: The same where rows of a group stay together.
GROUPED_FOLD_ALGORITHM = "sklearn-stratified-group/1"
#: The same where every fold goes forward in time; the earliest rows are tested in none.
TIME_FOLD_ALGORITHM = "sklearn-time-series/1"


@dataclass(frozen=True, kw_only=True)
class Split:
    """One outer fold; the three parts hold row numbers, ascending, and are disjoint.

    Attributes:
        repeat: from 0.
        fold: from 0.
        train: rows that settings are fitted on while tuning.
        validation: rows that settings are scored on; afterwards both parts train the final model.
        test: rows that nothing is fitted or chosen on.
    """

    repeat: int
    fold: int
    train: I64
    validation: I64
    test: I64

    @property
    def outer_train(self) -> I64:
        """Rows of training and validation together, ascending."""
        return np.sort(np.concatenate([self.train, self.validation]))


def check_folds(dataset: Dataset, k: int) -> None:
    """Check that every class has rows in every part of every fold, as far as it does not depend on which rows they are.

    Raises:
        InvalidInput: a class has fewer rows than folds, or too few to be split once more inside.
    """
    if dataset.rows < k:
        raise InvalidInput(
            f"{dataset.rows} rows cannot be split into {k} folds",
            remedy="Add rows or use fewer folds.",
            field="folds.k",
        )
    if dataset.groups is not None and (present := len(np.unique(dataset.groups))) < max(k + 1, 4):
        raise InvalidInput(
            f"{present} groups cannot be split into {k} folds with rows for validation inside",
            remedy="Use fewer folds, or a column with more groups.",
            field="dataset.group",
        )
    if dataset.times is not None and (present := int(dataset.times.max()) + 1) < 2 * (k + 1):
        raise InvalidInput(
            f"{present} different times cannot be split into {k} folds with rows for validation inside",
            remedy=f"Use at most {present // 2 - 1} folds, or a column with more of them."
            if present >= 6
            else "Name a column with more of them as dataset.time.",
            field="dataset.time",
        )
    counts = dataset.class_counts
    rarest = int(np.argmin(counts))
    count = int(counts[rarest])
    needed = max(k, 4 if k == 2 else 3)
    if count < needed:
        raise InvalidInput(
            f"class {dataset.class_names[rarest]!r} has {count} {'row' if count == 1 else 'rows'}, fewer than the "
            f"{needed} that {k} folds need",
            remedy="Use fewer folds, add rows, or leave the class out with dataset.classes.",
            field="folds.k",
        )


def make_splits(
    labels: I64, *, k: int, repeats: int, seed: int, groups: I64 | None = None, times: I64 | None = None
) -> Iterator[Split]:
    """Yield the ``k * repeats`` splits of the rows with these labels, in order of repeat and fold.

    Args:
        labels: class index per row.
        k: folds.
        repeats: of all of them.
        seed: of the experiment.
        groups: number of the group of each row; the rows of one stay together.
        times: number of the instant of each row; every fold is tested on later ones than it is trained on, and the folds are
            the same in every repeat.

    Raises:
        InvalidInput: the groups or the times leave a part of a fold without rows of some class.
    """
    if times is not None:
        for repeat in range(repeats):
            yield from _make_time_splits(labels, times, k=k, repeat=repeat)
        return
    if groups is not None:
        yield from _make_grouped_splits(labels, groups, k=k, repeats=repeats, seed=seed)
        return
    from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedKFold

    columns = np.zeros((len(labels), 0))  # the splitters count rows and read labels, nothing else
    outer_folds = RepeatedStratifiedKFold(
        n_splits=k, n_repeats=repeats, random_state=derive_seed_31bit(seed, "stratified folds")
    )
    for number, (outer, test) in enumerate(outer_folds.split(columns, labels)):
        repeat, fold = divmod(number, k)
        inner_folds = StratifiedKFold(
            n_splits=inner_fold_count(labels[outer]),
            shuffle=True,
            random_state=derive_seed_31bit(seed, "stratified validation", repeat, fold),
        )
        train, validation = next(inner_folds.split(columns[outer], labels[outer]))
        yield Split(
            repeat=repeat,
            fold=fold,
            train=outer[train].astype(np.int64),
            validation=outer[validation].astype(np.int64),
            test=test.astype(np.int64),
        )


def _make_grouped_splits(labels: I64, groups: I64, *, k: int, repeats: int, seed: int) -> Iterator[Split]:
    """Yield splits in which the rows of a group stay together, classes as even as that allows."""
    from sklearn.model_selection import StratifiedGroupKFold

    columns, n_classes = np.zeros((len(labels), 0)), len(np.unique(labels))
    for repeat in range(repeats):
        outer_folds = StratifiedGroupKFold(
            n_splits=k, shuffle=True, random_state=derive_seed_31bit(seed, "grouped folds", repeat)
        )
        for fold, (outer, test) in enumerate(outer_folds.split(columns, labels, groups)):
            inner_folds = StratifiedGroupKFold(
                n_splits=min(INNER_FOLDS, len(np.unique(groups[outer]))),
                shuffle=True,
                random_state=derive_seed_31bit(seed, "grouped validation", repeat, fold),
            )
            inner = next(inner_folds.split(columns[outer], labels[outer], groups[outer]))
            train, validation = (outer[part].astype(np.int64) for part in inner)
            for name, rows in (("training", train), ("validation", validation), ("test", test)):
                if len(np.unique(labels[rows])) < n_classes:
                    raise InvalidInput(
                        f"the groups leave the {name} rows of fold {fold + 1} without some class",
                        remedy="Use fewer folds, or groups in which classes are mixed.",
                        field="dataset.group",
                    )
            yield Split(repeat=repeat, fold=fold, train=train, validation=validation, test=test.astype(np.int64))


def _make_time_splits(labels: I64, times: I64, *, k: int, repeat: int) -> Iterator[Split]:
    """Yield the folds of one repeat; they have equally many instants to test on, and rows of one instant stay together."""
    from sklearn.model_selection import TimeSeriesSplit

    n_classes, instants = len(np.unique(labels)), np.unique(times)
    for fold, (earlier, tested) in enumerate(TimeSeriesSplit(n_splits=k).split(instants)):
        cut = len(earlier) - max(1, len(earlier) // INNER_FOLDS)
        train, validation, test = (
            np.flatnonzero(np.isin(times, instants[part])).astype(np.int64)
            for part in (earlier[:cut], earlier[cut:], tested)
        )
        for name, rows in (("training", train), ("validation", validation), ("test", test)):
            if len(np.unique(labels[rows])) < n_classes:
                raise InvalidInput(
                    f"in the order of time the {name} rows of fold {fold + 1} are without some class",
                    remedy="Use fewer folds, or leave dataset.time out if classes were recorded one after the other.",
                    field="dataset.time",
                )
        yield Split(repeat=repeat, fold=fold, train=train, validation=validation, test=test)


def inner_fold_count(labels: I64) -> int:
    """Return into how many parts outer training rows with these labels are split, of which one is for validation."""
    return min(INNER_FOLDS, int(np.unique(labels, return_counts=True)[1].min()))


def algorithm_for(dataset: Dataset) -> str:
    """Return what makes the folds of a data set."""
    if dataset.times is not None:
        return TIME_FOLD_ALGORITHM
    return FOLD_ALGORITHM if dataset.groups is None else GROUPED_FOLD_ALGORITHM


def fold_algorithm(algorithm: str = FOLD_ALGORITHM) -> str:
    """Return what makes the folds, with its version and scikit-learn's."""
    return f"{algorithm} scikit-learn {version('scikit-learn')}"


def training_subset(labels: I64, rows: I64, size: int, *, seed: int) -> I64:
    """Return ``size`` of the training rows for a point of the learning curve, ascending.

    Classes keep about their shares, every class has at least one row, and a larger subset contains every smaller
    one of the same seed, so that neighbouring points of a curve differ by what was added.

    Raises:
        ValueError: there are fewer rows than ``size``, or fewer places than classes.
    """
    shuffled = generator(seed, "learning curve").permutation(rows)
    of_shuffled = labels[shuffled]
    classes, counts = np.unique(of_shuffled, return_counts=True)
    if not len(classes) <= size <= len(rows):
        raise ValueError(f"a subset of {size} out of {len(rows)} rows with {len(classes)} classes is not possible")
    # The i-th of c rows of a class is at (i + 1/2) / c; its first row is before all others.
    place = np.empty(len(rows))
    for cls, count in zip(classes, counts, strict=True):
        place[of_shuffled == cls] = (np.arange(count) + 0.5) / count
        place[np.argmax(of_shuffled == cls)] = -1.0
    return np.sort(shuffled[np.argsort(place, kind="stable")[:size]])


def fold_rows(experiment: str, splits: Sequence[Split], algorithm: str = FOLD_ALGORITHM) -> list[FoldRow]:
    """Return the table of the folds: one row per repeat, fold and row of the data set that has a part in it."""
    made_by = fold_algorithm(algorithm)
    return [
        FoldRow(
            experiment=experiment,
            repeat=split.repeat,
            fold=split.fold,
            row=int(row),
            role=role,
            algorithm=made_by,
        )
        for split in splits
        for role, part in (("train", split.train), ("validation", split.validation), ("test", split.test))
        for row in part
    ]


def splits_from_rows(rows: Sequence[FoldRow]) -> list[Split]:
    """Return the splits that a table of folds holds, in order of repeat and fold."""
    parts: dict[tuple[int, int], dict[str, list[int]]] = {}
    for row in rows:
        parts.setdefault((row["repeat"], row["fold"]), {}).setdefault(row["role"], []).append(row["row"])
    return [
        Split(
            repeat=repeat,
            fold=fold,
            **{role: np.array(sorted(roles[role]), dtype=np.int64) for role in ("train", "validation", "test")},
        )
        for (repeat, fold), roles in sorted(parts.items())
    ]
