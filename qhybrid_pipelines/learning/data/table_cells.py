"""What the cells of a text table mean: numbers, truth values, nothing."""

from __future__ import annotations

from collections.abc import Sequence

#: Texts that stand for a missing value, in small letters.
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})

#: A column of nothing else holds these numbers, as truth values in Parquet do.
DIGIT_FOR_BOOLEAN = {"true": "1", "false": "0"}


def parse_number(cell: str) -> float:
    """Return the number of a cell.

    Raises:
        ValueError: it is not a number; nor is ``1_000``, which Python would read.
    """
    if "_" in cell:
        raise ValueError(cell)
    return float(cell)


def is_number(cell: str) -> bool:
    """Tell whether a cell is a number."""
    try:
        parse_number(cell)
    except ValueError:
        return False
    return True


def replace_booleans(cells: Sequence[str]) -> Sequence[str]:
    """Return a column with 1 for true and 0 for false, if it holds nothing else."""
    plain = {cell: cell.strip().lower() for cell in set(cells)}
    return (
        [DIGIT_FOR_BOOLEAN[plain[cell]] for cell in cells] if set(plain.values()) <= set(DIGIT_FOR_BOOLEAN) else cells
    )


def first_missing_index(cells: Sequence[str]) -> int | None:
    """Return the place of the first missing value, or None."""
    return next((at for at, cell in enumerate(cells) if cell.strip().lower() in MISSING), None)
