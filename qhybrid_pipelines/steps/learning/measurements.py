"""What came back from a backend: predictions from measured expectations or kernels, and gradients with the exact ones."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from qhybrid_pipelines.control.job_dispatcher import Dispatcher
from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.learning.data.dataset import Dataset
from qhybrid_pipelines.learning.data.table_rows import MeasurementRow
from qhybrid_pipelines.learning.evaluation.metrics import Predictions
from qhybrid_pipelines.steps.execute.qpu_result_sets import collect_counts
from qhybrid_pipelines.steps.learning.datasets_and_folds import load_verified_dataset, stored_folds
from qhybrid_pipelines.steps.learning.inference_batches import (
    FoldModel,
    InferenceBatch,
    KernelMeasurement,
    inference_batches,
)
from qhybrid_pipelines.steps.learning.kernel_machines import kernel_rows
from qhybrid_pipelines.steps.learning.measurement_rows import measurement_rows
from qhybrid_pipelines.steps.values_from_rows import ExecutionKey, Row, get_learning_specification, select_rows
from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.specifications import Specifications
from qhybrid_pipelines.storage.tables import from_rows


def qml_measurements(
    executions: Iterable[ExecutionKey],
    *,
    experiments: pa.Table,
    qml_datasets: pa.Table,
    qml_folds: pa.Table,
    qml_models: pa.Table,
    qml_submissions: pa.Table,
    specifications: Specifications,
    dispatcher: Dispatcher,
) -> tuple[pa.Table, pa.Table, pa.Table, pa.Table]:
    """Return the tables `qml_measurements`, `qml_gradients`, `qml_kernels` and `qml_kernel_entries`.

    A model whose jobs did not all end by their deadline has no rows, and so no verdict on this backend.

    Raises:
        JobFailed: a job is not finished, or ended without a usable result.
    """
    from qhybrid_pipelines.learning.measurement.kernel_batches import entries_from_counts

    measured: list[MeasurementRow] = []
    gradients: list[Row] = []
    kernels: list[Row] = []
    entries: list[Row] = []
    for backend, key in executions:
        spec = get_learning_specification(experiments, key)
        dataset = load_verified_dataset(key, spec, qml_datasets, specifications)
        parts = select_rows(qml_submissions, key, backend).to_pylist()
        for inference_batch in inference_batches(
            key,
            backend,
            spec=spec,
            dataset=dataset,
            splits=stored_folds(qml_folds, key),
            qml_models=select_rows(qml_models, key),
        ):
            batch = inference_batch.batch
            mine = [row for row in parts if (row["model"], row["shots"]) == (inference_batch.model, batch.shots)]
            tables = collect_counts(batch, mine, dispatcher)
            if not tables:
                continue
            counts = pa.concat_tables(tables)
            if isinstance(inference_batch, KernelMeasurement):
                shares = entries_from_counts(counts, inference_batch.batch)
                found = kernel_rows(inference_batch, shares, dataset, spec.evaluation.metric)
                measured, kernels, entries = measured + found[0], kernels + found[1], entries + found[2]
            else:
                expectations = _expectations(counts, inference_batch)
                measured += _measurement_rows(inference_batch, dataset, expectations[: inference_batch.test_points])
                gradients += _gradient_rows(inference_batch, dataset, expectations[inference_batch.test_points :])
    return (
        from_rows(schemas.QML_MEASUREMENTS, measured),
        from_rows(schemas.QML_GRADIENTS, gradients),
        from_rows(schemas.QML_KERNELS, kernels),
        from_rows(schemas.QML_KERNEL_ENTRIES, entries),
    )


def _expectations(counts: pa.Table, inference_batch: InferenceBatch) -> F64:
    """Return the measured <Z>, shape ``(points, n_qubits)``."""
    from qhybrid_pipelines.learning.measurement.circuit_batches import expectations_from_counts

    return expectations_from_counts(counts, inference_batch.batch)[:, 0]


def _measurement_rows(inference_batch: InferenceBatch, dataset: Dataset, expectations: F64) -> list[MeasurementRow]:
    rows, start = [], 0
    for fold in inference_batch.folds:
        end = start + len(fold.split.test)
        rows += _fold_measurement_rows(inference_batch, fold, dataset, expectations[start:end])
        start = end
    return rows


def _fold_measurement_rows(
    inference_batch: InferenceBatch, fold: FoldModel, dataset: Dataset, expectations: F64
) -> list[MeasurementRow]:
    from qhybrid_pipelines.learning.circuits.class_scores import probabilities, squeeze_binary_scores

    scores = fold.estimator.circuit_.scores(expectations)
    decision = squeeze_binary_scores(scores)
    output = Predictions(
        predicted=fold.estimator.labels_from_scores(decision),
        probabilities=probabilities(scores),
        decision=decision if decision.ndim == 1 else None,
    )
    return measurement_rows(inference_batch, fold, dataset, output, expectations=expectations)


def _gradient_rows(inference_batch: InferenceBatch, dataset: Dataset, expectations: F64) -> list[Row]:
    """Return one row per parameter: the slope that was measured, and the exact one."""
    if not len(inference_batch.gradient_rows):
        return []
    from qhybrid_pipelines.learning.circuits.gradient_engines import make_gradient_engine
    from qhybrid_pipelines.learning.measurement.circuit_batches import gradient_from_expectations

    first = inference_batch.folds[0]
    circuit, rows = first.estimator.circuit_, inference_batch.gradient_rows
    targets = np.searchsorted(first.estimator.classes_, dataset.labels[rows])
    features = first.reduction.transform(dataset.features[rows])
    _, measured = gradient_from_expectations(expectations, circuit, targets)
    _, exact = make_gradient_engine("adjoint", circuit.shape).loss_and_gradient(circuit.parameters, features, targets)
    return [
        {
            "experiment": inference_batch.batch.experiment,
            "backend": inference_batch.batch.backend,
            "model": inference_batch.model,
            "shots": inference_batch.batch.shots,
            "parameter": number,
            "rows": len(rows),
            "measured": float(slope),
            "exact": float(exact[number]),
        }
        for number, slope in enumerate(measured)
    ]
