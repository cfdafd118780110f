"""Every table once: columns, types, units, nullability, meaning.

The lake's writer, the asset checks, the warehouse's comments and the data dictionary all come from here. A column
marked ``measured`` holds a time, a host fact or an id of the run that made it, and may differ between two runs of the
same experiment; every other column is bit-identical. Building tables from these descriptions is `storage.tables`.
"""

from __future__ import annotations

from qhybrid_pipelines.storage.layout import SCHEMA_VERSION
from qhybrid_pipelines.storage.schemas.backends import BACKEND_CALIBRATIONS, BACKEND_CAPABILITIES
from qhybrid_pipelines.storage.schemas.descriptions import BACKEND, Column, Table, comment
from qhybrid_pipelines.storage.schemas.estimates import ESTIMATES
from qhybrid_pipelines.storage.schemas.execution import (
    CHAINS,
    CIRCUIT_BATCHES,
    OPTIMISER_STEPS,
    PARAMETER_SENSITIVITY,
    QPU_RESULT_SETS,
    QPU_SUBMISSIONS,
)
from qhybrid_pipelines.storage.schemas.interpretation import (
    BASELINE_COMPARISONS,
    DECISIONS,
    POINT_SCORES,
    PROVENANCE,
    SCORED_SOLUTIONS,
    TRACKING_RUNS,
)
from qhybrid_pipelines.storage.schemas.learning import (
    LEARNING_TABLES,
    QML_DATASETS,
    QML_FOLDS,
    QML_ITERATIONS,
    QML_MODELS,
    QML_PREDICTIONS,
    QML_SCORES,
    QML_SUMMARIES,
    QML_TRACKING_RUNS,
    QML_VERDICTS,
)
from qhybrid_pipelines.storage.schemas.learning_measurements import (
    QML_GRADIENTS,
    QML_KERNEL_ENTRIES,
    QML_KERNELS,
    QML_MEASUREMENTS,
    QML_SUBMISSIONS,
    QML_TRAINING_STEPS,
)
from qhybrid_pipelines.storage.schemas.ledger import CANARY_JOBS, COSTS, JOB_EVENTS, JOBS, LATENCY, LEDGER_TABLES
from qhybrid_pipelines.storage.schemas.preparation import (
    BASELINES,
    EXPERIMENTS,
    FEATURES,
    PARAMETER_SWEEPS,
    PROBLEM_INSTANCES,
    REDUCED_MODELS,
)
from qhybrid_pipelines.storage.schemas.sampling import (
    SAMPLING_BASELINES,
    SAMPLING_CIRCUITS,
    SAMPLING_REFERENCES,
    SAMPLING_SCORES,
    SAMPLING_TABLES,
    SAMPLING_VERDICTS,
)

#: Tables that Dagster assets write into the lake.
LAKE_TABLES: tuple[Table, ...] = (
    EXPERIMENTS,
    PROBLEM_INSTANCES,
    FEATURES,
    REDUCED_MODELS,
    PARAMETER_SWEEPS,
    OPTIMISER_STEPS,
    CIRCUIT_BATCHES,
    PARAMETER_SENSITIVITY,
    QPU_SUBMISSIONS,
    QPU_RESULT_SETS,
    CHAINS,
    POINT_SCORES,
    SCORED_SOLUTIONS,
    ESTIMATES,
    BASELINES,
    BASELINE_COMPARISONS,
    DECISIONS,
    TRACKING_RUNS,
    PROVENANCE,
    BACKEND_CAPABILITIES,
    BACKEND_CALIBRATIONS,
    *LEARNING_TABLES,
    *SAMPLING_TABLES,
)

#: Everything an analyst finds in the warehouse, in the order of the data's way.
TABLES: tuple[Table, ...] = (
    *LAKE_TABLES[:8],
    *LEDGER_TABLES,
    *LAKE_TABLES[8:],
)

BY_NAME = {table.name: table for table in LAKE_TABLES}


__all__ = [
    "BACKEND",
    "BACKEND_CALIBRATIONS",
    "BACKEND_CAPABILITIES",
    "BASELINES",
    "BASELINE_COMPARISONS",
    "BY_NAME",
    "CANARY_JOBS",
    "CHAINS",
    "CIRCUIT_BATCHES",
    "COSTS",
    "DECISIONS",
    "ESTIMATES",
    "EXPERIMENTS",
    "FEATURES",
    "JOBS",
    "JOB_EVENTS",
    "LAKE_TABLES",
    "LATENCY",
    "LEARNING_TABLES",
    "LEDGER_TABLES",
    "OPTIMISER_STEPS",
    "PARAMETER_SENSITIVITY",
    "PARAMETER_SWEEPS",
    "POINT_SCORES",
    "PROBLEM_INSTANCES",
    "PROVENANCE",
    "QML_DATASETS",
    "QML_FOLDS",
    "QML_GRADIENTS",
    "QML_ITERATIONS",
    "QML_KERNELS",
    "QML_KERNEL_ENTRIES",
    "QML_MEASUREMENTS",
    "QML_MODELS",
    "QML_PREDICTIONS",
    "QML_SCORES",
    "QML_SUBMISSIONS",
    "QML_SUMMARIES",
    "QML_TRACKING_RUNS",
    "QML_TRAINING_STEPS",
    "QML_VERDICTS",
    "QPU_RESULT_SETS",
    "QPU_SUBMISSIONS",
    "REDUCED_MODELS",
    "SAMPLING_BASELINES",
    "SAMPLING_CIRCUITS",
    "SAMPLING_REFERENCES",
    "SAMPLING_SCORES",
    "SAMPLING_TABLES",
    "SAMPLING_VERDICTS",
    "SCHEMA_VERSION",
    "SCORED_SOLUTIONS",
    "TABLES",
    "TRACKING_RUNS",
    "Column",
    "Table",
    "comment",
]
