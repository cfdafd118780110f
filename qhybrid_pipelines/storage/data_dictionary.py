"""The data dictionary: a page about every table and view of the warehouse, made from their descriptions.

python -m qhybrid_pipelines.storage.data_dictionary        writes docs/data-dictionary.md
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from qhybrid_pipelines.storage import ddl, warehouse_tables, warehouse_views
from qhybrid_pipelines.storage.schemas import Table
from qhybrid_pipelines.storage.view import View

PAGE = Path("docs/data-dictionary.md")

_INTRODUCTION = """# Data dictionary

What is in `warehouse.duckdb`, in the order of the data's way. This page is made from the same descriptions as the
tables themselves (`qhybrid_pipelines/storage/schemas/`, `warehouse_tables.py`, `warehouse_views.py`); the comments in the database say the same:
`SELECT table_name, column_name, comment FROM duckdb_columns()`.

*Measured* columns hold times, facts about a machine or ids of a run, and may differ when an experiment is run again;
every other column of an ideal simulator's results is the same bit for bit. Bit 0 of an outcome is the least significant
bit of `bits` and stands rightmost in `bitstring`; an `assignment` is written in the instance's own variable order, first
variable first.

Money is in US dollars and has four names. *quoted* is the highest price that was quoted before submission, *reported* what the provider
said, *reconciled* what the budget was charged when the job ended; `cost_usd` is the first that is known of reconciled, reported and
quoted, and 0 for a job that no provider has accepted. `job_costs` says it for every job, and every other `cost_usd` is a sum of those.

Worked examples: [questions.md](questions.md)."""


def page() -> str:
    """Return the whole page as Markdown."""
    relations: tuple[View | Table, ...] = (*warehouse_views.VIEWS, *warehouse_tables.TABLES)
    overview = "\n".join(f"- [{r.name}](#{r.name}): {r.meaning}." for r in relations)
    sections = [_view(r) if isinstance(r, View) else _table(r) for r in relations]
    return "\n\n".join([_INTRODUCTION, overview, *sections]) + "\n"


def _table(table: Table) -> str:
    key = ", ".join(f"`{name}`" for name in table.key)
    lines = [f"## {table.name}", "", f"{table.meaning}. Unique by {key}.", ""]
    lines += ["| column | type | unit | null | measured | meaning |", "|---|---|---|---|---|---|"]
    return "\n".join([*lines, *_columns(table)])


def _columns(table: Table) -> Iterator[str]:
    for column in table.columns:
        meaning = column.meaning + (": " + ", ".join(f"`{word}`" for word in column.words) if column.words else "")
        cells = (
            f"`{column.name}`",
            ddl.type_name(column.type).replace('"', ""),
            column.unit or "",
            "yes" if column.nullable else "",
            "yes" if column.measured else "",
            meaning.replace("|", "\\|"),
        )
        yield f"| {' | '.join(cells)} |"


def _view(view: View) -> str:
    lines = [f"## {view.name}", "", f"View. {view.meaning}.", "", "| column | meaning |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {meaning} |" for name, meaning in view.columns.items())])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
