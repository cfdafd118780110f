"""Tables of what backends measured for learning experiments."""

from __future__ import annotations

import pyarrow as pa

from qhybrid_pipelines.storage.schemas.descriptions import (
    BACKEND,
    EXPERIMENT,
    F64,
    I32,
    TEXT,
    Table,
    column,
)
from qhybrid_pipelines.storage.schemas.execution import QPU_SUBMISSIONS
from qhybrid_pipelines.storage.schemas.learning_columns import (
    DATA_ROW,
    DECISION,
    FOLD,
    MODEL,
    PREDICTED,
    REPEAT,
    TRUTH,
)

QML_TRAINING_STEPS = Table(
    name="qml_training_steps",
    meaning="What training with the shots of a backend measured, one row per circuit, fold and iteration; no row for exact training",
    key=("experiment", "backend", "model", "repeat", "fold", "iteration"),
    columns=(
        EXPERIMENT,
        BACKEND,
        MODEL,
        REPEAT,
        FOLD,
        column("iteration", I32, "Step, from 1; all folds of a model are one batch of circuits", minimum=1),
        column("optimiser", TEXT, "How the gradient is found", words=("adam", "spsa")),
        column(
            "parameters", pa.list_(F64), "Before the step, as they were measured: weights in radians, readout, bias"
        ),
        column("circuits", I32, "Circuits of this fold", minimum=1),
        column("shots", I32, "Shots per circuit", "shots", minimum=1),
        column("job_ids", pa.list_(TEXT), "The jobs in the ledger of the model's batch, shared by all of its folds"),
        column("cost_quoted_usd", F64, "Its share, by circuits, of the highest price of these jobs", "USD"),
        column(
            "loss",
            F64,
            "Mean cross-entropy of the step's rows, from their shots; of spsa the mean over both sides; null where it was "
            "not measured yet",
            "nats",
            nullable=True,
        ),
        column("gradient_norm", F64, "Euclidean norm of the gradient", nullable=True),
        column("gradient", pa.list_(F64), "In the order of the parameters", nullable=True),
        column("seconds", F64, "From planning the jobs to their verified results", "s", nullable=True, measured=True),
        column("stop_reason", TEXT, "Why training ended; in every row, null while it goes on", nullable=True),
    ),
)

QML_SUBMISSIONS = Table(
    name="qml_submissions",
    meaning="The jobs in the ledger that measure trained circuits on the test rows, one row per sub-batch",
    key=("experiment", "backend", "model", "shots", "sub_batch"),
    columns=(
        EXPERIMENT,
        BACKEND,
        MODEL,
        column("shots", I32, "Shots per circuit", "shots", minimum=1),
        *QPU_SUBMISSIONS.columns[2:],
    ),
)

QML_MEASUREMENTS = Table(
    name="qml_measurements",
    meaning="What trained circuits measured on a backend, one row per test row",
    key=("experiment", "backend", "model", "shots", "repeat", "fold", "row"),
    columns=(
        EXPERIMENT,
        BACKEND,
        MODEL,
        column("shots", I32, "Shots per test row", "shots", minimum=1),
        REPEAT,
        FOLD,
        DATA_ROW,
        TRUTH,
        PREDICTED,
        column(
            "probabilities", pa.list_(F64), "Per class; null for a kernel where a class has a single row", nullable=True
        ),
        DECISION,
        column("expectations", pa.list_(F64), "Measured <Z> of every qubit; null for kernels", nullable=True),
    ),
)

QML_GRADIENTS = Table(
    name="qml_gradients",
    meaning="The gradient of the loss on training rows of the first fold, by parameter shift on a backend, and exactly",
    key=("experiment", "backend", "model", "shots", "parameter"),
    columns=(
        EXPERIMENT,
        BACKEND,
        MODEL,
        column("shots", I32, "Shots per circuit", "shots", minimum=1),
        column("parameter", I32, "Index of the parameter: weights, readout, bias", minimum=0),
        column("rows", I32, "Training rows that the loss is a mean over", "rows", minimum=1),
        column("measured", F64, "Slope that the backend measured"),
        column("exact", F64, "Slope computed exactly"),
    ),
)

_ONE_KERNEL = ("experiment", "backend", "model", "shots", "repeat", "fold")
_KERNEL_COLUMNS = (
    EXPERIMENT,
    BACKEND,
    MODEL,
    column("shots", I32, "Shots per pair of rows", "shots", minimum=1),
    REPEAT,
    FOLD,
)

QML_KERNELS = Table(
    name="qml_kernels",
    meaning="Kernels that were measured on a backend, one row per fold: the shot noise of their entries, and what it did",
    key=_ONE_KERNEL,
    columns=(
        *_KERNEL_COLUMNS,
        column("circuits", I32, "Pairs of rows that were measured", minimum=1),
        column("bandwidth", F64, "Factor of every feature, chosen by the exact kernel"),
        column("cost", F64, "C of the machine, chosen by measured entries of validation rows"),
        column("standard_error", F64, "Of an entry by its shots, root mean square over all"),
        column("deviation", F64, "Of an entry from the exact one, root mean square: shots and the device's errors"),
        column("smallest_eigenvalue_exact", F64, "Of the exact matrix of the rows of the fit"),
        column("smallest_eigenvalue", F64, "Of the measured one; negative ones are set to 0"),
        column("smallest_eigenvalue_projected", F64, "After that"),
        column("changed", F64, "Share of test rows with another class than by the exact kernel"),
    ),
)

QML_KERNEL_ENTRIES = Table(
    name="qml_kernel_entries",
    meaning="The measured entries of kernels, one row per pair of rows; the diagonal is 1 and not measured",
    key=(*_ONE_KERNEL, "row", "other"),
    columns=(
        *_KERNEL_COLUMNS,
        DATA_ROW,
        column("other", I32, "Number of the row of the fit that it is compared with", minimum=0),
        column(
            "role", TEXT, "What the first row does in this fold; validation counts as train", words=("train", "test")
        ),
        column("measured", F64, "Share of shots that came back to all zeros"),
        column("standard_error", F64, "By its shots: deviation of the beta distribution that they leave"),
        column("exact", F64, "Computed exactly"),
    ),
)
