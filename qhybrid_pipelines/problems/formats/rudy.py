"""Rudy files, the format of the G-set: ``n m``, then ``i j weight`` for each edge, counted from 1.

Source: G. Rinaldi's generator `rudy`; C. Helmberg and F. Rendl, SIAM J. Optim. 10, 673 (2000).
"""

from __future__ import annotations

from qhybrid_pipelines.problems.formats.lines import check_count, size_field, split_rows
from qhybrid_pipelines.problems.formats.pairs import Duplicates, collect
from qhybrid_pipelines.problems.graphs import WeightedGraph, make_weighted_graph


def read(text: str, *, file: str, duplicates: Duplicates = "refuse") -> WeightedGraph:
    """Return the graph; nodes are named ``1 .. n`` as in the file.

    The weight may be left out of all lines (then it is 1), never of some. A word after the two numbers of the header,
    which some copies of the G-set carry, is ignored.

    Raises:
        InvalidInput: names the line and the remedy.
    """
    header, *lines = split_rows(text, file=file)
    if len(header.fields) == 1:
        raise header.invalid(
            "the header has one number where rudy has two: nodes and edges",
            "For a list without edge count declare format: edge_list and options.index_base.",
        )
    size = size_field(header, 0, "the number of nodes")
    announced = header.integer(1, "the number of edges")
    if len(header.fields) > 3 or not all(word.isalpha() for word in header.fields[2:]):
        raise header.invalid("the header is not `nodes edges`", "A rudy file starts with exactly these two numbers.")
    width = len(lines[0].fields) if lines else 3
    records = []
    for row in lines:
        if len(row.fields) not in (2, 3) or len(row.fields) != width:
            raise row.invalid(
                f"the line has {len(row.fields)} fields, the first edge has {width}",
                "Write every edge as `i j weight`; the file may be half-written.",
            )
        weight = row.number(2, "the weight") if width == 3 else 1.0
        records.append((row, row.index(0, size, base=1), row.index(1, size, base=1), weight))
    check_count(header, announced, lines, "edges")
    return make_weighted_graph(map(str, range(1, size + 1)), collect(records, duplicates=duplicates))
