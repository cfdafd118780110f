"""Tables of numbers: one row a line, separated by commas; an adjacency matrix of a graph, or the matrix of a QUBO.

With names in the first line and the first column (an empty corner, as pandas writes it) these name the variables; without
them they are counted from 0.
"""

from __future__ import annotations

import csv

import numpy as np

from qhybrid_pipelines.core.binary_models.ising import F64
from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats.lines import Row
from qhybrid_pipelines.problems.graphs import WeightedGraph, make_weighted_graph


def read(text: str, *, file: str) -> tuple[tuple[str, ...], F64]:
    """Return the names and the square matrix, shape ``(n, n)``.

    Raises:
        InvalidInput: names the line: a row of another length, a field that is not a number, other names at the side than
            at the top.
    """
    reader = csv.reader(text.split("\n"), strict=True, skipinitialspace=True)
    try:
        rows = [
            Row(file, reader.line_num, tuple(field.strip() for field in fields)) for fields in reader if any(fields)
        ]
    except csv.Error as error:
        raise InvalidInput(
            f"this is not CSV: {error}", remedy="Check the quotes at this line.", file=file, line=reader.line_num
        ) from None
    names: tuple[str, ...] | None = None
    if rows[0].fields[0] == "":
        header, *rows = rows
        names = header.fields[1:]
        for name, row in zip(names, rows, strict=False):
            if row.fields[0] != name:
                raise row.invalid(
                    f"the row is named {row.fields[0]!r} and its column {name!r}",
                    "Write the same names in the same order at the top and at the side.",
                )
        if len(set(names)) != len(names):
            raise header.invalid("two columns have the same name", "Rename one.")
    first = int(names is not None)
    size = len(names) if names is not None else len(rows[0].fields)
    for row in rows:
        if len(row.fields) != size + first:
            raise row.invalid(
                f"the row has {len(row.fields) - first} numbers, the first has {size}", "Complete the row."
            )
    if len(rows) != size:
        raise rows[-1].invalid(
            f"the table has {len(rows)} rows and {size} columns", "Write a square matrix, one row a line."
        )
    matrix = np.array([[row.number(column + first, "the entry") for column in range(size)] for row in rows])
    return names or tuple(map(str, range(size))), matrix


def read_graph(text: str, *, file: str) -> WeightedGraph:
    """Return the graph of an adjacency matrix; entries of 0 are not edges.

    Raises:
        InvalidInput: as :func:`read`; the matrix is not symmetric, or has an entry on its diagonal.
    """
    names, matrix = read(text, file=file)
    unequal = np.argwhere(matrix != matrix.T)
    if len(unequal):
        i, j = unequal[0]
        raise InvalidInput(
            f"the entry of {names[i]} and {names[j]} is {matrix[i, j]:g} in one half and {matrix[j, i]:g} in the other",
            remedy="Edges have no direction: write a symmetric matrix.",
            file=file,
        )
    if np.diagonal(matrix).any():
        raise InvalidInput(
            f"{names[int(np.flatnonzero(np.diagonal(matrix))[0])]} has an edge to itself",
            remedy="Write 0 on the diagonal.",
            file=file,
        )
    i, j = np.nonzero(np.triu(matrix, k=1))
    return make_weighted_graph(names, zip(i.tolist(), j.tolist(), matrix[i, j].tolist(), strict=True))
