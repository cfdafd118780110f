"""What a model says about the test rows of a fold, from what a backend measured, as rows of `qml_measurements`."""

from __future__ import annotations

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.learning.data.dataset import Dataset
from qhybrid_pipelines.learning.data.table_rows import MeasurementRow
from qhybrid_pipelines.learning.evaluation.metrics import Predictions
from qhybrid_pipelines.steps.learning.inference_batches import FoldModel, InferenceBatch, KernelMeasurement


def measurement_rows(
    plan: InferenceBatch | KernelMeasurement,
    fold: FoldModel,
    dataset: Dataset,
    output: Predictions,
    *,
    expectations: F64 | None,
) -> list[MeasurementRow]:
    """Return the rows of one fold.

    Args:
        plan: what was measured.
        fold: of it.
        dataset: of the experiment.
        output: of the test rows, in their order.
        expectations: measured <Z> of every qubit, shape ``(test rows, n_qubits)``; None for a kernel.
    """
    return [
        MeasurementRow(
            experiment=plan.batch.experiment,
            backend=plan.batch.backend,
            model=plan.model,
            shots=plan.batch.shots,
            repeat=fold.split.repeat,
            fold=fold.split.fold,
            row=int(row),
            truth=int(dataset.labels[row]),
            predicted=int(output.predicted[place]),
            probabilities=None if output.probabilities is None else output.probabilities[place].tolist(),
            decision=None if output.decision is None else float(output.decision[place]),
            expectations=None if expectations is None else expectations[place].tolist(),
        )
        for place, row in enumerate(fold.split.test)
    ]
