"""Triggers that keep events from being changed or removed by a slip of the hand, and whether they are in force.

Whoever owns the database can drop them, and then the chain of hashes tells; that they are gone is worth knowing before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlalchemy import Connection

#: Events are append-only: the database refuses what would change them.
_STATEMENTS = {
    "sqlite": (
        """
        CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
        BEGIN SELECT RAISE(ABORT, 'events are append-only: no UPDATE'); END
        """,
        """
        CREATE TRIGGER event_is_never_removed BEFORE DELETE ON event
        BEGIN SELECT RAISE(ABORT, 'events are append-only: no DELETE'); END
        """,
        # INSERT OR REPLACE removes rows without asking the trigger on DELETE.
        """
        CREATE TRIGGER event_is_never_replaced BEFORE INSERT ON event
        WHEN EXISTS (SELECT 1 FROM event WHERE position = NEW.position)
        BEGIN SELECT RAISE(ABORT, 'events are append-only: no REPLACE'); END
        """,
    ),
    "postgresql": (
        """
        CREATE FUNCTION events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE integrity_constraint_violation
                USING MESSAGE = 'events are append-only: no ' || TG_OP;
        END $$
        """,
        """
        CREATE TRIGGER event_is_never_changed BEFORE UPDATE OR DELETE ON event
        FOR EACH ROW EXECUTE FUNCTION events_are_append_only()
        """,
        """
        CREATE TRIGGER event_is_never_emptied BEFORE TRUNCATE ON event
        FOR EACH STATEMENT EXECUTE FUNCTION events_are_append_only()
        """,
    ),
}

#: The triggers in force on Postgres: of our own, switched on for every session, and running the function as we wrote it.
_POSTGRES_TRIGGERS = """
    SELECT t.tgname, p.prosrc FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE t.tgrelid = 'event'::regclass AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
"""


def create(connection: Connection) -> None:
    """Create the triggers in a new database."""
    for statement in _STATEMENTS[connection.dialect.name]:
        connection.exec_driver_sql(statement)


def missing(connection: Connection) -> list[str]:
    """Return the names of the triggers that are not there, not as they were created, or switched off."""
    in_force = set(_in_force(connection))
    return [name for name in _names(connection.dialect.name) if name not in in_force]


def _in_force(connection: Connection) -> Iterator[str]:
    statements = _STATEMENTS[connection.dialect.name]
    if connection.dialect.name == "sqlite":
        found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        written = {_squeeze(statement) for statement in statements}
        yield from (name for name, text in found if _squeeze(text) in written)
    else:
        body = _squeeze(statements[0].split("$$")[1])
        found = connection.exec_driver_sql(_POSTGRES_TRIGGERS)
        yield from (name for name, text in found if _squeeze(text) == body)


def _names(dialect: str) -> list[str]:
    return [name for statement in _STATEMENTS[dialect] for name in re.findall(r"CREATE TRIGGER (\w+)", statement)]


def _squeeze(text: str) -> str:
    return " ".join(text.split())
