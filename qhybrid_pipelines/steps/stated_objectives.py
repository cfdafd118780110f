"""Tables with their objectives as their source means them, for what is shown of them; see `problems.source_sense`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from qhybrid_pipelines.problems.source_sense import OBJECTIVES, as_stated, is_negated

if TYPE_CHECKING:
    from qhybrid_pipelines.steps.values_from_rows import Row


def stated_rows(table: pa.Table) -> pa.Table:
    """Return `problem_instances` or `baseline_comparisons` with objectives, sense and unit as their source means them."""
    rows: list[Row] = [as_stated(row, negated=is_negated(row)) for row in table.to_pylist()]
    return pa.Table.from_pylist(rows, schema=table.schema)


def stated_decision(decisions: pa.Table, comparisons: pa.Table) -> pa.Table:
    """Return the row of `decisions` of one execution with its objective as the source means it, by the row of its comparison."""
    ((decision,), (compared,)) = decisions.to_pylist(), comparisons.to_pylist()
    return pa.Table.from_pylist([as_stated(decision, negated=is_negated(compared))], schema=decisions.schema)


def stated_objectives(table: pa.Table, problem_instances: pa.Table) -> pa.Table:
    """Return a table with its objectives as the sources of its experiments mean them.

    Args:
        table: with the column ``experiment`` and columns of `OBJECTIVES`.
        problem_instances: of these experiments.
    """
    negated = [
        row["experiment"] for row in problem_instances.select(["experiment", "unit"]).to_pylist() if is_negated(row)
    ]
    if not negated:
        return table
    where = pc.is_in(table.column("experiment"), value_set=pa.array(negated, type=pa.string()))
    for place, name in enumerate(table.column_names):
        if name in OBJECTIVES:
            column = table.column(name)
            table = table.set_column(place, table.field(name), pc.if_else(where, pc.subtract(0.0, column), column))
    return table
