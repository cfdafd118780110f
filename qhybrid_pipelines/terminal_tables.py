"""Tables on a terminal, all in one style: numbers are aligned right and never broken, text folds, middle columns give way first.

What has no width (a pipe, a file) gets every column as wide as it needs. For other programs there are CSV, Markdown and JSON.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from qhybrid_pipelines.core.text.printable import printable

GAP = 2
#: Text that is wider folds where the table would not fit otherwise, but not to less than this.
LEAST_FOLDED_WIDTH = 24
#: Longer words (hashes, JSON) fold as well; keys and numbers are shorter.
LONGEST_WORD = 48
#: From here on a whole number gets separators; a year has none.
FIRST_SEPARATED = 10_000
ELLIPSIS = "…"
#: Keys of experiments are copied into commands: they stay on one line, however long.
_KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*-(?:[0-9a-f]{8}|[0-9a-f]{16})")
#: A number and its interval stay on one line.
_WITH_INTERVAL = re.compile(r"[-+]?\d\S* \[[^\[\]]+\]")
_BOUND = re.compile(r"(> )?\d[\d,.]*")
#: Width of what is written to a pipe or a file.
UNLIMITED = 100_000


@dataclass(frozen=True, slots=True)
class ColumnWidth:
    """How wide a column wants to be, and how narrow it may become."""

    natural: int
    least: int


def fit_columns(columns: Sequence[ColumnWidth], width: int, given_up: Sequence[Sequence[int]] = ()) -> list[int | None]:
    """Return the width of each column so that the table fits; None for those that are left out.

    Columns are left out from the middle: the first ones say what a row is about, the last ones what is asked for. The very first
    and the last stay whatever the width.

    Args:
        columns: what each wants.
        width: of the terminal.
        given_up: indices of columns that are left out before all others, in this order; those of a group together.
    """
    visible: list[int] = list(range(len(columns)))
    centre = (len(columns) - 1) / 2
    middle = sorted(range(1, len(columns) - 1), key=lambda i: abs(i - centre))
    named = {index for group in given_up for index in group}
    for group in [*given_up, *([index] for index in middle if index not in named)]:
        if _total(columns, visible, ellipsis=not given_up) <= width:
            break
        visible = [index for index in visible if index not in group]
    widths: list[int | None] = [None] * len(columns)
    for index in visible:
        widths[index] = columns[index].least
    spare = width - _total(columns, visible, ellipsis=not given_up)
    for index in visible:  # what is left goes to the first that needs it
        more = max(0, min(spare, columns[index].natural - columns[index].least))
        widths[index] = columns[index].least + more
        spare -= more
    return widths


def _total(columns: Sequence[ColumnWidth], visible: Sequence[int], *, ellipsis: bool) -> int:
    """Return the width of a table of some columns, with an ellipsis in place of the others where one is drawn."""
    marks = ellipsis and len(visible) < len(columns)
    return sum(columns[i].least for i in visible) + marks + GAP * (len(visible) + marks - 1)


def print_table(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str] | None = None,
    title: str | None = None,
    *,
    in_words: bool = False,
    styles: Mapping[str, Mapping[str, str]] | None = None,
    hint: str = "a wider window shows more",
    given_up: Sequence[str | tuple[str, ...]] = (),
    below: Mapping[str, str] | None = None,
) -> None:
    """Print rows.

    Args:
        rows: all with the same columns.
        columns: which of them, in this order; all without it.
        title: a line above.
        in_words: headings are words ("queue (s)"), not names of columns ("queue_seconds").
        styles: by column, the style of each value that has one.
        hint: how to see the columns that do not fit.
        given_up: columns that are left out first, in this order; then those in the middle. Those of a tuple leave together.
        below: by column that tells rows apart, the column in whose cells it stands as a second line where it does not fit beside it.
    """
    console = _console()
    if not rows:
        console.print("(no rows)")
        return
    names = list(columns or rows[0])
    headings = [to_words(name) if in_words else printable(name) for name in names]
    numeric = [all(_stands_right(row[name]) for row in rows) for name in names]
    cells = [[printable(format_cell(row[name])) for row in rows] for name in names]
    wanted = [_wanted(heading, column) for heading, column in zip(headings, cells, strict=True)]
    groups = [(group,) if isinstance(group, str) else group for group in given_up]
    first = [[names.index(name) for name in group if name in names] for group in groups]
    widths = fit_columns(wanted, console.width, first)
    for name, above in (below or {}).items():
        left_out, place = names.index(name), names.index(above)
        if widths[left_out] is None and len(set(cells[left_out])) > 1:
            cells[place] = [f"{cell}\n  {more}" for cell, more in zip(cells[place], cells[left_out], strict=True)]
            wanted[place] = _wanted(headings[place], [line for cell in cells[place] for line in cell.split("\n")])
            headings[place] = f"{headings[place]}, {headings[left_out]}"
            widths = fit_columns(wanted, console.width, first)
    table = Table(
        title=None if title is None else Text(printable(title)),
        title_justify="left",
        title_style="italic",
        header_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, GAP, 0, 0),
    )
    drawn: list[int | None] = []
    for index, column_width in enumerate(widths):
        if column_width is not None:
            drawn.append(index)
            justify: Any = "right" if numeric[index] else "left"
            table.add_column(Text(headings[index]), justify=justify, width=column_width, overflow="fold")
        elif not given_up and drawn[-1] is not None:
            drawn.append(None)
            table.add_column(ELLIPSIS, width=1)
    for number, row in enumerate(rows):
        table.add_row(
            *(
                ELLIPSIS
                if index is None
                else Text(
                    cells[index][number], style=((styles or {}).get(names[index], {})).get(str(row[names[index]]), "")
                )
                for index in drawn
            )
        )
    if console.is_terminal:
        console.print(table)
    else:  # a column is padded to its width, which nobody sees before the end of a line
        with console.capture() as captured:
            console.print(table)
        sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().removesuffix("\n").split("\n")))
    left = sum(width is not None for width in widths)
    if left < len(names):
        console.print(f"{len(names)} columns ({left} shown; {hint})", style="dim")


def print_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Print rows as CSV with a header, for spreadsheets and other programs."""
    writer = csv.DictWriter(sys.stdout, list(columns or (rows[0] if rows else [])), lineterminator="\n")
    writer.writeheader()
    for_people = sys.stdout.isatty()  # a program gets every character as it is
    for row in rows:
        writer.writerow({k: printable(v) if for_people and isinstance(v, str) else v for k, v in row.items()})


def print_markdown(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Print rows as a table in Markdown, for a page or an issue."""
    names = list(columns or (rows[0] if rows else []))
    numeric = [bool(rows) and all(_is_number(row[name]) or row[name] is None for row in rows) for name in names]
    lines = [names, ["---:" if number else "---" for number in numeric]]
    lines += [[printable(format_cell(row[name])).replace("|", "\\|") for name in names] for row in rows]
    for line in lines:
        sys.stdout.write(f"| {' | '.join(line)} |\n")


def print_lines(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Print each row as lines of a name and a value, which no width can break."""
    names = list(columns or (rows[0] if rows else []))
    longest = max(map(cell_len, names), default=0)
    for number, row in enumerate(rows):
        sys.stdout.write("\n" if number else "")
        for name in names:
            sys.stdout.write(f"{printable(name):>{longest}} = {printable(format_cell(row[name]))}\n")


def format_cell(value: Any) -> str:
    """Return a cell as text: six digits for decimals, separators in long whole numbers, nothing for null."""
    if value is None:
        return ""
    if isinstance(value, float):
        # Whole numbers stay whole: an optimum of 50000003 is not 5e+07.
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= FIRST_SEPARATED:
        return f"{value:,}"
    return str(value)


def to_words(name: str) -> str:
    """Return the heading of a column: ``queue_seconds`` is ``queue (s)``, ``cost_usd`` is ``cost ($)``, ``n_qubits`` ``qubits``."""
    for ending, unit in (("_seconds", " (s)"), ("_usd", " ($)")):
        if name.endswith(ending):
            return name.removesuffix(ending).replace("_", " ") + unit
    return name.removeprefix("n_").removesuffix("_id").replace("_", " ")


def _stands_right(value: Any) -> bool:
    """Tell whether a cell is a number, a bound of one ("> 19,644"), one with its interval, or empty."""
    if isinstance(value, str):
        return not value or any(form.fullmatch(value) for form in (_BOUND, _WITH_INTERVAL))
    return value is None or _is_number(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _wanted(heading: str, cells: Sequence[str]) -> ColumnWidth:
    """Return the width of a column: a heading folds at its words where that saves room, text not below a readable width."""
    words = [word for cell in cells for word in ([cell] if _is_whole(cell) else cell.split())]
    widest = max(map(cell_len, cells))
    longest_word = max((_unbroken(word) for word in [*heading.split(), *words]), default=0)
    least = max(longest_word, min(LEAST_FOLDED_WIDTH, widest))
    natural = max(cell_len(heading), widest)
    return ColumnWidth(natural=natural, least=min(natural, least))


def _unbroken(word: str) -> int:
    """Return the width in which a word stands whole; what is longer than a word should be folds, unless it is a key."""
    return cell_len(word) if _KEY.fullmatch(word) else min(cell_len(word), LONGEST_WORD)


def _is_whole(cell: str) -> bool:
    """Tell whether a cell is a number that no line break may cut: one with its interval, or a bound."""
    return any(form.fullmatch(cell) for form in (_WITH_INTERVAL, _BOUND))


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(width=UNLIMITED, highlight=False)
