"""Training everything on every fold: circuits, baselines, controls, with one budget of settings for all."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa

from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.learning.data.dataset import Dataset
from qhybrid_pipelines.learning.data.folds import Split
from qhybrid_pipelines.learning.data.table_rows import IterationRow, PredictionRow, Purpose, RunRow
from qhybrid_pipelines.learning.evaluation.fold_results import iteration_rows, prediction_rows, run_row
from qhybrid_pipelines.learning.evaluation.tuner import TunedLearner, Tuner
from qhybrid_pipelines.learning.models.baselines import baseline_learners, control_learners
from qhybrid_pipelines.learning.models.learner import Learner
from qhybrid_pipelines.learning.models.registry import all_models
from qhybrid_pipelines.learning.models.trainable_model import NO_DIAGNOSTICS, Diagnostics, ModelRequest
from qhybrid_pipelines.parallel.mapper import chosen_mapper
from qhybrid_pipelines.steps.learning.checkpointed_fit import CheckpointedFit, ReportProgress
from qhybrid_pipelines.steps.learning.datasets_and_folds import load_verified_dataset, stored_folds
from qhybrid_pipelines.steps.learning.fold_trainings import FoldTraining, fold_trainings, take_measured_steps
from qhybrid_pipelines.steps.learning.requested_models import model_request
from qhybrid_pipelines.steps.values_from_rows import read_learning_experiments
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines.storage.tables import from_rows


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Rows of the tables that training gives."""

    runs: list[RunRow] = field(default_factory=list)
    iterations: list[IterationRow] = field(default_factory=list)
    predictions: list[PredictionRow] = field(default_factory=list)


def train(
    experiments: pa.Table,
    qml_datasets: pa.Table,
    qml_folds: pa.Table,
    *,
    specifications: Specifications,
    home: Home,
    report: ReportProgress,
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Return the tables `qml_models`, `qml_iterations` and `qml_predictions`.

    A process that was killed goes on from its last checkpoint, to the same tables. Nothing is written before all of an
    experiment is trained.

    Raises:
        InvalidInput: the data cannot be used, training diverged with the stated learning rate, or the environment names a
            mapper that cannot be used.
        WorkersUnavailable: the mapper's workers could not do it.
    """
    found = TrainingRows()
    for key, spec in read_learning_experiments(experiments):
        dataset = load_verified_dataset(key, spec, qml_datasets, specifications)
        splits = stored_folds(qml_folds, key)
        request = model_request(spec, specifications)
        on_backend = _trained_on_backend(key, spec, dataset, splits, request=request, lake=Lake(home))
        _train(key, spec, dataset, splits, found, request=request, on_backend=on_backend, home=home, report=report)
    return (
        from_rows(schemas.QML_MODELS, found.runs),
        from_rows(schemas.QML_ITERATIONS, found.iterations),
        from_rows(schemas.QML_PREDICTIONS, found.predictions),
    )


def make_learners(spec: LearningSpec, request: ModelRequest) -> list[Learner]:
    """Return everything that is trained: the circuits, the baselines, the controls."""
    circuits = [all_models()[name].make_learner(request) for name in spec.model_names]
    return [*circuits, *baseline_learners(spec.baseline_names), *control_learners()]


def _trained_on_backend(
    key: str, spec: LearningSpec, dataset: Dataset, splits: Sequence[Split], *, request: ModelRequest, lake: Lake
) -> dict[tuple[str, int, int], FoldTraining]:
    """Return the trainings that a backend was used for, as far as they came, by model, repeat and fold.

    Raises:
        MissingUpstream: their iterations were never written.
    """
    if not spec.trained_on_backend:
        return {}
    trainings = fold_trainings(spec, request, dataset, splits)
    partition = PartitionKey(experiment=key, backend=spec.training.backend)
    take_measured_steps(trainings, lake.read(schemas.QML_TRAINING_STEPS, partition).to_pylist())
    return {training.place: training for training in trainings}


def delete_checkpoints(home: Home, key: str) -> None:
    """Remove the checkpoints of an experiment whose tables are written."""
    shutil.rmtree(home.checkpoints / key, ignore_errors=True)


def _train(
    key: str,
    spec: LearningSpec,
    dataset: Dataset,
    splits: list[Split],
    found: TrainingRows,
    *,
    request: ModelRequest,
    on_backend: Mapping[tuple[str, int, int], FoldTraining],
    home: Home,
    report: ReportProgress,
) -> None:
    mapper = chosen_mapper()
    train_fold = partial(
        _train_fold, key=key, spec=spec, request=request, dataset=dataset, on_backend=on_backend, home=home,
        report=_report_nothing if mapper.workers else report,
    )  # fmt: skip
    for number, rows in enumerate(mapper.map(train_fold, splits)):
        found.runs.extend(rows.runs)
        found.iterations.extend(rows.iterations)
        found.predictions.extend(rows.predictions)
        report(f"fold {number + 1} of {len(splits)} done: {len(make_learners(spec, request))} models")


def _report_nothing(_: str) -> None:
    """Stand in for the report of a worker, whose words would reach nobody."""


def _train_fold(
    split: Split,
    *,
    key: str,
    spec: LearningSpec,
    request: ModelRequest,
    dataset: Dataset,
    on_backend: Mapping[tuple[str, int, int], FoldTraining],
    home: Home,
    report: ReportProgress,
) -> TrainingRows:
    """Return the rows of everything that is trained on a fold."""
    found = TrainingRows()
    tuner = Tuner(
        dataset,
        pca=spec.features.pca,
        trials=spec.tuning.trials,
        seed=spec.seed,
        metric=spec.evaluation.metric,
        fit=CheckpointedFit(spec, home.checkpoints / key, home.tmp, report),
    )
    for learner in make_learners(spec, request):
        trained = on_backend.get((learner.name, split.repeat, split.fold))
        tuned = tuner.tune(learner, split) if trained is None else trained.as_tuned()
        said = _diagnose(learner, split, tuned, dataset)
        _append_rows(found, learner, split, tuned, key=key, dataset=dataset, diagnostics=said)
        if learner.side == "control":
            continue
        for size in spec.evaluation.curve:
            point = tuner.fit_on_subset(learner, split, tuned.settings, size)
            _append_rows(found, learner, split, point, key=key, dataset=dataset, purpose="learning_curve")
    return found


def _append_rows(
    found: TrainingRows,
    learner: Learner,
    split: Split,
    tuned: TunedLearner,
    *,
    key: str,
    dataset: Dataset,
    purpose: Purpose = "comparison",
    diagnostics: Diagnostics = NO_DIAGNOSTICS,
) -> None:
    template, steps, saved = (
        _circuit_columns(tuned) if learner.side in {"quantum", "unentangled_control"} else (None, None, None)
    )
    found.runs.append(
        run_row(
            key,
            learner,
            split,
            tuned,
            purpose=purpose,
            template=template,
            iterations=steps,
            saved_model=saved,
            diagnostics=diagnostics,
        )
    )
    found.predictions.extend(prediction_rows(key, learner, split, tuned, dataset, purpose=purpose))
    if purpose == "comparison":
        found.iterations.extend(iteration_rows(key, learner, split, tuned))


def _diagnose(learner: Learner, split: Split, tuned: TunedLearner, dataset: Dataset) -> Diagnostics:
    """Return what a circuit or a kernel says of itself on the rows of its fit; nothing of classical models."""
    model = all_models().get(learner.name)
    if model is None:
        return NO_DIAGNOSTICS
    rows = split.outer_train
    features = tuned.reduction.transform(dataset.features[rows])
    return model.diagnose(tuned.estimator, features, dataset.labels[rows], tuned.seed)


def _circuit_columns(tuned: TunedLearner) -> tuple[str | None, int | None, str]:
    """Return what only circuits have: template and steps of those with weights, and the saved model."""
    from qhybrid_pipelines.learning.circuits.circuit_templates import circuit_template
    from qhybrid_pipelines.learning.models.reuploading_classifier import ReuploadingClassifier
    from qhybrid_pipelines.learning.models.saved_models import model_to_bytes

    model: Any = tuned.estimator
    saved = model_to_bytes(model).decode()
    if not isinstance(model, ReuploadingClassifier):
        return None, None, saved
    return circuit_template(model.circuit_.shape).template_id, model.n_iter_, saved
