"""Opening the ledger of a home: on a Postgres server where an address is given, else in a SQLite file of the home."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qhybrid_pipelines.control.ledger.sql import SqlLedger

if TYPE_CHECKING:
    from qhybrid_pipelines.storage.layout import Home


def open_ledger(home: Home, url: str | None) -> SqlLedger:
    """Return the ledger, created or brought to the newest version if need be.

    Args:
        home: its folder holds the ledger when there is no ``url``.
        url: of a Postgres database, ``postgresql+psycopg2://...``; what QHYBRID_LEDGER_URL says.

    Raises:
        InvalidInput: it cannot be opened, or a newer release has written it.
    """
    return SqlLedger.open_postgres(url) if url else SqlLedger.open_sqlite(home.ledger)
