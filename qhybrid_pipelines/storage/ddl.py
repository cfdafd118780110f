"""DuckDB's words for what `storage.schemas` describes: types, tables with their constraints, comments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from qhybrid_pipelines.storage.schemas import Column, Table, comment
from qhybrid_pipelines.storage.sql_text import name, text

_SCALARS = {
    pa.string(): "VARCHAR",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.uint64(): "UBIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.binary(): "BLOB",
    pa.timestamp("us", tz="UTC"): "TIMESTAMPTZ",
}


def type_name(type_: pa.DataType) -> str:
    """Return DuckDB's name of an Arrow type.

    Raises:
        KeyError: the type is not one that tables here use.
    """
    if pa.types.is_list(type_):
        return f"{type_name(type_.value_type)}[]"
    if pa.types.is_struct(type_):
        return f"STRUCT({', '.join(f'{name(field.name)} {type_name(field.type)}' for field in type_)})"
    return _SCALARS[type_]


def create_table(table: Table, generated: Mapping[str, str]) -> str:
    """Return the statement that creates a table with its constraints.

    Args:
        table: its description.
        generated: SQL expressions of columns that are computed when they are read, by column name.
    """
    return f"CREATE TABLE {name(table.name)} ({', '.join(_column(c, generated.get(c.name)) for c in table.columns)})"


def _column(column: Column, expression: str | None) -> str:
    parts = [name(column.name), type_name(column.type)]
    if expression is not None:
        return " ".join([*parts, f"GENERATED ALWAYS AS ({expression}) VIRTUAL"])
    if not column.nullable:
        parts.append("NOT NULL")
    if column.words:
        parts.append(f"CHECK ({name(column.name)} IN ({', '.join(text(word) for word in column.words)}))")
    if column.minimum is not None:
        parts.append(f"CHECK ({name(column.name)} >= {column.minimum})")
    return " ".join(parts)


def comments(kind: str, relation: str, meaning: str, columns: Mapping[str, str]) -> Iterator[str]:
    """Yield the statements that attach a comment to a table or view (``kind``) and each of its columns."""
    yield f"COMMENT ON {kind} {name(relation)} IS {text(meaning)}"
    for column, said in columns.items():
        yield f"COMMENT ON COLUMN {name(relation)}.{name(column)} IS {text(said)}"


def column_comments(table: Table) -> dict[str, str]:
    """Return what each column of a table means, by name; where only some words are allowed, with those."""
    return {
        column.name: comment(column) + (f": {', '.join(column.words)}" if column.words else "")
        for column in table.columns
    }
