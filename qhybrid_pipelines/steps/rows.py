"""From table rows back to the values that the rooms below work with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from qhybrid_pipelines.core.specification import ExperimentSpec

Row = dict[str, Any]
#: (backend, experiment)
Execution = tuple[str, str]


def only_row(table: pa.Table, experiment: str, backend: str | None = None) -> Row:
    """Return the one row of an experiment (on a backend).

    Raises:
        LookupError: there is none, or more than one.
    """
    rows = rows_of(table, experiment, backend).to_pylist()
    if len(rows) != 1:
        raise LookupError(f"{len(rows)} rows for experiment {experiment}, backend {backend}; expected one")
    row: Row = rows[0]
    return row


def rows_of(table: pa.Table, experiment: str, backend: str | None = None) -> pa.Table:
    """Return the rows of an experiment (on a backend)."""
    chosen = pc.equal(table.column("experiment"), experiment)
    if backend is not None and "backend" in table.column_names:
        chosen = pc.and_(chosen, pc.equal(table.column("backend"), backend))
    return table.filter(chosen)


def columns_of(table: pa.Table) -> dict[str, Any]:
    """Return a table without nested columns as NumPy arrays, by name."""
    return {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}


def experiments_in(table: pa.Table) -> Iterator[tuple[str, ExperimentSpec]]:
    """Yield key and specification of every row of the table `experiments`."""
    for row in table.select(["experiment", "specification"]).to_pylist():
        yield row["experiment"], ExperimentSpec.model_validate_json(row["specification"])


def specification_of(experiments: pa.Table, key: str) -> ExperimentSpec:
    """Return the specification of one experiment."""
    return ExperimentSpec.model_validate_json(only_row(experiments, key)["specification"])


def labelled(rows: Iterable[Mapping[str, Any]], **labels: str) -> list[Row]:
    """Return rows with the partition's columns in front."""
    return [{**labels, **row} for row in rows]
