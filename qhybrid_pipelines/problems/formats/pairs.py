"""Weighted pairs read from a file: self-loops and repeats are found here, where the line is known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from qhybrid_pipelines.problems.formats.lines import Row

#: What to do with a pair that is in a file twice, in either orientation. `once` takes equal repeats as one pair
#: (DIMACS colouring files list both directions), `sum` adds them up. There is no silent choice.
Duplicates = Literal["refuse", "once", "sum"]

#: One record: its place in the file, the two indices in any order, the weight.
Record = tuple[Row, int, int, float]


def collect(
    records: Iterable[Record], *, duplicates: Duplicates = "refuse", diagonal: bool = False
) -> list[tuple[int, int, float]]:
    """Return ``(i, j, weight)`` with ``i <= j``, each pair once, in the order of first appearance.

    Args:
        records: what the lines of the file say.
        duplicates: what to do with repeats.
        diagonal: pairs ``i == i`` are entries of a matrix; otherwise they are self-loops and refused.

    Raises:
        InvalidInput: a self-loop, or a repeat that the policy does not cover.
    """
    seen: dict[tuple[int, int], tuple[float, int]] = {}
    for row, i, j, weight in records:
        if i == j and not diagonal:
            raise row.invalid("an edge joins a node to itself", "Remove the self-loop.")
        pair = (i, j) if i < j else (j, i)
        if pair not in seen:
            seen[pair] = (weight, row.line)
        elif duplicates == "sum":
            seen[pair] = (seen[pair][0] + weight, seen[pair][1])
        elif duplicates == "refuse" or seen[pair][0] != weight:
            first, line = seen[pair]
            raise row.invalid(
                f"this pair is already in line {line}, with {'the same' if first == weight else 'another'} weight",
                "Remove one, or declare options.duplicates: sum to add them up"
                + (" (once: equal repeats count once)." if first == weight else "."),
            )
    return [(i, j, weight) for (i, j), (weight, _) in seen.items()]
