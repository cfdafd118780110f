"""Tuning with one budget for all: each learner tries the same number of settings, quantum or not.

Settings are scored on the inner validation rows, with the feature chain fitted on the inner training rows; the winner
is fitted again on both. The test rows are not among the arguments of anything here.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from qhybrid_pipelines.classical.learning.dataset import I64, Dataset
from qhybrid_pipelines.classical.learning.folds import Split, training_subset
from qhybrid_pipelines.classical.learning.learner import Estimator, Learner, Setting, candidates
from qhybrid_pipelines.classical.learning.reduction import Reduction, fit_inputs
from qhybrid_pipelines.classical.learning.scoring import oriented, scores_of
from qhybrid_pipelines.core.ising import F64
from qhybrid_pipelines.core.learning_specification import Metric
from qhybrid_pipelines.core.seeds import generator, small_seed


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Settings that were tried; ``score`` is on validation rows, larger is better, None where training failed."""

    settings: dict[str, Setting]
    score: float | None


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """A learner fitted on the outer training rows of one fold.

    Attributes:
        estimator: fitted.
        reduction: the feature chain, fitted on the same rows.
        settings: that won.
        trials: all that were tried; empty where there was nothing to choose.
        seed: of the final fit.
        train_rows: rows of the final fit.
        converged: the final fit ended by its own rule.
        tuning_seconds: measured, all trials, steps of an earlier process that were taken over included.
        fit_seconds: measured alike, the final fit.
    """

    estimator: Estimator
    reduction: Reduction
    settings: dict[str, Setting]
    trials: tuple[Trial, ...]
    seed: int
    train_rows: int
    converged: bool
    tuning_seconds: float
    fit_seconds: float


@dataclass(frozen=True, kw_only=True)
class FitPlace:
    """Which fit this is, for whoever keeps checkpoints or records iterations.

    Attributes:
        learner: name and inputs are those of the tables.
        repeat: from 0.
        fold: from 0.
        trial: from 0 while tuning; None for the final fit and for the learning curve.
        train_rows: rows of this fit.
    """

    learner: Learner
    repeat: int
    fold: int
    trial: int | None
    train_rows: int


#: Fits an estimator in place; returns the seconds that an earlier process had spent on what was taken over from it.
Fit: TypeAlias = Callable[[Estimator, F64, I64, FitPlace], float]


def plain_fit(estimator: Estimator, features: F64, labels: I64, _place: FitPlace) -> float:
    """Fit without recording anything."""
    estimator.fit(features, labels)
    return 0.0


class Tuner:
    """Searches and fits learners on the folds of one data set.

    Args:
        dataset: all rows; only those of a split's training parts are used.
        pca: principal components of the reduced features, or None.
        trials: settings per learner and fold.
        seed: of the experiment.
        metric: what settings are chosen by; accuracy stands in where a learner has no such score.
        fit: how an estimator is fitted; whoever resumes from checkpoints gives his own.
        observe: told after each fit, with the learner's name and how many of how many fits are done.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        pca: int | None,
        trials: int,
        seed: int,
        metric: Metric = "accuracy",
        fit: Fit = plain_fit,
        observe: Callable[[str, int, int], None] | None = None,
    ) -> None:
        self._dataset, self._pca, self._trials, self._seed, self._metric = dataset, pca, trials, seed, metric
        self._fit = fit
        self._observe = observe or (lambda _name, _done, _total: None)

    def tune(self, learner: Learner, split: Split) -> Tuned:
        """Return the learner with its best settings of this fold, fitted on training and validation rows.

        Raises:
            Exception: what the learner's ``fit`` raised, if it is none of its declared failures, or if every trial
                failed.
        """
        labels = self._labels(learner, split)
        tried = candidates(learner, trials=self._trials, seed=self._seed)
        started = time.perf_counter()
        trials, settings, earlier = (
            self._search(learner, split, labels, tried) if len(tried) > 1 else ((), tried[0], 0.0)
        )
        tuning_seconds = time.perf_counter() - started + earlier
        tuned = self._fitted(learner, split, labels, split.outer_train, settings)
        self._observe(learner.name, len(tried) + 1, len(tried) + 1)
        return replace(tuned, trials=trials, tuning_seconds=tuning_seconds)

    def fit_on(self, learner: Learner, split: Split, settings: dict[str, Setting], size: int) -> Tuned:
        """Return the learner fitted with given settings on ``size`` training rows: a point of the learning curve."""
        labels = self._labels(learner, split)
        rows = training_subset(
            self._dataset.labels,
            split.outer_train,
            size,
            seed=small_seed(self._seed, "curve", split.repeat, split.fold),
        )
        return self._fitted(learner, split, labels, rows, settings)

    def _labels(self, learner: Learner, split: Split) -> I64:
        """Return the labels to train on, those of the outer training rows shuffled among them for the control."""
        if not learner.permuted:
            return self._dataset.labels
        labels, rows = self._dataset.labels.copy(), split.outer_train
        labels[rows] = generator(self._seed, "permuted labels", split.repeat, split.fold).permutation(labels[rows])
        return labels

    def _search(
        self, learner: Learner, split: Split, labels: I64, tried: list[dict[str, Setting]]
    ) -> tuple[tuple[Trial, ...], dict[str, Setting], float]:
        """Return all trials, the best settings, and the seconds of an earlier process in them."""
        chain = fit_inputs(self._dataset.features[split.train], inputs=learner.inputs, k=self._pca)
        train, validation = (chain.transform(self._dataset.features[part]) for part in (split.train, split.validation))
        trials: list[Trial] = []
        earlier = 0.0
        for number, settings in enumerate(tried):
            seed = small_seed(self._seed, "trial", learner.name, learner.inputs, split.repeat, split.fold, number)
            try:
                estimator = learner.build(settings, seed)
                place = _place(learner, split, number, len(split.train))
                earlier += self._run(estimator, train, labels[split.train], place)[1]
                score = self._score(estimator, validation, labels[split.validation])
            except learner.failures:
                if number == len(tried) - 1 and all(trial.score is None for trial in trials):
                    raise
                score = None
            trials.append(Trial(settings=settings, score=score))
            self._observe(learner.name, number + 1, len(tried) + 1)
        # The first of equals wins, so the defaults are left only for something better.
        best = max(trials, key=lambda trial: -np.inf if trial.score is None else trial.score)
        return tuple(trials), best.settings, earlier

    def _run(self, estimator: Estimator, features: F64, labels: I64, place: FitPlace) -> tuple[bool, float]:
        """Fit; return whether it ended by its own rule, as scikit-learn says in a warning, and an earlier process's seconds.

        One thread makes the last bits of a result independent of the number of cores.
        """
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits

        with warnings.catch_warnings(record=True) as caught, threadpool_limits(limits=1):
            warnings.simplefilter("always", ConvergenceWarning)
            earlier = self._fit(estimator, features, labels, place)
        stopped = [issubclass(warning.category, ConvergenceWarning) for warning in caught]
        for warning, known in zip(caught, stopped, strict=True):
            if not known:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        return not any(stopped), earlier

    def _score(self, estimator: Estimator, features: F64, truth: I64) -> float:
        found = scores_of(estimator, features, truth, n_classes=len(self._dataset.class_names))
        value = found[self._metric]
        return oriented(self._metric, value) if value is not None else found["accuracy"] or 0.0

    def _fitted(
        self,
        learner: Learner,
        split: Split,
        labels: I64,
        rows: I64,
        settings: dict[str, Setting],
    ) -> Tuned:
        seed = small_seed(self._seed, "fit", learner.name, learner.inputs, split.repeat, split.fold)
        started = time.perf_counter()
        chain = fit_inputs(self._dataset.features[rows], inputs=learner.inputs, k=self._pca)
        estimator, features = learner.build(settings, seed), chain.transform(self._dataset.features[rows])
        converged, earlier = self._run(estimator, features, labels[rows], _place(learner, split, None, len(rows)))
        return Tuned(
            estimator=estimator,
            reduction=chain,
            settings=settings,
            trials=(),
            seed=seed,
            train_rows=len(rows),
            converged=converged,
            tuning_seconds=0.0,
            fit_seconds=time.perf_counter() - started + earlier,
        )


def _place(learner: Learner, split: Split, trial: int | None, train_rows: int) -> FitPlace:
    return FitPlace(learner=learner, repeat=split.repeat, fold=split.fold, trial=trial, train_rows=train_rows)
