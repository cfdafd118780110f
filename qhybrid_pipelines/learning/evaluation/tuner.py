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

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.seeds import derive_seed_31bit, generator
from qhybrid_pipelines.core.vocabulary.learning_metrics import Metric
from qhybrid_pipelines.learning.data.dataset import I64, Dataset
from qhybrid_pipelines.learning.data.feature_pipeline import FeaturePipeline, fit_feature_pipeline
from qhybrid_pipelines.learning.data.folds import Split, training_subset
from qhybrid_pipelines.learning.evaluation.metrics import validation_score
from qhybrid_pipelines.learning.models.learner import Estimator, Learner, Setting, candidate_settings


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Settings that were tried; ``score`` is on validation rows, larger is better, None where training failed."""

    settings: dict[str, Setting]
    score: float | None


@dataclass(frozen=True, kw_only=True)
class TunedLearner:
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
    reduction: FeaturePipeline
    settings: dict[str, Setting]
    trials: tuple[Trial, ...]
    seed: int
    train_rows: int
    converged: bool
    tuning_seconds: float
    fit_seconds: float


@dataclass(frozen=True, kw_only=True)
class FitContext:
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
FitFunction: TypeAlias = Callable[[Estimator, F64, I64, FitContext], float]


def fit_without_checkpoint(estimator: Estimator, features: F64, labels: I64, _fit_context: FitContext) -> float:
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
        metric: what settings are chosen by; accuracy where a learner has no such score.
        fit: how an estimator is fitted; whoever resumes from checkpoints gives his own.
        on_fit: told after each fit, with the learner's name and how many of how many fits are done.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        pca: int | None,
        trials: int,
        seed: int,
        metric: Metric = "accuracy",
        fit: FitFunction = fit_without_checkpoint,
        on_fit: Callable[[str, int, int], None] | None = None,
    ) -> None:
        self._dataset, self._pca, self._trials, self._seed, self._metric = dataset, pca, trials, seed, metric
        self._fit = fit
        self._on_fit = on_fit or (lambda _name, _done, _total: None)

    def tune(self, learner: Learner, split: Split) -> TunedLearner:
        """Return the learner with its best settings of this fold, fitted on training and validation rows.

        Raises:
            Exception: what the learner's ``fit`` raised, if it is none of its declared failures, or if every trial
                failed.
        """
        labels = self._labels(learner, split)
        settings_to_try = candidate_settings(learner, trials=self._trials, seed=self._seed)
        started = time.perf_counter()
        trials, settings, earlier_seconds = (
            self._search(learner, split, labels, settings_to_try)
            if len(settings_to_try) > 1 or learner.side == "baseline"  # verdicts choose by what these rows say
            else ((), settings_to_try[0], 0.0)
        )
        tuning_seconds = time.perf_counter() - started + earlier_seconds
        tuned = self._fit_final(learner, split, labels, split.outer_train, settings)
        self._on_fit(learner.name, len(settings_to_try) + 1, len(settings_to_try) + 1)
        return replace(tuned, trials=trials, tuning_seconds=tuning_seconds)

    def fit_on_subset(self, learner: Learner, split: Split, settings: dict[str, Setting], size: int) -> TunedLearner:
        """Return the learner fitted with given settings on ``size`` training rows: a point of the learning curve."""
        labels = self._labels(learner, split)
        rows = training_subset(
            self._dataset.labels,
            split.outer_train,
            size,
            seed=derive_seed_31bit(self._seed, "curve", split.repeat, split.fold),
        )
        return self._fit_final(learner, split, labels, rows, settings)

    def _labels(self, learner: Learner, split: Split) -> I64:
        """Return the labels to train on, those of the outer training rows shuffled among them for the control."""
        if not learner.permute_labels:
            return self._dataset.labels
        labels, rows = self._dataset.labels.copy(), split.outer_train
        labels[rows] = generator(self._seed, "permuted labels", split.repeat, split.fold).permutation(labels[rows])
        return labels

    def _search(
        self, learner: Learner, split: Split, labels: I64, settings_to_try: list[dict[str, Setting]]
    ) -> tuple[tuple[Trial, ...], dict[str, Setting], float]:
        """Return all trials, the best settings, and the seconds of an earlier process in them."""
        feature_pipeline = fit_feature_pipeline(self._dataset.features[split.train], inputs=learner.inputs, k=self._pca)
        train, validation = (
            feature_pipeline.transform(self._dataset.features[part]) for part in (split.train, split.validation)
        )
        trials: list[Trial] = []
        earlier_seconds = 0.0
        for number, settings in enumerate(settings_to_try):
            seed = derive_seed_31bit(
                self._seed, "trial", learner.name, learner.inputs, split.repeat, split.fold, number
            )
            try:
                estimator = learner.build(settings, seed)
                fit_context = _fit_context(learner, split, number, len(split.train))
                earlier_seconds += self._fit_timed(estimator, train, labels[split.train], fit_context)[1]
                truth, n_classes = labels[split.validation], len(self._dataset.class_names)
                score = validation_score(estimator, validation, truth, n_classes=n_classes, metric=self._metric)
            except learner.failures:
                if number == len(settings_to_try) - 1 and all(trial.score is None for trial in trials):
                    raise
                score = None
            trials.append(Trial(settings=settings, score=score))
            self._on_fit(learner.name, number + 1, len(settings_to_try) + 1)
        # The first of equals wins, so the defaults are left only for something better.
        best = max(trials, key=lambda trial: -np.inf if trial.score is None else trial.score)
        return tuple(trials), best.settings, earlier_seconds

    def _fit_timed(
        self, estimator: Estimator, features: F64, labels: I64, fit_context: FitContext
    ) -> tuple[bool, float]:
        """Fit; return whether it ended by its own rule, as scikit-learn says in a warning, and an earlier process's seconds.

        One thread makes the last bits of a result independent of the number of cores.
        """
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits

        with warnings.catch_warnings(record=True) as caught, threadpool_limits(limits=1):
            warnings.simplefilter("always", ConvergenceWarning)
            earlier_seconds = self._fit(estimator, features, labels, fit_context)
        stopped = [issubclass(warning.category, ConvergenceWarning) for warning in caught]
        for warning, known in zip(caught, stopped, strict=True):
            if not known:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        return not any(stopped), earlier_seconds

    def _fit_final(
        self,
        learner: Learner,
        split: Split,
        labels: I64,
        rows: I64,
        settings: dict[str, Setting],
    ) -> TunedLearner:
        seed = derive_seed_31bit(self._seed, "fit", learner.name, learner.inputs, split.repeat, split.fold)
        started = time.perf_counter()
        feature_pipeline = fit_feature_pipeline(self._dataset.features[rows], inputs=learner.inputs, k=self._pca)
        estimator, features = learner.build(settings, seed), feature_pipeline.transform(self._dataset.features[rows])
        converged, earlier_seconds = self._fit_timed(
            estimator, features, labels[rows], _fit_context(learner, split, None, len(rows))
        )
        return TunedLearner(
            estimator=estimator,
            reduction=feature_pipeline,
            settings=settings,
            trials=(),
            seed=seed,
            train_rows=len(rows),
            converged=converged,
            tuning_seconds=0.0,
            fit_seconds=time.perf_counter() - started + earlier_seconds,
        )


def _fit_context(learner: Learner, split: Split, trial: int | None, train_rows: int) -> FitContext:
    return FitContext(learner=learner, repeat=split.repeat, fold=split.fold, trial=trial, train_rows=train_rows)
