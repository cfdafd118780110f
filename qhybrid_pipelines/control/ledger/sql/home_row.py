"""Which home a ledger belongs to: an id that was made with the ledger, how often it was opened to send something, and for which releases."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection
from typing import Any

from sqlalchemy import Column, Connection, case, exists, insert, inspect, select, update

from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, Event
from qhybrid_pipelines.control.ledger.records import HomeIdentity
from qhybrid_pipelines.control.ledger.sql.queries import damaged
from qhybrid_pipelines.control.ledger.sql.tables import attempt, event, home
from qhybrid_pipelines.storage import home_note

#: SQLite takes a limited number of values in one query.
TOKENS_PER_QUERY = 500


def new_home_id() -> str:
    """Return an id that no other home has."""
    return secrets.token_hex(8)


def create(connection: Connection) -> None:
    """Give a new ledger its identity."""
    connection.execute(insert(home).values(id=1, home_id=new_home_id(), openings=0, accepted_jobs="[]"))


def may_collect(connection: Connection) -> bool:
    """Tell whether a ledger of a newer release says that this one may collect in it."""
    if not _knows_formats(connection):
        return False
    collects_from = connection.scalar(select(home.c.collects_from))
    return collects_from is not None and collects_from <= home_note.FORMAT


def note_collects_from(connection: Connection) -> None:
    """Note the oldest format whose releases may collect in tables that this one has upgraded."""
    if _knows_formats(connection):
        connection.execute(update(home).values(collects_from=_at_least(home.c.collects_from, home_note.COLLECTS_FROM)))


def _knows_formats(connection: Connection) -> bool:
    return home.c.collects_from.name in {column["name"] for column in inspect(connection).get_columns(home.name)}


def select_identity(connection: Connection) -> HomeIdentity:
    """Return the identity of a ledger.

    Raises:
        CorruptFile: somebody has removed it.
    """
    row = connection.execute(select(home)).one_or_none()
    if row is None:
        raise damaged(connection, "the row with the home's id is missing")
    accepted = frozenset(json.loads(row.accepted_jobs))
    return HomeIdentity(
        home_id=row.home_id,
        openings=row.openings,
        accepted_jobs=accepted,
        format=row.format,
        collects_from=row.collects_from,
    )


def count_opening(connection: Connection) -> HomeIdentity:
    """Count one more opening, note this release's format if it is the newest, and return the identity with both."""
    connection.execute(
        update(home).values(
            openings=home.c.openings + 1,
            format=_at_least(home.c.format, home_note.FORMAT),
            collects_from=_at_least(home.c.collects_from, home_note.COLLECTS_FROM),
        )
    )
    return select_identity(connection)


def _at_least(column: Column[int], number: int) -> Any:
    return case((column < number, number), else_=column)


def change_identity(connection: Connection, identity: HomeIdentity) -> None:
    """Let a ledger belong to another home."""
    accepted = json.dumps(sorted(identity.accepted_jobs))
    connection.execute(
        update(home).values(home_id=identity.home_id, openings=identity.openings, accepted_jobs=accepted)
    )


def select_sent_tokens(connection: Connection, tokens: Collection[str]) -> dict[str, str | None]:
    """Return those of some tokens that the ledger has sent, or has meant to send when it was cut off, see `Ledger.sent_tokens`."""
    was_sent = exists().where(event.c.job_id == attempt.c.job_id, event.c.event == EVENT_NAMES[Event.SUBMIT])
    found: dict[str, str | None] = {}
    ordered = sorted(tokens)
    for first in range(0, len(ordered), TOKENS_PER_QUERY):
        chunk = ordered[first : first + TOKENS_PER_QUERY]
        rows = connection.execute(
            select(attempt.c.token, attempt.c.provider_job_id).where(attempt.c.token.in_(chunk), was_sent)
        )
        found.update(rows.tuples().all())  # a result has `keys` of its own, and would pass for a mapping
    return found
