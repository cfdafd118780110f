"""Tables on a terminal: what fits, what gives way, and what is never broken."""

from __future__ import annotations

import csv
import io
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from qhybrid_pipelines import terminal_tables
from qhybrid_pipelines.terminal_tables import (
    GAP,
    ColumnWidth,
    fit_columns,
    format_cell,
    print_csv,
    print_lines,
    print_markdown,
    print_table,
    to_words,
)

WIDTHS = st.tuples(st.integers(1, 40), st.integers(0, 60)).map(lambda w: ColumnWidth(natural=w[0] + w[1], least=w[0]))
KEY = "a-key-that-is-never-broken-0e1e22340e1e2234"
WIDE = {"key": KEY, **{f"column_{number}": number + 0.25 for number in range(12)}, "last": 123_456_789}


@given(st.lists(WIDTHS, min_size=1, max_size=12), st.integers(1, 300))
def test_a_table_fits_and_keeps_its_first_and_last_column(columns, width):
    widths = fit_columns(columns, width)
    shown = [found for found in widths if found is not None]
    total = sum(shown) + (1 if None in widths else 0) + GAP * (len(shown) - (None not in widths))
    least = columns[0].least + (columns[-1].least if len(columns) > 1 else 0) + 2 * GAP + 1
    assert total <= max(width, least)
    assert widths[0] is not None
    assert widths[-1] is not None
    for column, found in zip(columns, widths, strict=True):
        assert found is None or column.least <= found <= column.natural
    if sum(column.natural for column in columns) + GAP * (len(columns) - 1) <= width:
        assert widths == [column.natural for column in columns]


@given(st.lists(WIDTHS, min_size=3, max_size=12), st.integers(1, 300))
def test_what_is_left_out_is_one_stretch_in_the_middle(columns, width):
    left_out = [index for index, found in enumerate(fit_columns(columns, width)) if found is None]
    assert all(after == before + 1 for before, after in pairwise(left_out))


@pytest.fixture
def at_width(monkeypatch, capsys):
    def printed(width, *arguments, **options):
        monkeypatch.setattr(terminal_tables, "_console", lambda: Console(width=width, highlight=False))
        print_table(*arguments, **options)
        return capsys.readouterr().out

    return printed


def test_a_column_that_tells_rows_apart_moves_below_another_where_it_does_not_fit(at_width):
    rows = [{"key": KEY, "backend": f"local:engine-{n}", "family": "maxcut", "verdict": "no_better"} for n in (1, 2)]
    narrow, wide = (at_width(width, rows, below={"backend": "key"}) for width in (60, 120))
    assert [line.strip() for line in narrow.splitlines() if "engine" in line] == ["local:engine-1", "local:engine-2"]
    assert max(map(len, narrow.splitlines())) <= 60
    assert all(row["backend"] in line for row, line in zip(rows, wide.splitlines()[1:], strict=True))
    assert "engine" not in at_width(60, rows[:1], below={"backend": "key"})


@pytest.mark.parametrize("width", [60, 80, 120])
def test_columns_give_way_from_the_middle_and_nothing_is_broken(at_width, width):
    out = at_width(width, [WIDE, WIDE])
    assert all(len(line) <= width for line in out.splitlines())
    assert out.count(KEY) == out.count("123,456,789") == 2
    assert re.search(r"14 columns \(\d+ shown; a wider window shows more\)", out)
    assert "…" in out


def test_text_folds_before_a_column_is_left_out(at_width):
    reason = "Reduction alone proved the optimum of this instance before anything was sent to a device"
    out = at_width(78, [{"key": KEY, "reason": reason, "n": 1}])
    assert "columns" not in out
    assert KEY in out
    assert set(reason.split()) <= set(out.split())


def test_a_pipe_has_no_width(capsys):
    print_table([WIDE])
    assert "shown" not in capsys.readouterr().out


def test_numbers_stand_right_and_text_left(at_width):
    out = at_width(80, [{"text": "a", "number": 1}, {"text": "bcd", "number": 12345}, {"text": "e", "number": None}])
    assert [line.rstrip() for line in out.splitlines()] == ["text  number", "a          1", "bcd   12,345", "e"]


def test_brackets_and_escapes_are_text(at_width):
    out = at_width(80, [{"[bold]": "[/x] \x1b[31mred"}])
    assert "[bold]" in out
    assert "[/x]" in out
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (2026, "2026"),
        (10_000, "10,000"),
        (-1_234_567, "-1,234,567"),
        (0.5, "0.5"),
        (True, "True"),
        ("a", "a"),
    ],
)
def test_cells(value, text):
    assert format_cell(value) == text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("queue_seconds", "queue (s)"),
        ("cost_usd", "cost ($)"),
        ("n_qubits", "qubits"),
        ("job_id", "job"),
        ("state", "state"),
    ],
)
def test_headings_in_words(name, words):
    assert to_words(name) == words


def test_other_forms_hold_the_same_rows(capsys):
    rows = [{"name": "a|b", "n": 1}, {"name": "c, d", "n": 20_000}]
    print_csv(rows)
    assert list(csv.DictReader(io.StringIO(capsys.readouterr().out))) == [
        {"name": "a|b", "n": "1"},
        {"name": "c, d", "n": "20000"},
    ]
    print_markdown(rows)
    assert capsys.readouterr().out == "| name | n |\n| --- | ---: |\n| a\\|b | 1 |\n| c, d | 20,000 |\n"
    print_lines(rows)
    assert capsys.readouterr().out == "name = a|b\n   n = 1\n\nname = c, d\n   n = 20,000\n"


def test_no_rows_have_a_header_still(capsys):
    print_csv([], ["a", "b"])
    print_markdown([], ["a", "b"])
    assert capsys.readouterr().out == "a,b\n| a | b |\n| --- | --- |\n"
    print_table([])
    assert capsys.readouterr().out == "(no rows)\n"


def test_a_line_for_a_pipe_ends_where_its_text_ends(capsys):
    print_table([{"name": "a", "says": "short"}, {"name": "b", "says": "something longer"}])
    lines = capsys.readouterr().out.split("\n")
    assert lines == ["name  says", "a     short", "b     something longer", ""]
