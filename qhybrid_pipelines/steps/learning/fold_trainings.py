"""The trainings of a learning experiment whose circuits are trained with the shots of a backend: one per model and fold.

They go on side by side, an iteration of all of them at a time. What they know is the list of their gradients: a training that is
given the same ones again is at the same parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.core.seeds import derive_seed_31bit
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.learning.data.dataset import Dataset
from qhybrid_pipelines.learning.data.feature_pipeline import FeaturePipeline, fit_angle_encoder
from qhybrid_pipelines.learning.data.folds import Split
from qhybrid_pipelines.learning.evaluation.tuner import TunedLearner
from qhybrid_pipelines.learning.models.registry import all_models
from qhybrid_pipelines.learning.models.trainable_model import ModelRequest
from qhybrid_pipelines.steps.values_from_rows import Row
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey

if TYPE_CHECKING:
    from qhybrid_pipelines.learning.measurement.training_steps import FoldStep
    from qhybrid_pipelines.learning.models.reuploading_classifier import ReuploadingClassifier
    from qhybrid_pipelines.learning.training.trainer import Trainer


@dataclass(frozen=True, kw_only=True)
class FoldTraining:
    """One circuit on the training rows of one fold.

    Attributes:
        model: its name.
        split: the fold.
        reduction: the feature chain, fitted on its training rows.
        estimator: the classifier, unfitted.
        trainer: how far it is.
    """

    model: str
    split: Split
    reduction: FeaturePipeline
    estimator: ReuploadingClassifier
    trainer: Trainer

    @property
    def place(self) -> tuple[str, int, int]:
        """Model, repeat and fold."""
        return self.model, self.split.repeat, self.split.fold

    def as_tuned(self) -> TunedLearner:
        """Return the classifier as far as it was trained, with the settings of the specification: none were searched for."""
        state = self.trainer.state
        self.estimator.take_training(self.trainer)
        return TunedLearner(
            estimator=self.estimator,
            reduction=self.reduction,
            settings={
                "learning_rate": self.trainer.config.learning_rate,
                "batch_size": self.trainer.config.batch_size,
            },
            trials=(),
            seed=self.trainer.config.seed,
            train_rows=len(self.split.outer_train),
            converged=state.outcome == "converged",
            tuning_seconds=0.0,
            fit_seconds=sum(step.seconds for step in state.history),
        )


@dataclass(frozen=True, kw_only=True)
class ModelStep:
    """One iteration of one model.

    Attributes:
        trainings: that take it.
        steps: what each asks for.
        first_point: of its batch, counted over all models.
        batch: all of that.
    """

    trainings: list[FoldTraining]
    steps: list[FoldStep]
    first_point: int
    batch: CircuitBatch


def fold_trainings(
    spec: LearningSpec, request: ModelRequest, dataset: Dataset, splits: Iterable[Split]
) -> list[FoldTraining]:
    """Return the trainings of an experiment before their first iteration: model after model, and its folds in their order."""
    from qhybrid_pipelines.learning.models.reuploading_classifier import ReuploadingClassifier

    splits, found = list(splits), []
    for model in spec.trained_on_backend:
        trainable = all_models()[model]
        for split in splits:
            rows = split.outer_train
            seed = derive_seed_31bit(spec.seed, "fit", model, "reduced", split.repeat, split.fold)
            estimator = trainable.build(request, trainable.defaults(request), seed)
            assert isinstance(estimator, ReuploadingClassifier)
            estimator.set_params(max_iterations=spec.training.iterations)
            reduction = fit_angle_encoder(dataset.features[rows], spec.features.pca)
            trainer = estimator.make_trainer(reduction.transform(dataset.features[rows]), dataset.labels[rows])
            found.append(
                FoldTraining(model=model, split=split, reduction=reduction, estimator=estimator, trainer=trainer)
            )
    return found


def measured_iterations(key: str, spec: LearningSpec, lake: Lake) -> list[Row]:
    """Return the rows of `qml_training_steps` with a result, in order of iterations; none where training is exact."""
    partition = PartitionKey(experiment=key, backend=spec.training.backend)
    if not spec.trained_on_backend or not lake.exists(schemas.QML_TRAINING_STEPS, partition):
        return []
    rows = lake.read(schemas.QML_TRAINING_STEPS, partition).sort_by("iteration").to_pylist()
    return [row for row in rows if row["loss"] is not None]


def take_measured_steps(trainings: Iterable[FoldTraining], rows: Iterable[Row]) -> None:
    """Bring trainings to where they were, from the rows of `qml_training_steps`; rows without a result are left out."""
    by_place = {training.place: training.trainer for training in trainings}
    for row in sorted(rows, key=lambda row: int(row["iteration"])):
        if row["gradient"] is not None:
            gradient = np.array(row["gradient"], dtype=np.float64)
            by_place[row["model"], row["repeat"], row["fold"]].take_step(row["loss"], gradient, seconds=row["seconds"])


def plan_iteration(
    trainings: Sequence[FoldTraining], key: str, backend: str, spec: LearningSpec, iteration: int
) -> list[ModelStep]:
    """Return what the trainings that are not done ask for in an iteration, model after model; the same whenever it is asked.

    Args:
        trainings: of an experiment.
        key: of that.
        backend: where they are trained.
        spec: of the experiment.
        iteration: its number, from 1.
    """
    from qhybrid_pipelines.learning.measurement.circuit_batches import sampling_seeds
    from qhybrid_pipelines.learning.measurement.training_steps import plan_step, step_batch

    planned: list[ModelStep] = []
    first_point = 0
    optimiser, shots = spec.training.optimiser, spec.training.shots
    assert optimiser is not None
    assert shots is not None
    for model in spec.trained_on_backend:
        running = [training for training in trainings if training.model == model and training.trainer.is_running]
        if not running:
            continue
        steps = [
            plan_step(training.trainer, optimiser, seed=spec.seed, labels=(*training.place, iteration))
            for training in running
        ]
        points = sum(step.circuits for step in steps)
        seeds = sampling_seeds(spec.seed, "training", model, iteration, points=points)
        batch = step_batch(steps, experiment=key, backend=backend, shots=shots, seeds=seeds)
        planned.append(ModelStep(trainings=running, steps=steps, first_point=first_point, batch=batch))
        first_point += points
    return planned
