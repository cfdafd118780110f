"""Alembic's way to the ledger: it upgrades over the connection that `control.ledger.databases.schema` gives it, and no other.

New revisions are written with ``alembic revision -m "what changes"`` in the folder of ``pyproject.toml``.
"""

from alembic import context

from qhybrid_pipelines.control.ledger.databases.schema import REVISION_TABLE
from qhybrid_pipelines.control.ledger.sql import tables

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("A ledger is upgraded when it is opened, under its lock: run any command of `qhybrid` on it.")

context.configure(connection=connection, target_metadata=tables.metadata, version_table=REVISION_TABLE)
with context.begin_transaction():
    context.run_migrations()
