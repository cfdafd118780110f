"""What the warehouse offers: the lake's and the ledger's tables, and derived columns, tables and views.

Views are `storage.warehouse_views`. Everything derived is SQL over the snapshot itself, so that it can never disagree with the tables it comes from.
Building a snapshot from this is `storage.warehouse`.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from qhybrid_pipelines.storage import schemas
from qhybrid_pipelines.storage.removals import REMOVED_ARTEFACTS
from qhybrid_pipelines.storage.schemas.descriptions import (
    BACKEND,
    BOOL,
    EXPERIMENT,
    F64,
    I32,
    I64,
    INSTANCE,
    POINT,
    TEXT,
    TIME,
    U64,
    Column,
    Table,
)
from qhybrid_pipelines.storage.service_decisions import SERVICE_DECISIONS

#: Bits above 63 are little-endian bytes; as hexadecimal pairs in reverse order they precede the low word.
_BITSTRING = """right(
    CASE WHEN high_bits IS NULL THEN ''
         ELSE unhex(array_to_string(list_reverse(regexp_extract_all(hex(high_bits), '..')), ''))::BIT::VARCHAR END
    || bits::BIT::VARCHAR, n_qubits)"""

#: SQL of columns that are computed when they are read and take no space, by table and column.
GENERATED = MappingProxyType({"qpu_result_sets": MappingProxyType({"bitstring": _BITSTRING})})

QPU_RESULT_SETS = replace(
    schemas.QPU_RESULT_SETS,
    columns=(
        *schemas.QPU_RESULT_SETS.columns,
        Column(
            name="n_qubits",
            type=I32,
            meaning="Width of the circuit; null where its batch is not in the lake",
            unit="qubits",
            nullable=True,
        ),
        Column(
            name="bitstring",
            type=TEXT,
            meaning="Outcome as text, bit 0 (reduced-model variable 0) rightmost; as many characters as qubits",
            nullable=True,
        ),
    ),
)

#: Tables that are filled from the lake and the ledger, in the order of the data's way.
FILLED: tuple[Table, ...] = tuple(QPU_RESULT_SETS if t is schemas.QPU_RESULT_SETS else t for t in schemas.TABLES)

REDUCTION_STEPS = Table(
    name="reduction_steps",
    meaning="The steps that led to every reduced model, one row each",
    key=("experiment", "instance", "step"),
    order=("experiment", "instance", "step"),
    columns=(
        EXPERIMENT,
        INSTANCE,
        Column(name="step", type=I32, meaning="Order of the steps"),
        Column(name="step_name", type=TEXT, meaning="What was done"),
        Column(name="exact", type=BOOL, meaning="The step keeps at least one optimum"),
        Column(name="variables_fixed", type=I32, meaning="Variables that the step removed", unit="variables"),
        Column(name="variables_left", type=I32, meaning="Variables left after it", unit="variables"),
        Column(name="note", type=TEXT, meaning="In words"),
        Column(name="seconds", type=F64, meaning="Time of the step", unit="s", nullable=True, measured=True),
    ),
)

POINT_ENERGIES = Table(
    name="point_energies",
    meaning="Energy of every point over all its repetitions, so that a ranking of points groups nothing",
    key=("experiment", "backend", "point"),
    order=("experiment", "backend", "point"),
    columns=(
        EXPERIMENT,
        BACKEND,
        POINT,
        Column(name="repetitions", type=I32, meaning="Independent runs", unit="runs"),
        Column(name="shots", type=I64, meaning="Shots over all repetitions", unit="shots"),
        Column(name="mean_energy", type=F64, meaning="Mean over repetitions of the mean energy of the reduced model"),
        Column(name="min_energy", type=F64, meaning="Lowest energy seen"),
    ),
)

FAMILIES = Table(
    name="families",
    meaning="The problem families: what they optimise, and what a variable of their instances means",
    key=("family",),
    order=("family",),
    columns=(
        Column(name="family", type=TEXT, meaning="Name of the family"),
        Column(name="title", type=TEXT, meaning="What it is, in words"),
        Column(name="sense", type=TEXT, meaning="max or min"),
        Column(name="unit", type=TEXT, meaning="Unit of the objective"),
        Column(name="zero_means", type=TEXT, meaning="What a variable that is 0 says; {name} stands for its name"),
        Column(name="one_means", type=TEXT, meaning="What a variable that is 1 says; {name} stands for its name"),
    ),
)

LABELS = Table(
    name="labels",
    meaning="Owner and tags of experiments, which are not part of their keys, and which of them are archived",
    key=("experiment", "kind", "label"),
    order=("experiment", "kind", "label"),
    columns=(
        EXPERIMENT,
        Column(name="kind", type=TEXT, meaning="owner, tag or archived"),
        Column(name="label", type=TEXT, meaning="The owner's name or the tag; true for archived"),
    ),
)

VERDICT_HISTORY = Table(
    name="verdict_history",
    meaning="What was published about each verdict, a row for each time that it had changed: the last one before a moment is "
    "what a snapshot of that moment said",
    key=("published_at", "experiment", "backend", "model", "shots"),
    order=("published_at", "experiment", "backend", "model", "shots"),
    columns=(
        Column(name="published_at", type=TIME, meaning="When a snapshot said so for the first time", measured=True),
        EXPERIMENT,
        Column(name="backend", type=TEXT, meaning="As in `verdicts`", nullable=True),
        Column(name="model", type=TEXT, meaning="As in `verdicts`", nullable=True),
        Column(name="shots", type=I32, meaning="As in `verdicts`", unit="shots", nullable=True),
        Column(
            name="shown", type=BOOL, meaning="False where the verdict had left the snapshot; nothing else is said then"
        ),
        Column(name="verdict", type=TEXT, meaning="Who won, in one word", nullable=True),
        Column(name="decision", type=TEXT, meaning="As in `verdicts`", nullable=True),
        Column(name="best_quantum", type=F64, meaning="As in `verdicts`", nullable=True),
        Column(name="best_classical", type=F64, meaning="As in `verdicts`", nullable=True),
        Column(name="mean_ratio", type=F64, meaning="As in `verdicts`", nullable=True),
        Column(name="vs_random", type=F64, meaning="As in `verdicts`", nullable=True),
        Column(name="gain", type=F64, meaning="As in `verdicts`", nullable=True),
        Column(name="final_objective", type=F64, meaning="As in `verdicts`", nullable=True),
        Column(name="cost_usd", type=F64, meaning="As in `verdicts`", unit="USD", nullable=True),
    ),
)

SNAPSHOT = Table(
    name="snapshot",
    meaning="One row: how old this snapshot is and what wrote it",
    key=("published_at",),
    order=("published_at",),
    columns=(
        Column(name="published_at", type=TIME, meaning="When it was built", measured=True),
        Column(name="schema_version", type=I32, meaning="Version of the tables' descriptions"),
        Column(name="release", type=TEXT, meaning="Version of qhybrid-pipelines"),
        Column(name="ledger_position", type=I64, meaning="Events of the ledger that it shows at least", measured=True),
        Column(
            name="ledger_hash", type=TEXT, meaning="Hash of the last of these events; empty for none", measured=True
        ),
        Column(name="read_at", type=TIME, meaning="When the reading of the lake began", measured=True),
        Column(
            name="history_bytes", type=I64, meaning="Size of the history that `verdict_history` shows", measured=True
        ),
        Column(name="layout_sha256", type=TEXT, meaning="Hash of the definitions of all tables and views"),
    ),
)

LAKE_FILES = Table(
    name="lake_files",
    meaning="One row per file of the lake that this snapshot shows: what the next one compares the lake with",
    key=("asset", "experiment", "backend"),
    order=("asset", "experiment", "backend"),
    columns=(
        Column(name="asset", type=TEXT, meaning="Asset that wrote the file"),
        Column(name="experiment", type=TEXT, meaning="Experiment of its partition, where it has one", nullable=True),
        Column(name="backend", type=TEXT, meaning="Backend of its partition, where it has one", nullable=True),
        Column(name="bytes", type=I64, meaning="Size", unit="bytes", measured=True),
        Column(name="inode", type=U64, meaning="The file system's number of the file", measured=True),
        Column(
            name="changed_ns",
            type=I64,
            meaning="When it was put there, since 1970; null where it was too new to be told from a successor",
            unit="ns",
            nullable=True,
            measured=True,
        ),
    ),
)

UNREADABLE_FILES = Table(
    name="unreadable_files",
    meaning="Files of the lake that could not be read: their rows are missing from this snapshot, and nothing else is",
    key=("asset", "experiment", "backend"),
    order=("asset", "experiment", "backend"),
    columns=(
        *LAKE_FILES.columns[:3],
        Column(name="problem", type=TEXT, meaning="What is wrong with the file, and what to do"),
    ),
)

#: Every table of the warehouse.
TABLES: tuple[Table, ...] = (
    *FILLED,
    REDUCTION_STEPS,
    POINT_ENERGIES,
    FAMILIES,
    LABELS,
    VERDICT_HISTORY,
    SERVICE_DECISIONS,
    REMOVED_ARTEFACTS,
    SNAPSHOT,
    LAKE_FILES,
    UNREADABLE_FILES,
)

#: Rows of `reduction_steps` for the experiments of a relation `renewed`. Unnesting two lists of one row side by side
#: pairs them by position.
FILL_REDUCTION_STEPS = """
INSERT INTO reduction_steps
SELECT experiment, instance, log.step, log.step_name, log.exact, log.variables_fixed, log.variables_left, log.note, seconds
FROM (
    SELECT experiment, instance, unnest(reduction_steps) AS log, unnest(step_seconds) AS seconds
    FROM reduced_models SEMI JOIN renewed USING (experiment)
)
ORDER BY experiment, instance, log.step
"""

#: Rows of `point_energies` for the executions of a relation `renewed`. Sums run in a fixed order, so that the last bit
#: does not depend on the way in which the rows came.
FILL_POINT_ENERGIES = """
INSERT INTO point_energies
SELECT experiment, backend, point, count(*), sum(shots), avg(mean_energy ORDER BY repetition), min(min_energy)
FROM point_scores SEMI JOIN renewed USING (experiment, backend)
GROUP BY experiment, backend, point
ORDER BY experiment, backend, point
"""

#: What is made from tables of the lake: from which, what, and how.
DERIVED = (
    (schemas.REDUCED_MODELS, REDUCTION_STEPS, FILL_REDUCTION_STEPS),
    (schemas.POINT_SCORES, POINT_ENERGIES, FILL_POINT_ENERGIES),
)
