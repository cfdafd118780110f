"""CSV lists of weighted pairs with a header: ``i,j,weight`` for a graph, ``i,j,value`` for a matrix.

A graph may have ``source,target,weight`` as well, as pandas and NetworkX write it, or any columns that are named.

Nodes are named by free text; a name with a comma is in double quotes. Separator is the comma, decimals have a
point: a semicolon file with decimal commas is refused with a hint, never guessed.
"""

from __future__ import annotations

import csv

from qhybrid_pipelines.core.errors import InvalidInput
from qhybrid_pipelines.problems.formats.lines import MAX_VARIABLES, Row, is_plain_number
from qhybrid_pipelines.problems.formats.pairs import Duplicates, Record, collect
from qhybrid_pipelines.problems.graphs import WeightedGraph, make_weighted_graph

MAX_NAME = 200


#: Headers of graphs that need no declaration.
GRAPH_HEADERS = (("i", "j", "weight"), ("i", "j"), ("source", "target", "weight"), ("source", "target"))


def read(
    text: str, *, file: str, duplicates: Duplicates = "refuse", columns: tuple[str, ...] | None = None
) -> WeightedGraph:
    """Return the graph of a file with the header ``i,j,weight`` or ``source,target,weight``; without weight they are 1.

    Nodes are in the order of their first appearance; a CSV list cannot say that a node has no edge.

    Args:
        text: the file's text.
        file: its name, for messages.
        duplicates: what to do with an edge that occurs twice.
        columns: names of the columns that hold the two ends and perhaps the weight, of a file with other columns too.

    Raises:
        InvalidInput: names the line and the remedy.
    """
    names, records = read_records(text, file=file, headers=GRAPH_HEADERS, columns=columns)
    return make_weighted_graph(names, collect(records, duplicates=duplicates))


def read_records(
    text: str, *, file: str, headers: tuple[tuple[str, ...], ...], columns: tuple[str, ...] | None = None
) -> tuple[list[str], list[Record]]:
    """Return the names in order of first appearance, and the records by index, repeats and diagonal still in.

    Args:
        text: the file's text.
        file: its name, for messages.
        headers: the headers that are accepted; the third column is a number, 1 where the header has two columns.
        columns: the columns that are taken instead, whatever else the file has.

    Raises:
        InvalidInput: names the line and the remedy.
    """
    rows = _rows(text, file)
    if rows and columns is not None:
        rows = _chosen(rows, columns)
        headers = (tuple(field.lower() for field in columns),)
    if not rows or tuple(field.lower() for field in rows[0].fields) not in headers:
        first = ",".join(rows[0].fields)[:60] if rows else ""
        raise InvalidInput(
            f"the header is {first!r}",
            remedy=f"Start the file with {' or '.join(repr(','.join(h)) for h in headers)}, separated by commas"
            + (" (this one looks separated by semicolons)." if ";" in first else "."),
            file=file,
            line=rows[0].line if rows else None,
        )
    header, *lines = rows
    width = len(header.fields)
    index: dict[str, int] = {}
    records: list[Record] = []
    for row in lines:
        if len(row.fields) != width:
            raise row.invalid(
                f"the line has {len(row.fields)} fields, the header has {width}",
                "Write decimals with a point, not a comma, and put names with a comma into double quotes."
                if len(row.fields) > width
                else "Complete the line; the file may be half-written.",
            )
        for name in row.fields[:2]:
            if not 0 < len(name) <= MAX_NAME or not name.isprintable():
                raise row.invalid(f"{name[:40]!r} is not a name", f"Use 1 to {MAX_NAME} printable characters.")
        i, j = (index.setdefault(name, len(index)) for name in row.fields[:2])
        if len(index) > MAX_VARIABLES:
            raise row.invalid(f"the file names more than {MAX_VARIABLES} nodes", "Reduce the problem first.")
        records.append((row, i, j, row.number(2, "the weight") if width == 3 else 1.0))
    return list(index), records


def _rows(text: str, file: str) -> list[Row]:
    """Return the rows of a CSV text without blank lines and ``#`` comments; fields stripped of surrounding space.

    A quoted field is never a comment. A line that starts with ``#`` unquoted and yet is a whole record is refused:
    nobody can tell which it is meant to be.
    """
    lines = text.split("\n")
    # With their line ends, so that a quoted name that goes over two lines keeps what is between them.
    reader = csv.reader((f"{line}\n" for line in lines), strict=True, skipinitialspace=True)
    rows: list[Row] = []
    first = 0
    try:
        for fields in reader:
            stripped = tuple(field.strip(" \t\r") for field in fields)
            unquoted = not lines[first].lstrip().startswith('"')
            first = reader.line_num
            if not any(stripped):
                continue
            row = Row(file, reader.line_num, stripped)
            if not (unquoted and stripped[0].startswith("#")):
                rows.append(row)
            elif rows and _is_record(row, like=rows[0]):
                raise row.invalid(
                    f"this line starts with # and yet holds a record: {','.join(stripped)[:60]!r}",
                    'Put the name into double quotes if it is one ("#7 ..."); write a comment without commas if not.',
                )
    except csv.Error as error:
        raise InvalidInput(
            f"this is not CSV: {error}", remedy="Check the quotes at this line.", file=file, line=reader.line_num
        ) from None
    return rows


def _chosen(rows: list[Row], columns: tuple[str, ...]) -> list[Row]:
    """Return the rows with some of their columns, in the order that these are named in."""
    header, *lines = rows
    places = []
    for name in columns:
        if header.fields.count(name) != 1:
            raise header.invalid(
                f"the header has no column {name!r}"
                if name not in header.fields
                else f"two columns are named {name!r}",
                f"options.columns names columns of the file, which are {', '.join(map(repr, header.fields))[:200]}.",
            )
        places.append(header.fields.index(name))
    for row in lines:
        if len(row.fields) != len(header.fields):
            raise row.invalid(
                f"the line has {len(row.fields)} fields, the header has {len(header.fields)}",
                "Write decimals with a point, not a comma, and put names with a comma into double quotes.",
            )
    return [Row(row.file, row.line, tuple(row.fields[place] for place in places)) for row in rows]


def _is_record(row: Row, *, like: Row) -> bool:
    """Return whether a row has as many fields as the header, and a number where that has its third column."""
    if len(row.fields) != len(like.fields) or not all(row.fields):
        return False
    return len(row.fields) < 3 or is_plain_number(row.fields[2])
