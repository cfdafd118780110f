"""One sentence about a kernel that was measured, from the rows of `qml_kernels`: for runs and reports alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def kernel_sentences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return how noisy the kernels of each backend and number of shots are, and what that did to their decisions.

    Args:
        rows: of one experiment; may be none.
    """
    places = dict.fromkeys((row["model"], row["backend"], row["shots"]) for row in rows)
    return [
        _sentence(place, [row for row in rows if (row["model"], row["backend"], row["shots"]) == place])
        for place in places
    ]


def _sentence(place: tuple[str, str, int], rows: Sequence[Mapping[str, Any]]) -> str:
    model, backend, shots = place
    lowest, exact = (min(row[name] for row in rows) for name in ("smallest_eigenvalue", "smallest_eigenvalue_exact"))
    cut = "; eigenvalues below 0 were set to 0" if lowest < 0 else ""
    return (
        f"{model} on {backend}, {sum(row['circuits'] for row in rows):,} pairs of rows with {shots:,} shots each: the standard error of an entry is "
        f"{_mean(row['standard_error'] for row in rows):.2g}, its deviation from the exact one {_mean(row['deviation'] for row in rows):.2g} (root mean "
        f"squares); the smallest eigenvalue of a fold is {lowest:.2g}, by the exact kernel {exact:.2g}{cut}; {_mean(row['changed'] for row in rows):.1%} of the "
        "test rows have another class than by the exact kernel."
    )


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers)
