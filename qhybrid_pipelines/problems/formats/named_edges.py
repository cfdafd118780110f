"""Lists of edges without a header, as NetworkX and igraph write them: two names, and a weight or a dictionary.

    a b 3.0                 weighted edge list
    a b {'weight': 3.0}     edge list with data
    a b                     every weight is 1

Names are free of white space; comments start with ``#``.
"""

from __future__ import annotations

import ast
import math

from qhybrid_pipelines.problems.formats.lines import Row, split_rows
from qhybrid_pipelines.problems.formats.pairs import Duplicates, Record, collect
from qhybrid_pipelines.problems.graphs import WeightedGraph, make_weighted_graph


def read(text: str, *, file: str, duplicates: Duplicates = "refuse") -> WeightedGraph:
    """Return the graph; nodes are in the order of their first appearance.

    Raises:
        InvalidInput: names the line and the remedy.
    """
    rows = split_rows(text, file=file)
    index: dict[str, int] = {}
    records: list[Record] = []
    for row in rows:
        if len(row.fields) < 2:
            raise row.invalid(
                "the line has one field", "Write two names and a weight; a list with a header is format edge_list."
            )
        i, j = (index.setdefault(name, len(index)) for name in row.fields[:2])
        records.append((row, i, j, _weight(row, like=rows[0])))
    return make_weighted_graph(index, collect(records, duplicates=duplicates))


def _weight(row: Row, *, like: Row) -> float:
    rest = " ".join(row.fields[2:])
    if rest.startswith("{"):
        return _weight_of_dictionary(rest, row)
    if len(row.fields) > 3:
        raise row.invalid(
            f"the line has {len(row.fields)} fields",
            "Name nodes without blanks, or write a table with commas: format csv_edges.",
        )
    if len(row.fields) != len(like.fields):
        raise row.invalid(
            f"the line has {len(row.fields)} fields, the first edge has {len(like.fields)}",
            "Write every edge as `a b` or every edge as `a b weight`; the file may be half-written.",
        )
    return row.number(2, "the weight") if rest else 1.0


def _weight_of_dictionary(text: str, row: Row) -> float:
    try:
        data = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        data = None
    weight = data.get("weight", 1.0) if isinstance(data, dict) else None
    if not isinstance(weight, int | float) or isinstance(weight, bool) or not math.isfinite(weight):
        raise row.invalid(f"{text[:40]!r} is not a dictionary with a finite weight", "Write {'weight': 3.0}.")
    return float(weight)
