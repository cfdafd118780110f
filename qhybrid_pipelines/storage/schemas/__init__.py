"""Every table once: columns, types, units, nullability, meaning.

The lake's writer, the asset checks, the warehouse's comments and the data dictionary all come from here. A column
marked ``measured`` holds a time, a host fact or an id of the run that made it, and may differ between two runs of the
same experiment; every other column is bit-identical. Building tables from these descriptions is `storage.tables`.
"""

from __future__ import annotations

from qhybrid_pipelines.storage.schemas.backends import CALIBRATIONS, CAPABILITIES
from qhybrid_pipelines.storage.schemas.descriptions import BACKEND, SCHEMA_VERSION, Column, Table, comment
from qhybrid_pipelines.storage.schemas.execution import CIRCUIT_BATCHES, COUNTS, SUBMISSIONS
from qhybrid_pipelines.storage.schemas.interpretation import (
    COMPARISONS,
    DECISIONS,
    POINT_SCORES,
    PROVENANCE,
    SOLUTIONS,
    TRACKING_RUNS,
)
from qhybrid_pipelines.storage.schemas.learning import (
    LEARNING_TABLES,
    QML_DATASETS,
    QML_FOLDS,
    QML_GRADIENTS,
    QML_ITERATIONS,
    QML_MEASUREMENTS,
    QML_PREDICTIONS,
    QML_RUNS,
    QML_SCORES,
    QML_SUBMISSIONS,
    QML_SUMMARIES,
    QML_TRACKING,
    QML_VERDICTS,
)
from qhybrid_pipelines.storage.schemas.ledger import COSTS, JOB_EVENTS, JOBS, LATENCY, LEDGER_TABLES
from qhybrid_pipelines.storage.schemas.preparation import (
    BASELINES,
    EXPERIMENTS,
    FEATURES,
    INSTANCES,
    KERNELS,
    SWEEP_POINTS,
)

#: Tables that Dagster assets write into the lake.
LAKE_TABLES: tuple[Table, ...] = (
    EXPERIMENTS,
    INSTANCES,
    FEATURES,
    KERNELS,
    SWEEP_POINTS,
    CIRCUIT_BATCHES,
    SUBMISSIONS,
    COUNTS,
    POINT_SCORES,
    SOLUTIONS,
    BASELINES,
    COMPARISONS,
    DECISIONS,
    TRACKING_RUNS,
    PROVENANCE,
    CAPABILITIES,
    CALIBRATIONS,
    *LEARNING_TABLES,
)

#: Everything an analyst finds in the warehouse, in the order of the data's way.
TABLES: tuple[Table, ...] = (
    *LAKE_TABLES[:7],
    *LEDGER_TABLES,
    *LAKE_TABLES[7:],
)

BY_ASSET = {table.asset: table for table in LAKE_TABLES}


__all__ = [
    "BACKEND",
    "BASELINES",
    "BY_ASSET",
    "CALIBRATIONS",
    "CAPABILITIES",
    "CIRCUIT_BATCHES",
    "COMPARISONS",
    "COSTS",
    "COUNTS",
    "DECISIONS",
    "EXPERIMENTS",
    "FEATURES",
    "INSTANCES",
    "JOBS",
    "JOB_EVENTS",
    "KERNELS",
    "LAKE_TABLES",
    "LATENCY",
    "LEARNING_TABLES",
    "LEDGER_TABLES",
    "POINT_SCORES",
    "PROVENANCE",
    "QML_DATASETS",
    "QML_FOLDS",
    "QML_GRADIENTS",
    "QML_ITERATIONS",
    "QML_MEASUREMENTS",
    "QML_PREDICTIONS",
    "QML_RUNS",
    "QML_SCORES",
    "QML_SUBMISSIONS",
    "QML_SUMMARIES",
    "QML_TRACKING",
    "QML_VERDICTS",
    "SCHEMA_VERSION",
    "SOLUTIONS",
    "SUBMISSIONS",
    "SWEEP_POINTS",
    "TABLES",
    "TRACKING_RUNS",
    "Column",
    "Table",
    "comment",
]
