"""DIMACS edge files (``.col``, ``.gph``): ``p edge n m``, then ``e i j`` for each edge and ``n i w`` for node weights.

Lines that start with ``c`` or ``#`` are comments; nodes count from 1. Edges carry no weight.
Source: DIMACS, "Clique and Coloring Problems Graph Format" (1993); QOBLIB class 07 uses it.
"""

from __future__ import annotations

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats.lines import Row, check_count, size_field, split_rows
from qhybrid_pipelines.problems.formats.pairs import Duplicates, collect
from qhybrid_pipelines.problems.graphs import WeightedGraph, make_weighted_graph


def read(text: str, *, file: str, duplicates: Duplicates = "refuse") -> WeightedGraph:
    """Return the graph; nodes are named ``1 .. n``, every edge has weight 1.

    Node weights are None where the file has no ``n`` line; otherwise 1 for nodes that have none.

    Raises:
        InvalidInput: names the line and the remedy.
    """
    rows = [row for row in split_rows(text, file=file) if row.fields[0] != "c"]
    if not rows or rows[0].fields[0] != "p":
        raise InvalidInput(
            "the first line is not `p edge nodes edges`",
            remedy="A DIMACS edge file starts with that line, after comments.",
            file=file,
            line=rows[0].line if rows else None,
        )
    header, *lines = rows
    size = _check_header(header)
    edges = []
    node_weights: dict[int, float] = {}
    for row in lines:
        kind = row.fields[0]
        expected = 3 if kind in ("e", "n") else 0
        if len(row.fields) != expected:
            raise row.invalid(
                f"the line is not `e i j` or `n i weight`: {' '.join(row.fields)[:40]!r}",
                "Correct the line; weighted edges need another format, for example rudy.",
            )
        node = row.index(1, size, base=1)
        if kind == "e":
            edges.append((row, node, row.index(2, size, base=1), 1.0))
        elif node in node_weights:
            raise row.invalid(f"node {node + 1} has a weight already", "Give each node one weight.")
        else:
            node_weights[node] = row.number(2, "the node's weight")
    check_count(header, header.integer(3, "the number of edges"), [edge[0] for edge in edges], "edges")
    return make_weighted_graph(
        map(str, range(1, size + 1)),
        collect(edges, duplicates=duplicates),
        [node_weights.get(node, 1.0) for node in range(size)] if node_weights else None,
    )


def _check_header(header: Row) -> int:
    if len(header.fields) != 4 or header.fields[1] not in ("edge", "col"):
        raise header.invalid("the header is not `p edge nodes edges`", "Write it with exactly these four fields.")
    return size_field(header, 2, "the number of nodes")
