"""Which home a ledger belongs to: an id that was made with the ledger, and how often it was opened to send something."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection

from sqlalchemy import Connection, exists, insert, select, update

from qhybrid_pipelines.control.ledger.lifecycle import EVENT_NAMES, Event
from qhybrid_pipelines.control.ledger.queries import damaged
from qhybrid_pipelines.control.ledger.records import HomeIdentity
from qhybrid_pipelines.control.ledger.tables import attempt, event, home

#: SQLite takes a limited number of values in one query.
TOKENS_PER_QUERY = 500


def new_home_id() -> str:
    """Return an id that no other home has."""
    return secrets.token_hex(8)


def create(connection: Connection) -> None:
    """Give a new ledger its identity."""
    connection.execute(insert(home).values(id=1, home_id=new_home_id(), openings=0, accepted_jobs="[]"))


def select_identity(connection: Connection) -> HomeIdentity:
    """Return the identity of a ledger.

    Raises:
        CorruptFile: somebody has removed it.
    """
    row = connection.execute(select(home)).one_or_none()
    if row is None:
        raise damaged(connection, "the row with the home's id is missing")
    accepted = frozenset(json.loads(row.accepted_jobs))
    return HomeIdentity(home_id=row.home_id, openings=row.openings, accepted_jobs=accepted)


def count_opening(connection: Connection) -> HomeIdentity:
    """Count one more opening and return the identity with it."""
    connection.execute(update(home).values(openings=home.c.openings + 1))
    return select_identity(connection)


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
