"""Arrow tables in the form that a description in `storage.schemas` demands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from qhybrid_pipelines.storage.schemas import Table


class SchemaMismatch(ValueError):
    """A table does not match its description; a mistake of the code, not of a user."""


def from_rows(table: Table, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows (any number, also none) as a sorted Arrow table.

    Raises:
        SchemaMismatch: a row lacks a column, has an unknown one, or a value that does not fit its type.
    """
    names = {column.name for column in table.columns}
    for row in rows:
        if row.keys() != names:
            wrong = sorted(row.keys() ^ names)
            raise SchemaMismatch(f"table {table.name}: columns {wrong} are missing or unknown")
    try:
        made = pa.Table.from_pylist([dict(row) for row in rows], schema=table.schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SchemaMismatch(f"table {table.name}: {error}") from error
    return conform(table, made)


def conform(table: Table, data: pa.Table) -> pa.Table:
    """Return ``data`` with the columns, types and row order of ``table``.

    Raises:
        SchemaMismatch: columns or types differ, a column that must not be null holds nulls, or the key repeats.
    """
    if data.column_names != [column.name for column in table.columns]:
        missing = sorted({c.name for c in table.columns} ^ set(data.column_names))
        raise SchemaMismatch(f"table {table.name}: columns differ: {missing or 'order'}")
    try:
        data = data.cast(table.schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise SchemaMismatch(f"table {table.name}: {error}") from error
    for column in table.columns:
        if not column.nullable and data.column(column.name).null_count:
            raise SchemaMismatch(f"table {table.name}: column {column.name} holds nulls")
    data = data.sort_by([(name, "ascending") for name in table.order]).combine_chunks()
    if data.num_rows and data.group_by(list(table.key)).aggregate([]).num_rows != data.num_rows:
        raise SchemaMismatch(f"table {table.name}: rows repeat the key {table.key}")
    return data


def empty(table: Table) -> pa.Table:
    """Return the table without rows."""
    return table.schema.empty_table()


def from_columns(table: Table, columns: Mapping[str, Any]) -> pa.Table:
    """Return columns (arrays or sequences of one length; a scalar is repeated) as a sorted Arrow table.

    Raises:
        SchemaMismatch: a column is missing or unknown, or a value does not fit its type.
    """
    names = [column.name for column in table.columns]
    if set(columns) != set(names):
        raise SchemaMismatch(f"table {table.name}: columns {sorted(set(columns) ^ set(names))} are missing or unknown")
    length = next((len(v) for v in columns.values() if not isinstance(v, str) and hasattr(v, "__len__")), 1)
    arrays = []
    for column in table.columns:
        value = columns[column.name]
        if isinstance(value, str) or not hasattr(value, "__len__"):
            value = [value] * length
        try:
            arrays.append(pa.array(value, type=column.type))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise SchemaMismatch(f"table {table.name}, column {column.name}: {error}") from error
    return conform(table, pa.Table.from_arrays(arrays, schema=table.schema))
