"""Pages of `qhybrid report` as a program reads them: tables, texts and addresses, by Python's own reader of HTML."""

from __future__ import annotations

from collections import defaultdict
from html.parser import HTMLParser

_EMPTY = frozenset({"meta", "br", "link", "img"})


class ReportPage(HTMLParser):
    """A page that was read.

    Attributes:
        tables: by name, the tables of that name in order; a table is a list of rows, a row a list of (field, text), the head of
            the row and those of the columns under the field ``""``.
        codes: fixed-width texts by name.
        text: all text between the tags of the body.
        ids: every ``id``, in order.
        addresses: what ``href``, ``src`` and the like name.
        unclosed: tags that were opened and not closed in turn.
    """

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: dict[str, list[list[list[tuple[str, str]]]]] = defaultdict(list)
        self.codes: dict[str, str] = {}
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self._table: list[list[tuple[str, str]]] | None = None
        self._cell: str | None = None
        self._code: str | None = None
        self.feed(page)
        self.close()
        self.unclosed = self._open

    def handle_starttag(self, tag, attrs):
        fields = dict(attrs)
        self.tags.append(tag)
        if tag not in _EMPTY:
            self._open.append(tag)
        self.ids += [fields["id"]] if "id" in fields else []
        self.addresses += [fields[name] for name in ("href", "src", "xlink:href", "action", "data") if name in fields]
        if tag == "table":
            self._table = []
            self.tables[fields["data-table"]].append(self._table)
        elif tag == "tr" and self._table is not None:
            self._table.append([])
        elif tag in {"th", "td"} and self._table is not None:
            self._cell = fields.get("data-field", "")
            self._table[-1].append((self._cell, ""))
        elif tag == "pre":
            self._code = fields["data-code"]
            self.codes[self._code] = ""

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if tag in _EMPTY:
            return
        assert self._open.pop() == tag
        if tag in {"th", "td"}:
            self._cell = None
        elif tag == "table":
            self._table = None
        elif tag == "pre":
            self._code = None

    def handle_data(self, data):
        if "style" in self._open:
            return
        if self._code is not None:
            self.codes[self._code] += data
        if self._cell is not None:
            field, text = self._table[-1][-1]
            self._table[-1][-1] = (field, text + data)
        self.text += data

    def facts(self, name: str) -> dict[str, str]:
        """Return the values of the first table of a name by field; of tables with a column per record, the first record."""
        return {row[1][0]: row[1][1] for row in self.tables[name][0] if len(row) > 1}

    def columns(self, name: str) -> dict[str, dict[str, str]]:
        """Return the records of a table with a column per record: heading of the column -> field -> text."""
        head, *rows = self.tables[name][0]
        return {
            heading: {row[place][0]: row[place][1] for row in rows} for place, (_, heading) in enumerate(head) if place
        }

    def records(self, name: str) -> list[dict[str, str]]:
        """Return the records of all tables of a name; the head of a row stands under the field ``""``."""
        return [dict(row) for table in self.tables[name] for row in table[1:]]


def number(text: str) -> float | None:
    """Return what a cell says: the first number in it, None where there is no value."""
    first = text.split(" ", maxsplit=1)[0].replace(",", "").lstrip("$")
    return None if text in {"", "\N{EN DASH}"} else float(first)
