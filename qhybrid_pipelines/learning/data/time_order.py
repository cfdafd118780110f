"""The order of rows in time, from a column of dates or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.learning.data.dataset import I64
from qhybrid_pipelines.learning.data.table_cells import is_number, parse_number


def time_ranks(cells: Sequence[str], name: str, *, file: str, lines: Sequence[int] | None = None) -> I64:
    """Return the number of the instant of every row, from 0 for the earliest; rows of one instant share it.

    Args:
        cells: all numbers, or all dates or times as ISO 8601 writes them, with a time zone in all of them or in none.
        name: of the column.
        file: for messages.
        lines: of the cells in a text file.

    Raises:
        InvalidInput: a cell is neither, or not what the others are.
    """
    instants: list[float] | list[datetime]
    if all(map(is_number, cells)):
        instants = [parse_number(cell) for cell in cells]
        unordered = next((at for at, value in enumerate(instants) if not np.isfinite(value)), None)
    else:
        parsed = [_instant(cell) for cell in cells]
        unordered = next((at for at, value in enumerate(parsed) if value is None), None)
        instants = [value for value in parsed if value is not None]
    if unordered is not None:
        raise InvalidInput(
            f"{cells[unordered]!r} in column {name!r} is neither a number nor a date"
            + (f", row {unordered + 1}" if lines is None else ""),
            remedy="Write dates in order of size, 2026-11-30 or 2026-11-30T14:05:00, or number the instants.",
            file=file,
            line=lines[unordered] if lines else None,
            field="dataset.time",
        )
    if len({value.tzinfo is None for value in instants if isinstance(value, datetime)}) > 1:
        raise InvalidInput(
            f"some times in column {name!r} have a time zone and others have none",
            remedy="Write all of them with one, or none.",
            file=file,
            field="dataset.time",
        )
    number = {instant: at for at, instant in enumerate(sorted(set(instants)))}  # type: ignore[type-var]
    return np.array([number[instant] for instant in instants], dtype=np.int64)


def _instant(cell: str) -> datetime | None:
    try:
        return datetime.fromisoformat(cell.strip())
    except ValueError:
        return None
