"""One fold of one learner as rows: what was trained, what it says about the test rows, and what that scores."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np

from qhybrid_pipelines.core.canonical import canonical_json
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.learning.circuits.amplitude_encoding import SMALLEST_LENGTH
from qhybrid_pipelines.learning.data.dataset import Dataset, describe_dataset
from qhybrid_pipelines.learning.data.feature_pipeline import check_circuit_width, check_features, fit_angle_encoder
from qhybrid_pipelines.learning.data.folds import INNER_FOLDS, Split, check_folds, make_splits
from qhybrid_pipelines.learning.data.table_rows import (
    DatasetRow,
    FitRow,
    IterationRow,
    MeasurementRow,
    ModelOnFold,
    PredictionRow,
    Purpose,
    RunRow,
    ScoreRow,
)
from qhybrid_pipelines.learning.evaluation.metrics import compute_metrics, predict_all
from qhybrid_pipelines.learning.evaluation.tuner import TunedLearner
from qhybrid_pipelines.learning.models.learner import Learner
from qhybrid_pipelines.learning.models.registry import all_models
from qhybrid_pipelines.learning.models.trainable_model import NO_DIAGNOSTICS, Diagnostics

#: Circuits of a measured kernel for each number of shots: what their angles and entries take stays below a gigabyte.
MOST_KERNEL_CIRCUITS = 200_000


def check_experiment(spec: LearningSpec, dataset: Dataset) -> None:
    """Check everything about an experiment that can be wrong before something is trained.

    Raises:
        InvalidInput: too few rows for the folds or too many for a model or for measuring a kernel, more features than qubits, or a learning curve
            beyond the rows.
    """
    for name in spec.model_names:
        max_rows = all_models()[name].max_rows
        if max_rows is not None and dataset.rows > max_rows:
            raise InvalidInput(
                f"{dataset.rows} rows are more than the model {name} can take, which are {max_rows}",
                remedy="Use models: [variational], or a sample of the rows.",
                field="models",
            )
    check_folds(dataset, spec.folds.k)
    fewest = dataset.rows - -(-dataset.rows // spec.folds.k)
    # A class has the fewest rows to train on where the most of its rows are tested.
    rarest = int(dataset.class_counts.min())
    smallest = fewest - math.ceil(fewest / min(INNER_FOLDS, rarest - math.ceil(rarest / spec.folds.k)))
    # Whether every part has every class depends on which rows are in it.
    in_amplitudes = spec.features.encoding == "amplitude"
    splits: list[Split] = []
    if dataset.groups is not None or dataset.times is not None or spec.measured_kernels or in_amplitudes:
        splits = list(
            make_splits(
                dataset.labels,
                k=spec.folds.k,
                repeats=spec.folds.repeats,
                seed=spec.seed,
                groups=dataset.groups,
                times=dataset.times,
            )
        )
        if dataset.times is not None:  # the first fold in time is trained on a small part of the rows
            fewest = min(len(split.outer_train) for split in splits)
            smallest = min(len(split.train) for split in splits)
        _check_kernel_circuits(spec, dataset, splits)
    if spec.circuit is not None:
        check_circuit_width(dataset, spec.features.pca, len(spec.circuit.data))
    check_features(dataset, spec.features.pca, amplitudes=in_amplitudes)
    for number, size in enumerate(spec.evaluation.curve):
        if not max(len(dataset.class_names), spec.features.pca or 1) <= size <= fewest:
            raise InvalidInput(
                f"a learning curve cannot be drawn at {size} rows: {fewest} are available for training in a fold",
                remedy=f"Use sizes up to {fewest}, not below the number of components and classes.",
                field=f"evaluation.curve.{number}",
            )
    components = spec.features.pca
    if components is not None and components > smallest:
        raise InvalidInput(
            f"the {smallest} rows that are certain to be available for tuning have no {components} principal components",
            remedy="Use fewer components or more rows.",
            field="features.pca",
        )
    if in_amplitudes:
        _check_amplitudes(spec, dataset, splits)


def _check_amplitudes(spec: LearningSpec, dataset: Dataset, splits: Sequence[Split]) -> None:
    """Check that no row is all zeros once it is scaled, in any fold: it would have no amplitudes.

    Raises:
        InvalidInput: names the row.
    """
    for split in splits:
        chain = fit_angle_encoder(dataset.features[split.outer_train], spec.features.pca)
        lengths = np.linalg.norm(chain.transform(dataset.features), axis=1)
        if lengths.min() < SMALLEST_LENGTH:
            raise InvalidInput(
                f"row {int(lengths.argmin())} of {dataset.name}, counted from 0, is all zeros once it is scaled, and amplitudes have a direction only",
                remedy="Remove the row, or take another encoding.",
                field="features.encoding",
            )


def _check_kernel_circuits(spec: LearningSpec, dataset: Dataset, splits: Sequence[Split]) -> None:
    """Check that a kernel that is to be measured has not too many pairs of rows.

    Raises:
        InvalidInput: it has.
    """
    sizes = [(len(split.outer_train), len(split.test)) for split in splits]
    circuits = sum(fitted * (fitted - 1) // 2 + fitted * tested for fitted, tested in sizes)
    if spec.measured_kernels and circuits > MOST_KERNEL_CIRCUITS:
        raise InvalidInput(
            f"the kernel of {dataset.rows} rows has {circuits:,} pairs in {len(sizes)} folds, a circuit each, and at most "
            f"{MOST_KERNEL_CIRCUITS:,} are measured",
            remedy="Use fewer rows or folds, or leave it out.",
            field="evaluation.measure_kernel",
        )


def dataset_row(experiment: str, dataset: Dataset) -> DatasetRow:
    """Return the row of the data set's card."""
    dataset_card = describe_dataset(dataset)
    return DatasetRow(
        experiment=experiment,
        dataset=dataset_card["name"],
        digest=dataset_card["digest"],
        n_rows=dataset_card["n_rows"],
        n_columns=dataset_card["n_columns"],
        n_classes=len(dataset_card["classes"]),
        # Not canonical JSON, which sorts: the order of the classes is their index.
        classes=json.dumps(dataset_card["classes"], ensure_ascii=False, separators=(",", ":")),
        majority_share=dataset_card["majority_share"],
        duplicate_rows=dataset_card["duplicate_rows"],
        ranges=canonical_json(dataset_card["ranges"]),
        source=dataset_card["source"],
        licence=dataset_card["licence"],
        notes=canonical_json(dataset_card["notes"]),
        limits=canonical_json(dataset_card["limits"]),
    )


def fit_row(experiment: str, learner: Learner, split: Split, *, purpose: Purpose, train_rows: int) -> FitRow:
    """Return what every row about one training begins with."""
    return {
        **_model_on_fold(experiment, learner, split),
        "side": learner.side,
        "purpose": purpose,
        "train_rows": train_rows,
    }


def _model_on_fold(experiment: str, learner: Learner, split: Split) -> ModelOnFold:
    return ModelOnFold(
        experiment=experiment, model=learner.name, inputs=learner.inputs, repeat=split.repeat, fold=split.fold
    )


def run_row(
    experiment: str,
    learner: Learner,
    split: Split,
    tuned: TunedLearner,
    *,
    purpose: Purpose = "comparison",
    template: str | None = None,
    saved_model: str | None = None,
    iterations: int | None = None,
    diagnostics: Diagnostics = NO_DIAGNOSTICS,
) -> RunRow:
    """Return the row of one training; what follows ``purpose`` belongs to circuits."""
    winning_scores = [trial.score for trial in tuned.trials if trial.settings == tuned.settings]
    return {
        **fit_row(experiment, learner, split, purpose=purpose, train_rows=tuned.train_rows),
        "test_rows": len(split.test),
        "seed": tuned.seed,
        "settings": canonical_json(tuned.settings),
        "trials": max(1, len(tuned.trials)),
        "trial_scores": canonical_json([{"settings": trial.settings, "score": trial.score} for trial in tuned.trials]),
        "validation_score": winning_scores[0] if winning_scores else None,
        "converged": tuned.converged,
        "iterations": iterations,
        "gradient_variance": diagnostics.gradient_variance,
        "kernel_alignment": diagnostics.kernel_alignment,
        "reduction": canonical_json(tuned.reduction.to_dict()),
        "template": template,
        "saved_model": saved_model,
        "fit_seconds": tuned.fit_seconds,
        "tuning_seconds": tuned.tuning_seconds,
    }


def prediction_rows(
    experiment: str,
    learner: Learner,
    split: Split,
    tuned: TunedLearner,
    dataset: Dataset,
    *,
    purpose: Purpose = "comparison",
) -> list[PredictionRow]:
    """Return what a fitted learner says about the test rows of its fold, which nothing has seen before."""
    model_output = predict_all(tuned.estimator, tuned.reduction.transform(dataset.features[split.test]))
    fit = fit_row(experiment, learner, split, purpose=purpose, train_rows=tuned.train_rows)
    return [
        {
            **fit,
            "row": int(row),
            "truth": int(dataset.labels[row]),
            "predicted": int(model_output.predicted[place]),
            "probabilities": None if model_output.probabilities is None else model_output.probabilities[place].tolist(),
            "decision": None if model_output.decision is None else float(model_output.decision[place]),
        }
        for place, row in enumerate(split.test)
    ]


def iteration_rows(experiment: str, learner: Learner, split: Split, tuned: TunedLearner) -> list[IterationRow]:
    """Return the steps of a final training; none of a model that does not record any."""
    model_on_fold = _model_on_fold(experiment, learner, split)
    batch = int(tuned.settings.get("batch_size", 1))
    return [
        {
            **model_on_fold,
            "iteration": step.iteration,
            "epoch": (step.iteration - 1) * batch // tuned.train_rows,
            "loss": step.loss,
            "gradient_norm": step.gradient_norm,
            "seconds": step.seconds,
        }
        for step in getattr(tuned.estimator, "history_", ())
    ]


def score_rows(
    rows: Sequence[PredictionRow] | Sequence[MeasurementRow],
    fit: FitRow,
    *,
    n_classes: int,
    backend: str | None = None,
    shots: int | None = None,
) -> list[ScoreRow]:
    """Return one row per metric for what one training says about its test rows, computed or measured."""
    first = rows[0]
    truth, predicted = (np.array([row[name] for row in rows], dtype=np.int64) for name in ("truth", "predicted"))
    probabilities = None if first["probabilities"] is None else np.array([row["probabilities"] for row in rows])
    decision = None if first["decision"] is None else np.array([row["decision"] for row in rows])
    values = compute_metrics(truth, predicted, n_classes=n_classes, probabilities=probabilities, decision=decision)
    return [
        {**fit, "backend": backend, "shots": shots, "test_rows": len(rows), "metric": metric, "value": value}
        for metric, value in values.items()
    ]
