"""What measuring a learning experiment would cost on each backend, and what training on it would, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.learning.data.feature_pipeline import fit_angle_encoder
from qhybrid_pipelines.learning.models.registry import all_models
from qhybrid_pipelines.learning.models.trainable_model import ModelRequest
from qhybrid_pipelines.steps.learning.datasets_and_folds import load_experiment_dataset, make_folds
from qhybrid_pipelines.steps.learning.fold_trainings import fold_trainings, plan_iteration
from qhybrid_pipelines.steps.learning.inference_batches import (
    FoldModel,
    InferenceBatch,
    KernelMeasurement,
    inference_batches,
    plan_inference,
    plan_kernel,
)
from qhybrid_pipelines.steps.learning.requested_models import model_request
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.lake import Lake, PartitionKey
from qhybrid_pipelines.storage.specifications import Specifications

if TYPE_CHECKING:
    from qhybrid_pipelines.learning.models.reuploading_classifier import ReuploadingClassifier


@dataclass(frozen=True, kw_only=True)
class EpochEstimate:
    """One pass over the training rows of a fold, with gradients by parameter shift on a backend.

    Attributes:
        model: name of the circuit.
        submissions: batches, one per step.
        circuits: over all of them.
        shots: over all circuits.
        step: the batch of one step, for its price.
    """

    model: str
    submissions: int
    circuits: int
    shots: int
    step: CircuitBatch


def planned_inferences(
    key: str, backend: str, spec: LearningSpec, registered: Specifications, lake: Lake
) -> list[InferenceBatch | KernelMeasurement]:
    """Return the batches that a backend would get; before training, with the first parameters in place of trained ones."""
    dataset, whole = load_experiment_dataset(spec, registered), PartitionKey(experiment=key)
    splits = make_folds(spec, dataset)
    if lake.exists(schemas.QML_MODELS, whole):
        qml_models = lake.read(schemas.QML_MODELS, whole)
        return [*inference_batches(key, backend, spec=spec, dataset=dataset, splits=splits, qml_models=qml_models)]
    found: list[InferenceBatch | KernelMeasurement] = []
    request = model_request(spec, registered)
    for model in (*spec.measured_models, *spec.measured_kernels):
        folds = tuple(
            FoldModel(
                split=split,
                reduction=(reduction := fit_angle_encoder(dataset.features[split.outer_train], spec.features.pca)),
                estimator=_untrained_classifier(model, spec, request, dataset.labels, len(dataset.feature_names))
                if model in spec.measured_models
                else _untrained_kernel(model, request, reduction.transform(dataset.features[split.outer_train])),
            )
            for split in splits
        )
        plan = plan_kernel if model in spec.measured_kernels else plan_inference
        found += [
            plan(key, backend, spec=spec, dataset=dataset, model=model, folds=folds, shots=shots)
            for shots in spec.measured_shots
        ]
    return found


def planned_training(key: str, spec: LearningSpec, registered: Specifications) -> list[tuple[str, CircuitBatch]]:
    """Return each model that a backend trains, with the batch of its first iteration; those that follow are as large."""
    if spec.training.backend is None:
        return []
    dataset = load_experiment_dataset(spec, registered)
    trainings = fold_trainings(spec, model_request(spec, registered), dataset, make_folds(spec, dataset))
    planned = plan_iteration(trainings, key, spec.training.backend, spec, 1)
    return [(step.trainings[0].model, step.batch) for step in planned]


def estimate_epochs(key: str, backend: str, spec: LearningSpec, registered: Specifications) -> Iterator[EpochEstimate]:
    """Yield what an epoch of training would be for each circuit on a backend, at the most shots of the experiment."""
    from qhybrid_pipelines.learning.measurement.circuit_batches import (
        circuits_per_sample,
        epoch_size,
        gradient_batch,
        sampling_seeds,
    )

    dataset = load_experiment_dataset(spec, registered)
    split, shots = make_folds(spec, dataset)[0], max(spec.measured_shots)
    rows = split.outer_train
    features = fit_angle_encoder(dataset.features[rows], spec.features.pca).transform(dataset.features[rows])
    request = model_request(spec, registered)
    batch_size = min(spec.training.batch_size, len(rows))
    for model in spec.measured_models:
        circuit = _untrained_classifier(model, spec, request, dataset.labels, len(dataset.feature_names)).circuit_
        size = epoch_size(circuit.shape, samples=len(rows), batch_size=batch_size, shots=shots)
        points = batch_size * circuits_per_sample(circuit.shape)
        step = gradient_batch(
            circuit,
            features[:batch_size],
            experiment=key,
            backend=backend,
            shots=shots,
            seeds=sampling_seeds(spec.seed, model, "estimate", points=points),
        )
        yield EpochEstimate(
            model=model, submissions=size.submissions, circuits=size.circuits, shots=size.shots, step=step
        )


def _untrained_kernel(model: str, request: ModelRequest, samples: F64) -> Any:
    """Return a kernel's classifier with the settings that are tried first: the right circuits for a price."""
    trainable = all_models()[model]
    estimator: Any = trainable.build(request, trainable.defaults(request), 0)
    estimator.samples_ = samples
    return estimator


def _untrained_classifier(
    model: str,
    spec: LearningSpec,
    request: ModelRequest,
    labels: np.ndarray[tuple[int], np.dtype[np.int64]],
    columns: int,
) -> ReuploadingClassifier:
    """Return a classifier with its first parameters: the right circuit for a price, the wrong one for a prediction."""
    from qhybrid_pipelines.learning.models.reuploading_classifier import ReuploadingClassifier

    trainable = all_models()[model]
    estimator = trainable.build(request, trainable.defaults(request), spec.seed)
    assert isinstance(estimator, ReuploadingClassifier)
    classes = np.unique(labels)
    width = spec.features.pca or columns
    estimator.circuit_ = estimator.make_trainer(np.ones((len(classes), width)), classes).circuit
    return estimator
