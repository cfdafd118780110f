"""MLflow's files follow their home: its store keeps whole addresses, which name the folder where the home once lay."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

#: How the address of MLflow's own first experiment ends, for which `storage.tracking` names the folder.
_FIRST = "/mlflow/artifacts/Default/"
#: Where MLflow 3 keeps addresses of files.
_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
)


def local_folder(address: str) -> Path:
    """Return the folder that a ``file:`` address names."""
    return Path(url2pathname(urlsplit(address).path))


def follow_home(connection: sqlite3.Connection, artifacts: str) -> int:
    """Let a store's addresses begin with the folder in which its home lies now.

    Addresses that began elsewhere (an object store, another folder) stay as they are.

    Args:
        connection: to the SQLite store, in a transaction that the caller commits.
        artifacts: address of the folder of files below the home, without a slash at its end.

    Returns:
        How many addresses were rewritten; 0 where the home was not moved.
    """
    found = connection.execute("SELECT artifact_location FROM experiments ORDER BY experiment_id LIMIT 1").fetchone()
    home, separator, _ = str(found[0] if found else "").rpartition(_FIRST)
    before, now = f"{home}/mlflow/artifacts/", f"{artifacts}/"
    if not separator or before == now:
        return 0
    rewritten = 0
    for table, column in _COLUMNS:
        # Not LIKE: a name may have characters that it reads as something else.
        changed = connection.execute(
            f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",  # noqa: S608  names of ours
            (now, len(before) + 1, len(before), before),
        )
        rewritten += changed.rowcount
    return rewritten
