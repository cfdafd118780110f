"""METIS graph files: ``n m [format]``, then one line a node with its neighbours, counted from 1.

Format ``1`` in the last digit: a weight after every neighbour; in the digit before it: the node's own weight first.
Comments start with ``%``; an empty line is a node without neighbours.
Source: G. Karypis, METIS 5.1.0 manual (2013), section 4.1.
"""

from __future__ import annotations

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats.lines import Row, size_field
from qhybrid_pipelines.problems.formats.pairs import Record, collect
from qhybrid_pipelines.problems.graphs import WeightedGraph, make_weighted_graph


def read(text: str, *, file: str) -> WeightedGraph:
    """Return the graph; nodes are named ``1 .. n``.

    Raises:
        InvalidInput: names the line and the remedy; an edge that is at one of its ends only is refused.
    """
    header, lines = _rows(text, file)
    size = size_field(header, 0, "the number of nodes")
    announced = header.integer(1, "the number of edges")
    code = header.fields[2] if len(header.fields) == 3 else "0"
    if code.lstrip("0") not in ("", "1", "10", "11"):
        raise header.invalid(f"the format {code!r} is not supported", "Node sizes have no meaning for these problems.")
    with_edges, with_nodes = code.endswith("1"), code.zfill(2)[-2] == "1"
    if len(lines) > size:
        raise lines[size].invalid(
            f"the file has {len(lines)} lines of nodes, its header says {size}", "Correct one of them."
        )
    lines += [Row(file, header.line, ())] * (size - len(lines))
    node_weights = [row.number(0, "the node's weight") for row in lines] if with_nodes else None
    records: list[Record] = []
    for node, row in enumerate(lines):
        records += _neighbours(node, row, size, first=int(with_nodes), with_edges=with_edges)
    both = {(i, j, weight) for _, i, j, weight in records}
    for row, i, j, weight in records:
        if (j, i, weight) not in both:
            raise row.invalid(
                f"node {j + 1} does not have node {i + 1} as its neighbour with the same weight",
                "Every edge must be listed at both of its ends.",
            )
    edges = collect(record for record in records if record[1] <= record[2])
    if len(edges) != announced:
        raise header.invalid(
            f"the file holds {len(edges)} edges, its header announces {announced}",
            "Correct the header, or complete the file.",
        )
    return make_weighted_graph(map(str, range(1, size + 1)), edges, node_weights)


def _rows(text: str, file: str) -> tuple[Row, list[Row]]:
    """Return the header and the lines of the nodes; an empty line counts."""
    rows = [
        Row(file, number, tuple(line.split()))
        for number, line in enumerate(text.split("\n"), start=1)
        if not line.lstrip().startswith("%")
    ]
    while rows and not rows[-1].fields:
        rows.pop()
    if not rows or len(rows[0].fields) not in (2, 3):
        raise InvalidInput(
            "the first line is not `nodes edges [format]`",
            remedy="A METIS file starts with these numbers, after comments.",
            file=file,
            line=rows[0].line if rows else None,
        )
    return rows[0], rows[1:]


def _neighbours(node: int, row: Row, size: int, *, first: int, with_edges: bool) -> list[Record]:
    step = 1 + with_edges
    if (len(row.fields) - first) % step:
        raise row.invalid("a neighbour has no weight", "Write a weight after every neighbour.")
    return [
        (
            row,
            node,
            row.index(column, size, base=1),
            row.number(column + 1, "the weight") if with_edges else 1.0,
        )
        for column in range(first, len(row.fields), step)
    ]
