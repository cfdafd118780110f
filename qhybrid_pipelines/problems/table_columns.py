"""Tables by column, whether they come from the lake or were just made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa

Columns: TypeAlias = pa.Table | Mapping[str, Sequence[Any]]


def to_columns(table: Columns) -> dict[str, list[Any]]:
    """Return the columns as plain lists; a null is None."""
    if isinstance(table, pa.Table):
        columns: dict[str, list[Any]] = table.to_pydict()
        return columns
    return {name: list(values) for name, values in table.items()}


def to_rows(table: Columns) -> list[dict[str, Any]]:
    """Return the rows as dictionaries."""
    columns = to_columns(table)
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
