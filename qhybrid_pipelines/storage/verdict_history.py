"""What publications said about verdicts, kept by change: "last week against this week" without copies of the warehouse.

A snapshot is made from what is there now, so that what an earlier one said cannot be made again. It is therefore noted outside
the warehouse, in a file of lines that is only ever added to, and shown in the table `verdict_history`.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from qhybrid_pipelines.core.system.files import append
from qhybrid_pipelines.storage import warehouse_tables
from qhybrid_pipelines.storage.layout import Home
from qhybrid_pipelines.storage.schemas.descriptions import F64, I32, TEXT
from qhybrid_pipelines.storage.snapshot_rows import insert
from qhybrid_pipelines.storage.tables import from_rows

_TABLE = warehouse_tables.VERDICT_HISTORY
_NAMES = [column.name for column in _TABLE.columns]
_TEXTS = [column.name for column in _TABLE.columns if column.type == TEXT]
_NUMBERS = [column.name for column in _TABLE.columns if column.type in (I32, F64)]
_ONE = ("experiment", "backend", "model", "shots")
_SAID = ", ".join(_NAMES[_NAMES.index("verdict") :])
_LAST = f"""
    SELECT * FROM {_TABLE.name}
    QUALIFY row_number() OVER (PARTITION BY {", ".join(_ONE)} ORDER BY published_at DESC) = 1
"""  # noqa: S608  our own names, as below
#: Verdicts that are new or say something else, and those that have left.
_CHANGES = f"""
WITH last AS ({_LAST}), now AS (SELECT {", ".join(_ONE)}, true AS shown, {_SAID} FROM verdicts)
FROM now EXCEPT SELECT {", ".join(_ONE)}, shown, {_SAID} FROM last
UNION ALL
SELECT {", ".join(_ONE)}, false, {", ".join("NULL" for _ in _SAID.split(", "))} FROM last
WHERE shown AND NOT EXISTS (
    FROM now WHERE {" AND ".join(f"now.{name} IS NOT DISTINCT FROM last.{name}" for name in _ONE)}
)
ORDER BY ALL
"""  # noqa: S608


def note_changes(connection: Any, home: Home, published_at: datetime) -> int:
    """Bring the table up to date, note what the snapshot says otherwise than the last one, and return the file's size.

    What is noted by a publication that then fails is said by no snapshot; the next one says it, a little later.

    Args:
        connection: to a snapshot whose other tables are filled.
        home: whose history it is.
        published_at: the moment of this snapshot.
    """
    path = home.verdict_history
    size = path.stat().st_size if path.exists() else 0
    if _stored_bytes(connection) != size:
        size = _load(connection, path)
    changes = connection.sql(_CHANGES).to_arrow_table().to_pylist()
    if changes:
        rows = [{"published_at": published_at, **row} for row in changes]
        size = _append(path, rows)
        insert(connection, _TABLE, from_rows(_TABLE, rows).to_batches())
    return size


def _stored_bytes(connection: Any) -> int:
    """Return the size of the history that the table shows; 0 in a snapshot that is built from nothing."""
    rows = connection.execute("SELECT history_bytes FROM snapshot").fetchall()
    return rows[0][0] if rows else 0


def _load(connection: Any, path: Path) -> int:
    """Fill the table from the file, and return the bytes of its whole lines.

    The beginning of a line that a crash left is cut off; a line that cannot be read is named among the unreadable files.
    """
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.truncate(path, len(whole))
    lines = [_row(line) for line in whole.splitlines()]
    rows = [row for row in lines if row is not None]
    connection.execute(f"DELETE FROM {_TABLE.name}")  # noqa: S608
    insert(connection, _TABLE, from_rows(_TABLE, rows).to_batches())
    _list_damage(connection, path, [number for number, row in enumerate(lines, start=1) if row is None])
    return len(whole)


def _row(line: bytes) -> dict[str, Any] | None:
    """Return what a line says, None where it cannot be read."""
    try:
        values = json.loads(line)
        row = {**values, "published_at": datetime.fromisoformat(values["published_at"])}
        texts = all(isinstance(row[name], str | None) for name in _TEXTS)
        numbers = all(isinstance(row[name], int | float | None) for name in _NUMBERS)
    except (ValueError, TypeError, KeyError):
        return None
    return row if texts and numbers and isinstance(row["experiment"], str) and isinstance(row["shown"], bool) else None


def _list_damage(connection: Any, path: Path, lines: list[int]) -> None:
    unreadable = warehouse_tables.UNREADABLE_FILES
    connection.execute(f"DELETE FROM {unreadable.name} WHERE asset = '{_TABLE.name}'")  # noqa: S608
    if lines:
        problem = (
            f"{path.name}: line {', '.join(map(str, lines))}: it cannot be read, and what was said then is missing. Restore "
            "the file from a backup, or remove the line."
        )
        row = {"asset": _TABLE.name, "experiment": None, "backend": None, "problem": problem}
        insert(connection, unreadable, from_rows(unreadable, [row]).to_batches())


def _append(path: Path, rows: list[dict[str, Any]]) -> int:
    """Add lines to the file durably, and return its size."""
    text = "".join(
        json.dumps({**row, "published_at": row["published_at"].isoformat()}, separators=(",", ":")) + "\n"
        for row in rows
    )
    return append(path, text.encode())
