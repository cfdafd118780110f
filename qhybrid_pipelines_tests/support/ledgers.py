"""The ledger of a test's home: a SQLite file in it, or with ``--ledger postgres`` a schema of its own on a real server.

The choice stands in the environment, so that processes which a test starts make the same one.
"""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import NullPool, create_engine, make_url

from qhybrid_pipelines.control.ledger.sql_ledger import SqlLedger
from qhybrid_pipelines.core.canonical import sha256_hex

#: Address of the database that holds the schemas; without it the ledgers are files.
DATABASE_VARIABLE = "QHYBRID_TEST_LEDGERS_IN"


def open_test_ledger(home: Path) -> SqlLedger:
    """Open the ledger of a home, made if it is not there."""
    database = os.environ.get(DATABASE_VARIABLE)
    if database is None:
        return SqlLedger.open_sqlite(home / "ledger.db")
    name = f"h{sha256_hex(str(home))[:16]}"
    admin = create_engine(database, poolclass=NullPool)
    with admin.begin() as connection:
        # CREATE SCHEMA IF NOT EXISTS fails when two processes run it at once
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(1)")
        connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {name}")
    url = make_url(database).update_query_dict({"options": f"-csearch_path={name}"})
    # Dispatchers of tests have clocks of their own, by which hours pass in no time.
    return SqlLedger.open_postgres(url.render_as_string(hide_password=False), server_clock=False)
