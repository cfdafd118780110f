"""What a page is built of: sections with sentences, figures, tables and fixed-width text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qhybrid_pipelines.reports.figures.style import Drawing
from qhybrid_pipelines.reports.words import show

#: An amount with its unit, or an interval of two numbers.
_AMOUNT = re.compile(r"[$-]?[\d.,e+-]+( (%|s|ms|[\u00b5]s|min|h|to [-\d.,e+]+))?$|\u2013$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table in the page.

    Attributes:
        field: name of the value in the rows; tests and programs find cells by it.
        heading: words above it.
        number: it is set to the right.
    """

    field: str
    heading: str
    number: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TableBlock:
    """A table, its cells as text already.

    Attributes:
        name: that programs find it by.
        caption: what it shows.
        columns: from left to right; the first one names the row.
        rows: text by field; where a row is a fact, it says in ``field`` which one.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeBlock:
    """Fixed-width text with its heading."""

    name: str
    caption: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a page with its heading.

    Attributes:
        name: last part of its anchor.
        heading: words.
        paragraphs: sentences; words between backticks are code.
        drawings: figures.
        tables: tables.
        codes: fixed-width texts.
    """

    name: str
    heading: str
    paragraphs: tuple[str, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    tables: tuple[TableBlock, ...] = ()
    codes: tuple[CodeBlock, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A verdict as a sentence, with its mark.

    Attributes:
        place: backend or model that it is about.
        word: the verdict; `not decided` before there is one.
        tone: good, even, bad or open; colours the mark.
        sentence: why.
        interval: the gain with its interval, as a sentence; empty where there is none.
        warning: what must not be overlooked; empty mostly.
    """

    place: str
    word: str
    tone: str
    sentence: str
    interval: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """One experiment, or the comparison of several.

    Attributes:
        name: first part of its anchors; an experiment's key.
        heading: words.
        subtitle: a line under the heading.
        question: what was asked.
        verdicts: what came out.
        progress: how far it is, where it is not done.
        failed: something of it went wrong.
        sections: its parts.
    """

    name: str
    heading: str
    subtitle: str = ""
    question: str = ""
    verdicts: tuple[Verdict, ...] = ()
    progress: tuple[str, ...] = ()
    failed: bool = False
    sections: tuple[Section, ...] = ()


def facts_table(name: str, caption: str, facts: Sequence[tuple[str, str, Any]]) -> TableBlock:
    """Return a table of two columns; facts without a value are left out.

    Args:
        name: of the table.
        caption: what it shows.
        facts: field, words, and value (text is taken as it is).
    """
    rows = tuple(
        {"fact": words, "value": show(value), "field": field}
        for field, words, value in facts
        if value is not None and value != ""
    )
    columns = (Column(field="fact", heading=""), Column(field="value", heading=""))
    return TableBlock(name=name, caption=caption, columns=columns, rows=rows)


def transposed_table(
    name: str, caption: str, facts: Sequence[tuple[str, str]], records: Sequence[Mapping[str, Any]], *, heading: str
) -> TableBlock:
    """Return a table with a column per record and a row per fact, which suits few records with many facts.

    Args:
        name: of the table.
        caption: what it shows.
        facts: field and words, from top to bottom; facts without any value are left out.
        records: values by field; text is taken as it is.
        heading: field that is written above each column.
    """
    used = [(field, words) for field, words in facts if any(record.get(field) is not None for record in records)]
    rows = tuple(
        {"fact": words, "field": field, **{str(place): show(record.get(field)) for place, record in enumerate(records)}}
        for field, words in used
    )
    columns = (
        Column(field="fact", heading=""),
        *(Column(field=str(place), heading=str(record[heading])) for place, record in enumerate(records)),
    )
    return TableBlock(name=name, caption=caption, columns=columns, rows=rows)


def records_table(
    name: str, caption: str, columns: Sequence[tuple[str, str]], records: Sequence[Mapping[str, Any]]
) -> TableBlock:
    """Return a table of records; a column is set to the right where it holds numbers only.

    Args:
        name: of the table.
        caption: what it shows.
        columns: field and heading, from left to right; columns without any value are left out.
        records: values by field; text is taken as it is.
    """
    used = [
        (field, heading)
        for number, (field, heading) in enumerate(columns)
        if number == 0 or any(record.get(field) is not None for record in records)
    ]
    return TableBlock(
        name=name,
        caption=caption,
        columns=tuple(
            Column(field=field, heading=heading, number=_is_numeric([record.get(field) for record in records]))
            for field, heading in used
        ),
        rows=tuple({field: show(record.get(field)) for field, _ in used} for record in records),
    )


def _is_numeric(values: Sequence[Any]) -> bool:
    there = [value for value in values if value is not None]
    return bool(there) and all(
        (isinstance(value, int | float) and not isinstance(value, bool))
        or (isinstance(value, str) and _AMOUNT.match(value))
        for value in there
    )
