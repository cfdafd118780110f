"""From table rows back to the values that the rooms below work with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.core.specifications.experiment_specification import ExperimentSpec
from qhybrid_pipelines.core.specifications.learning_specification import LearningSpec
from qhybrid_pipelines.core.specifications.mitigation_specification import (
    AMPLIFIED_POINTS,
    MitigationSpec,
    noise_factors,
)
from qhybrid_pipelines.core.specifications.sampling_specification import AnySpec, CircuitsSpec, SamplingSpec
from qhybrid_pipelines.core.vocabulary.kinds import LEARNING_FAMILY, SAMPLING_FAMILY

Row = dict[str, Any]
#: (backend, experiment)
ExecutionKey = tuple[str, str]


def get_row(table: pa.Table, experiment: str, backend: str | None = None) -> Row:
    """Return the one row of an experiment (on a backend).

    Raises:
        LookupError: there is none, or more than one.
    """
    rows = select_rows(table, experiment, backend).to_pylist()
    if len(rows) != 1:
        raise LookupError(f"{len(rows)} rows for experiment {experiment}, backend {backend}; expected one")
    row: Row = rows[0]
    return row


def select_rows(table: pa.Table, experiment: str, backend: str | None = None) -> pa.Table:
    """Return the rows of an experiment (on a backend); where that is all of them, nothing is copied."""
    chosen = pc.equal(table.column("experiment"), experiment)
    if backend is not None and "backend" in table.column_names:
        chosen = pc.and_(chosen, pc.equal(table.column("backend"), backend))
    return table if pc.all(chosen, min_count=0).as_py() else table.filter(chosen)


def of_sweep(table: pa.Table, mitigation: MitigationSpec | None, *, column: str = "point") -> pa.Table:
    """Return the rows about the points of a sweep as they are, without those whose noise is amplified.

    Args:
        table: of one execution.
        mitigation: of its specification.
        column: that has the number of a point.
    """
    if len(noise_factors(mitigation)) == 1:
        return table
    return table.filter(pc.less(table.column(column), AMPLIFIED_POINTS))


def to_columns(table: pa.Table) -> dict[str, Any]:
    """Return a table without nested columns as NumPy arrays, by name."""
    return {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}


def read_experiments(table: pa.Table) -> Iterator[tuple[str, ExperimentSpec]]:
    """Yield key and specification of every row of the table `experiments`.

    Raises:
        InvalidInput: one of them is a learning experiment.
    """
    for row in table.select(["experiment", "family", "specification"]).to_pylist():
        yield row["experiment"], _optimisation(row)


def read_optimisations(table: pa.Table) -> Iterator[tuple[str, ExperimentSpec]]:
    """Yield key and specification of the rows of the table `experiments` that are optimisations; others are left out."""
    for row in table.select(["experiment", "family", "specification"]).to_pylist():
        if row["family"] not in (LEARNING_FAMILY, SAMPLING_FAMILY):
            yield row["experiment"], _optimisation(row)


def read_sampling_experiments(table: pa.Table) -> Iterator[tuple[str, SamplingSpec]]:
    """Yield key and specification of every row of the table `experiments`.

    Raises:
        InvalidInput: one of them is not a sampling experiment.
    """
    for row in _rows_of_kind(table, SAMPLING_FAMILY, kind="sampling", group="sample"):
        yield row["experiment"], SamplingSpec.model_validate_json(row["specification"])


def get_sampling_specification(experiments: pa.Table, key: str) -> SamplingSpec:
    """Return the specification of one sampling experiment. Raises as `read_sampling_experiments`."""
    return next(read_sampling_experiments(select_rows(experiments, key)))[1]


def get_circuits_specification(experiments: pa.Table, key: str) -> CircuitsSpec:
    """Return the specification of one experiment whose circuits are in `circuit_batches`. Raises as `read_experiments`."""
    row = get_row(experiments, key)
    if row["family"] == SAMPLING_FAMILY:
        return SamplingSpec.model_validate_json(row["specification"])
    return _optimisation(row)


def read_learning_experiments(table: pa.Table) -> Iterator[tuple[str, LearningSpec]]:
    """Yield key and specification of every row of the table `experiments`.

    Raises:
        InvalidInput: one of them is not a learning experiment.
    """
    for row in _rows_of_kind(table, LEARNING_FAMILY, kind="qml", group="learn"):
        yield row["experiment"], LearningSpec.model_validate_json(row["specification"])


def get_learning_specification(experiments: pa.Table, key: str) -> LearningSpec:
    """Return the specification of one learning experiment. Raises as `read_learning_experiments`."""
    return next(read_learning_experiments(select_rows(experiments, key)))[1]


def get_specification(experiments: pa.Table, key: str) -> ExperimentSpec:
    """Return the specification of one experiment. Raises as `read_experiments`."""
    return _optimisation(get_row(experiments, key))


def _rows_of_kind(table: pa.Table, family: str, *, kind: str, group: str) -> Iterator[Row]:
    for row in table.select(["experiment", "family", "specification"]).to_pylist():
        if row["family"] != family:
            raise InvalidInput(
                f"experiment {row['experiment']} is not of kind {kind}",
                remedy=f"Only experiments with `kind: {kind}` have tables of the group `{group}`.",
            )
        yield row


def _optimisation(row: Row) -> ExperimentSpec:
    if row["family"] == SAMPLING_FAMILY:
        raise InvalidInput(
            f"experiment {row['experiment']} is a sampling experiment (kind: sampling)",
            remedy="Its tables are those of the group `sample`; choose an optimisation here.",
        )
    if row["family"] == LEARNING_FAMILY:
        raise InvalidInput(
            f"experiment {row['experiment']} is a learning experiment (kind: qml)",
            remedy="Its tables are those of the group `learn`; choose an optimisation here.",
        )
    return ExperimentSpec.model_validate_json(row["specification"])


def check_backend_is_named(spec: AnySpec, experiment: str, backend: str) -> None:
    """Refuse an execution that nobody asked for.

    Dagster shows a partition for every pair of a backend and an experiment, and lets a person materialise any of them.

    Raises:
        InvalidInput: the experiment's specification does not name the backend.
    """
    if backend not in spec.backends:
        named = ", ".join(spec.backends) or "none: everything in it is computed exactly"
        raise InvalidInput(
            f"experiment {experiment} does not name the backend '{backend}'; nothing was sent",
            remedy=f"Its backends are {named}. To run it elsewhere, register it with that backend in its list.",
            field="backends",
        )


def with_partition_columns(rows: Iterable[Mapping[str, Any]], **labels: str) -> list[Row]:
    """Return rows with the partition's columns in front."""
    return [{**labels, **row} for row in rows]
