"""Trained models on a backend: one batch per model and number of shots, every test row of every fold in it, or every pair of rows of a kernel.

All folds share a circuit template and differ in its inputs, so all their test rows are points of one batch; rows whose
gradient is wanted follow behind them. A batch goes through the same dispatcher as every other: ledger, price, budget.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.core.jobs.circuit_jobs import CircuitBatch
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.learning.data.dataset import I64, Dataset
from qhybrid_pipelines.learning.data.feature_pipeline import FeaturePipeline
from qhybrid_pipelines.learning.data.folds import Split
from qhybrid_pipelines.steps.execute.qpu_submissions import submit_batches
from qhybrid_pipelines.steps.learning.datasets_and_folds import load_verified_dataset, stored_folds
from qhybrid_pipelines.steps.values_from_rows import (
    ExecutionKey,
    Row,
    check_backend_is_named,
    get_learning_specification,
    select_rows,
)
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines.storage.tables import from_rows


@dataclass(frozen=True, kw_only=True)
class FoldModel:
    """One trained model and the fold that it was trained on.

    Attributes:
        split: the fold.
        reduction: the feature chain, fitted on its training rows.
        estimator: a `ReuploadingClassifier`, or a `QuantumKernelClassifier`.
        trials: the settings that were tried, with their scores on validation rows.
    """

    split: Split
    reduction: FeaturePipeline
    estimator: Any
    trials: tuple[Row, ...] = ()


@dataclass(frozen=True, kw_only=True)
class KernelMeasurement:
    """One batch whose points are the pairs of rows of a kernel, fold after fold, each as `learning.measurement.kernel_batches` has them."""

    model: str
    folds: tuple[FoldModel, ...]
    batch: CircuitBatch

    @property
    def what(self) -> str:
        """What is measured, in a few words."""
        return f"{self.model}, {self.batch.points} pairs of rows in {len(self.folds)} folds"


@dataclass(frozen=True, kw_only=True)
class InferenceBatch:
    """One batch and what its points are.

    Attributes:
        model: name of the circuit.
        folds: the trained circuits, whose test rows are the batch's first points, fold after fold.
        gradient_rows: rows of the data set whose gradient is measured at the first fold's weights, by the points after
            those; may be empty.
    """

    model: str
    folds: tuple[FoldModel, ...]
    gradient_rows: I64
    batch: CircuitBatch

    @property
    def what(self) -> str:
        """What is measured, in a few words."""
        gradient = f", gradient of {len(self.gradient_rows)} rows" if len(self.gradient_rows) else ""
        return f"{self.model}, {self.test_points} test rows{gradient}"

    @property
    def test_points(self) -> int:
        """Points that are test rows."""
        return sum(len(fold.split.test) for fold in self.folds)


def qml_submissions(
    executions: Iterable[ExecutionKey],
    *,
    experiments: pa.Table,
    qml_datasets: pa.Table,
    qml_folds: pa.Table,
    qml_models: pa.Table,
    specifications: Specifications,
    dispatcher: Dispatcher,
    principal: str,
    requested_at: datetime | None = None,
) -> pa.Table:
    """Return the table `qml_submissions`: the jobs behind each batch, submitted once. Errors as in `steps.execute.qpu_submissions`.

    All batches of an execution are priced as a whole: what does not fit the budget sends nothing.
    """
    rows: list[Row] = []
    for backend, key in executions:
        spec = get_learning_specification(experiments, key)
        dataset = load_verified_dataset(key, spec, qml_datasets, specifications)
        plans = list(
            inference_batches(
                key,
                backend,
                spec=spec,
                dataset=dataset,
                splits=stored_folds(qml_folds, key),
                qml_models=select_rows(qml_models, key),
            )
        )
        ends = np.cumsum([0, *(plan.batch.points for plan in plans)]).tolist()
        parts = submit_batches(
            [(first, plan.batch) for first, plan in zip(ends, plans, strict=False)],
            spec,
            dispatcher,
            principal=principal,
            requested_at=requested_at,
        )
        for first, end, plan in zip(ends, ends[1:], plans, strict=False):
            mine = [part for part in parts if first <= part["first_point"] < end]
            labels = {"model": plan.model, "shots": plan.batch.shots}
            rows += [
                {**labels, **part, "sub_batch": number, "first_point": part["first_point"] - first}
                for number, part in enumerate(mine)
            ]
    return from_rows(schemas.QML_SUBMISSIONS, rows)


def inference_batches(
    key: str, backend: str, *, spec: LearningSpec, dataset: Dataset, splits: Sequence[Split], qml_models: pa.Table
) -> Iterator[InferenceBatch | KernelMeasurement]:
    """Yield the batches of an experiment on a backend; the same ones whenever it is asked.

    Args:
        key: of the experiment.
        backend: where they shall run.
        spec: of the experiment.
        dataset: its rows.
        splits: its folds.
        qml_models: its rows of `qml_models`.
    """
    check_backend_is_named(spec, key, backend)
    trained = qml_models.filter(pc.equal(qml_models.column("purpose"), "comparison")).to_pylist()
    for model in (*spec.measured_models, *spec.measured_kernels):
        by_fold = {(run["repeat"], run["fold"]): run for run in trained if run["model"] == model}
        folds = tuple(_fold_model(split, by_fold[split.repeat, split.fold]) for split in splits)
        for shots in spec.measured_shots:
            plan = plan_kernel if model in spec.measured_kernels else plan_inference
            yield plan(key, backend, spec=spec, dataset=dataset, model=model, folds=folds, shots=shots)


def plan_inference(
    key: str,
    backend: str,
    *,
    spec: LearningSpec,
    dataset: Dataset,
    model: str,
    folds: tuple[FoldModel, ...],
    shots: int,
) -> InferenceBatch:
    """Return the batch that measures one model with one number of shots."""
    from qhybrid_pipelines.learning.measurement.circuit_batches import (
        circuits_per_sample,
        gradient_batch,
        inference_batch,
        sampling_seeds,
    )

    pieces = []
    where: dict[str, Any] = {"experiment": key, "backend": backend, "shots": shots}
    for fold in folds:
        split = fold.split
        seeds = sampling_seeds(spec.seed, model, shots, split.repeat, split.fold, points=len(split.test))
        features = fold.reduction.transform(dataset.features[split.test])
        pieces.append(inference_batch(fold.estimator.circuit_, features, seeds=seeds, **where))
    first = folds[0]
    rows = first.split.train[: spec.evaluation.gradient_rows]
    if len(rows):
        points = len(rows) * circuits_per_sample(first.estimator.circuit_.shape)
        seeds = sampling_seeds(spec.seed, model, shots, "gradient", points=points)
        features = first.reduction.transform(dataset.features[rows])
        pieces.append(gradient_batch(first.estimator.circuit_, features, seeds=seeds, **where))
    return InferenceBatch(model=model, folds=folds, gradient_rows=rows, batch=_joined(pieces))


def plan_kernel(
    key: str,
    backend: str,
    *,
    spec: LearningSpec,
    dataset: Dataset,
    model: str,
    folds: tuple[FoldModel, ...],
    shots: int,
) -> KernelMeasurement:
    """Return the batch that measures the kernel of every fold with one number of shots."""
    from qhybrid_pipelines.learning.measurement.circuit_batches import sampling_seeds
    from qhybrid_pipelines.learning.measurement.kernel_batches import KernelSize, kernel_batch

    pieces = []
    for fold in folds:
        split, machine = fold.split, fold.estimator
        size = KernelSize(samples=len(machine.samples_), queries=len(split.test))
        pieces.append(
            kernel_batch(
                machine.samples_,
                fold.reduction.transform(dataset.features[split.test]),
                encoding=machine.encoding,
                layers=machine.layers,
                bandwidth=machine.bandwidth,
                experiment=key,
                backend=backend,
                shots=shots,
                seeds=sampling_seeds(spec.seed, model, shots, split.repeat, split.fold, points=size.circuits),
            )
        )
    return KernelMeasurement(model=model, folds=folds, batch=_joined(pieces))


def _joined(pieces: Sequence[CircuitBatch]) -> CircuitBatch:
    """Return batches of one template as one, point after point."""
    return replace(
        pieces[0],
        bindings=np.concatenate([piece.bindings for piece in pieces]),
        seeds=np.concatenate([piece.seeds for piece in pieces]),
    )


def _fold_model(split: Split, run: Row) -> FoldModel:
    from qhybrid_pipelines.learning.models.saved_models import model_from_bytes

    estimator = model_from_bytes(run["saved_model"].encode(), name=f"{run['model']} of fold {run['fold']}")
    reduction = FeaturePipeline.from_dict(json.loads(run["reduction"]))
    trials = tuple(json.loads(run["trial_scores"]))
    return FoldModel(split=split, reduction=reduction, estimator=estimator, trials=trials)
