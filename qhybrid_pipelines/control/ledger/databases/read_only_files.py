"""How the file of a SQLite database is read where it may not be written, in a backup or on a read-only mount.

Without SQLAlchemy, so that commands that must be quick can read a sum without opening a ledger.
"""

from __future__ import annotations

import os
from pathlib import Path


def may_write_database(path: Path) -> bool:
    """Say whether this user may write a database, or make it; for SQLite that takes the right to write into its folder as well."""
    may_write = not path.is_file() or os.access(path, os.W_OK, effective_ids=True)
    return may_write and (not path.parent.is_dir() or os.access(path.parent, os.W_OK, effective_ids=True))


def read_only_options(path: Path) -> dict[str, str]:
    """Return how SQLite opens a database that may only be read.

    Nobody writes there either, unless a log with its index lies beside it: then the log counts, and is read too.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.is_file() and log.stat().st_size:
        return {"mode": "ro"}
    return {"mode": "ro", "immutable": "1"}


def reading_options(path: Path) -> dict[str, str]:
    """Return how SQLite opens a database for somebody who only reads it, whether he might write it or not."""
    return {"mode": "ro"} if may_write_database(path) else read_only_options(path)
