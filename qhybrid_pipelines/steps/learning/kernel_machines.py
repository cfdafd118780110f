"""Support vector machines on the kernels that a backend measured: their predictions, the entries with their errors, and what shots did to both.

What shots decide is not computed: the machine is solved for the measured entries, and its cost is chosen again by those of validation rows, among the costs
that were tried. The bandwidth is that of the exact kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.vocabulary.learning_metrics import Metric
from qhybrid_pipelines.learning.data.dataset import Dataset
from qhybrid_pipelines.learning.data.table_rows import MeasurementRow
from qhybrid_pipelines.learning.evaluation.metrics import predict_all, validation_score
from qhybrid_pipelines.steps.learning.inference_batches import FoldModel, KernelMeasurement
from qhybrid_pipelines.steps.learning.measurement_rows import measurement_rows
from qhybrid_pipelines.steps.values_from_rows import Row

if TYPE_CHECKING:
    from qhybrid_pipelines.learning.measurement.kernel_batches import KernelSize


def kernel_rows(
    plan: KernelMeasurement, measured: F64, dataset: Dataset, metric: Metric
) -> tuple[list[MeasurementRow], list[Row], list[Row]]:
    """Return the rows of `qml_measurements`, `qml_kernels` and `qml_kernel_entries` of one measured kernel.

    Args:
        plan: what was measured.
        measured: entries, in the order of its points.
        dataset: of the experiment.
        metric: by which the cost is chosen.
    """
    from qhybrid_pipelines.learning.measurement.kernel_batches import KernelSize

    predictions: list[MeasurementRow] = []
    kernels, entries, start = [], [], 0
    for fold in plan.folds:
        size = KernelSize(samples=len(fold.split.outer_train), queries=len(fold.split.test))
        mine = measured[start : start + size.circuits]
        start += size.circuits
        of_fold, kernel, exact = _fold_rows(plan, fold, mine, size=size, dataset=dataset, metric=metric)
        predictions += of_fold
        kernels.append(kernel)
        entries += _entry_rows(plan, fold, mine, exact)
    return predictions, kernels, entries


def _fold_rows(
    plan: KernelMeasurement, fold: FoldModel, measured: F64, *, size: KernelSize, dataset: Dataset, metric: Metric
) -> tuple[list[MeasurementRow], Row, F64]:
    """Return what the machine of a fold says about its test rows, what became of its kernel, and the exact entries."""
    from qhybrid_pipelines.learning.measurement.kernel_batches import standard_errors
    from qhybrid_pipelines.learning.models.measured_kernel import MeasuredKernelSvm

    split, machine = fold.split, fold.estimator
    labels = dataset.labels[split.outer_train]
    queries = fold.reduction.transform(dataset.features[split.test])
    fitted, crossed = size.matrices(measured)
    cost = _choose_cost(fold, fitted, dataset, metric)
    svm = MeasuredKernelSvm(C=cost).fit(fitted, labels)
    output = predict_all(svm, crossed)
    exact_fitted, exact_crossed = machine.kernel_matrix(machine.samples_), machine.kernel_matrix(queries)
    exact = np.concatenate([exact_fitted[np.triu_indices(size.samples, 1)], exact_crossed.ravel()])
    kernel = {
        "experiment": plan.batch.experiment,
        "backend": plan.batch.backend,
        "model": plan.model,
        "shots": plan.batch.shots,
        "repeat": split.repeat,
        "fold": split.fold,
        "circuits": size.circuits,
        "bandwidth": machine.bandwidth,
        "cost": cost,
        "standard_error": _root_mean_square(standard_errors(measured, plan.batch.shots)),
        "deviation": _root_mean_square(measured - exact),
        "smallest_eigenvalue_exact": float(np.linalg.eigvalsh(exact_fitted)[0]),
        "smallest_eigenvalue": svm.smallest_eigenvalue_,
        "smallest_eigenvalue_projected": float(np.linalg.eigvalsh(svm.projected_)[0]),
        "changed": float(np.mean(output.predicted != machine.predict(queries))),
    }
    return measurement_rows(plan, fold, dataset, output, expectations=None), kernel, exact


def _choose_cost(fold: FoldModel, fitted: F64, dataset: Dataset, metric: Metric) -> float:
    """Return the cost that does best on the measured entries of validation rows; the exact kernel's where none does better."""
    from qhybrid_pipelines.learning.models.measured_kernel import MeasuredKernelSvm

    split = fold.split
    costs = dict.fromkeys([float(fold.estimator.C), *(float(trial["settings"]["C"]) for trial in fold.trials)])
    if len(costs) == 1:
        return float(fold.estimator.C)
    is_trained = np.isin(split.outer_train, split.train)
    trained, validated = (split.outer_train[rows] for rows in (is_trained, ~is_trained))
    scores = {
        cost: validation_score(
            MeasuredKernelSvm(C=cost).fit(fitted[np.ix_(is_trained, is_trained)], dataset.labels[trained]),
            fitted[np.ix_(~is_trained, is_trained)],
            dataset.labels[validated],
            n_classes=len(dataset.class_names),
            metric=metric,
        )
        for cost in costs
    }
    return max(scores, key=lambda cost: scores[cost])


def _entry_rows(plan: KernelMeasurement, fold: FoldModel, measured: F64, exact: F64) -> list[Row]:
    from qhybrid_pipelines.learning.measurement.kernel_batches import standard_errors

    split = fold.split
    fitted, tested = split.outer_train, split.test
    one, other = np.triu_indices(len(fitted), 1)
    rows = np.concatenate([fitted[one], np.repeat(tested, len(fitted))]).tolist()
    others = np.concatenate([fitted[other], np.tile(fitted, len(tested))]).tolist()
    of_all = {
        "experiment": plan.batch.experiment,
        "backend": plan.batch.backend,
        "model": plan.model,
        "shots": plan.batch.shots,
        "repeat": split.repeat,
        "fold": split.fold,
    }
    errors = standard_errors(measured, plan.batch.shots)
    columns = (rows, others, measured.tolist(), errors.tolist(), exact.tolist())
    names = ("row", "other", "measured", "standard_error", "exact")
    roles = ["train"] * len(one) + ["test"] * (len(rows) - len(one))
    return [
        {**of_all, "role": role, **dict(zip(names, values, strict=True))}
        for role, values in zip(roles, zip(*columns, strict=True), strict=True)
    ]


def _root_mean_square(values: F64) -> float:
    return float(np.sqrt(np.mean(values**2)))
