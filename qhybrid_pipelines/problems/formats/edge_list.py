"""Edge lists as in the QED-C benchmarks: the number of nodes, then ``i j`` or ``i j weight`` for each edge.

Nothing in such a file says whether it counts from 0 or from 1, and a wrong guess silently changes the optimum where
the last node is isolated; so the base is always declared.
Source: T. Lubinski et al., "Optimization Applications as Quantum Performance Benchmarks", arXiv:2302.02278.
"""

from __future__ import annotations

from typing import Literal

from qhybrid_pipelines.problems.formats.lines import check_count, size_field, split_rows
from qhybrid_pipelines.problems.formats.pairs import Duplicates, collect
from qhybrid_pipelines.problems.graphs import WeightedGraph, make_weighted_graph


def read(text: str, *, file: str, index_base: Literal[0, 1], duplicates: Duplicates = "refuse") -> WeightedGraph:
    """Return the graph; nodes are named by their index as in the file.

    A second number in the header is the number of edges and is then checked. The weight may be left out of all lines
    (then it is 1), never of some.

    Raises:
        InvalidInput: names the line and the remedy.
    """
    header, *lines = split_rows(text, file=file)
    if len(header.fields) > 2:
        raise header.invalid(
            f"the header has {len(header.fields)} fields", "Start the file with the number of nodes alone in its line."
        )
    size = size_field(header, 0, "the number of nodes")
    width = len(lines[0].fields) if lines else 2
    records = []
    for row in lines:
        if len(row.fields) not in (2, 3) or len(row.fields) != width:
            raise row.invalid(
                f"the line has {len(row.fields)} fields, the first edge has {width}",
                "Write every edge as `i j` or every edge as `i j weight`; the file may be half-written.",
            )
        weight = row.number(2, "the weight") if width == 3 else 1.0
        records.append((row, row.index(0, size, base=index_base), row.index(1, size, base=index_base), weight))
    if len(header.fields) == 2:
        check_count(header, header.integer(1, "the number of edges"), lines, "edges")
    return make_weighted_graph(map(str, range(index_base, size + index_base)), collect(records, duplicates=duplicates))
