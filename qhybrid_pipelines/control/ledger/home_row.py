"""Which home a ledger belongs to: an id that was made with the ledger, and how often it was opened to send something."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, insert, select, update

from qhybrid_pipelines.control.ledger.records import HomeIdentity
from qhybrid_pipelines.control.ledger.tables import home


def new_home_id() -> str:
    """Return an id that no other home has."""
    return secrets.token_hex(8)


def create(connection: Connection) -> None:
    """Give a new ledger its identity."""
    connection.execute(insert(home).values(id=1, home_id=new_home_id(), openings=0))


def select_identity(connection: Connection) -> HomeIdentity:
    """Return the identity of a ledger."""
    row = connection.execute(select(home.c.home_id, home.c.openings)).one()
    return HomeIdentity(home_id=row.home_id, openings=row.openings)


def count_opening(connection: Connection) -> HomeIdentity:
    """Count one more opening and return the identity with it."""
    connection.execute(update(home).values(openings=home.c.openings + 1))
    return select_identity(connection)


def change_identity(connection: Connection, identity: HomeIdentity) -> None:
    """Let a ledger belong to another home."""
    connection.execute(update(home).values(home_id=identity.home_id, openings=identity.openings))
