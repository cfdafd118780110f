"""How the ledger's tables come into a database, version by version.

A migration that was released is never edited: a later change is a further one. The statements are plain SQL that
SQLite and Postgres both read; what differs (triggers) is listed per dialect. A test compares the outcome with
`control.ledger.tables`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, insert, inspect, select, update
from sqlalchemy.sql.functions import max as sql_max

from qhybrid_pipelines.control.ledger import tables
from qhybrid_pipelines.control.ledger.records import correlation_id_for
from qhybrid_pipelines.core.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema.

    Attributes:
        dialects: further statements, which only one database understands.
        backfill: computes, after the statements, what SQL cannot.
    """

    version: int
    summary: str
    statements: tuple[str, ...]
    dialects: dict[str, tuple[str, ...]] = field(default_factory=dict)
    backfill: Callable[[Connection], None] | None = None


def _backfill_correlation_ids(connection: Connection) -> None:
    """Give the jobs of version 1 the id that they would be given today."""
    job = tables.job.c
    rows = connection.execute(select(job.job_id, job.experiment, job.requested_backend)).all()
    if rows:
        connection.execute(
            update(tables.job).where(job.job_id == bindparam("known")).values(correlation_id=bindparam("correlation")),
            [{"known": row[0], "correlation": correlation_id_for(row[1], row[2])} for row in rows],
        )


MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        version=1,
        summary="jobs, attempts, chained events, budgets, results",
        statements=(
            """
            CREATE TABLE job (
                job_id TEXT PRIMARY KEY,
                experiment TEXT NOT NULL,
                backend TEXT NOT NULL,
                provider TEXT NOT NULL,
                payload_sha256 TEXT NOT NULL,
                run_number INTEGER NOT NULL CHECK (run_number >= 1),
                tier TEXT NOT NULL,
                circuits BIGINT NOT NULL,
                shots BIGINT NOT NULL,
                state TEXT NOT NULL,
                version BIGINT NOT NULL,
                attempt INTEGER NOT NULL CHECK (attempt >= 1),
                engine TEXT,
                cost_quoted_microusd BIGINT NOT NULL CHECK (cost_quoted_microusd >= 0),
                price_source TEXT NOT NULL,
                cost_microusd BIGINT,
                cost_settled_microusd BIGINT,
                result_sha256 TEXT,
                error TEXT,
                requested_at_us BIGINT,
                created_at_us BIGINT NOT NULL,
                updated_at_us BIGINT NOT NULL,
                UNIQUE (experiment, backend, payload_sha256, run_number)
            )
            """,
            "CREATE INDEX job_by_state ON job (state)",
            """
            CREATE TABLE attempt (
                job_id TEXT NOT NULL REFERENCES job (job_id),
                number INTEGER NOT NULL,
                token TEXT NOT NULL UNIQUE,
                provider TEXT NOT NULL,
                provider_job_id TEXT,
                outcome TEXT NOT NULL,
                started_at_us BIGINT NOT NULL,
                PRIMARY KEY (job_id, number),
                UNIQUE (provider, provider_job_id)
            )
            """,
            """
            CREATE TABLE event (
                position BIGINT PRIMARY KEY,
                job_id TEXT NOT NULL REFERENCES job (job_id),
                sequence BIGINT NOT NULL,
                event TEXT NOT NULL,
                from_state TEXT,
                to_state TEXT NOT NULL,
                at_us BIGINT NOT NULL,
                observed_at_us BIGINT NOT NULL,
                clock TEXT NOT NULL CHECK (clock IN ('vendor', 'observed')),
                raw_status TEXT,
                detail TEXT,
                previous_hash TEXT NOT NULL,
                hash TEXT NOT NULL,
                UNIQUE (job_id, sequence)
            )
            """,
            """
            CREATE TABLE chain_head (
                id INTEGER PRIMARY KEY CHECK (id = 1),
                position BIGINT NOT NULL,
                hash TEXT NOT NULL
            )
            """,
            """
            INSERT INTO chain_head (id, position, hash)
            VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000')
            """,
            """
            CREATE TABLE budget (
                experiment TEXT PRIMARY KEY,
                limit_microusd BIGINT NOT NULL CHECK (limit_microusd >= 0),
                reserved_microusd BIGINT NOT NULL CHECK (reserved_microusd >= 0),
                settled_microusd BIGINT NOT NULL CHECK (settled_microusd >= 0)
            )
            """,
            """
            CREATE TABLE result_ref (
                job_id TEXT PRIMARY KEY REFERENCES job (job_id),
                sha256 TEXT NOT NULL,
                size_bytes BIGINT NOT NULL,
                content_type TEXT NOT NULL,
                stored_at_us BIGINT NOT NULL
            )
            """,
        ),
        dialects={
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
            )
        },
    ),
    Migration(
        version=2,
        summary="who asks and by which policy, approval, rerouting, deadlines; breakers; calibrations",
        statements=(
            "ALTER TABLE job ADD COLUMN requested_backend TEXT NOT NULL DEFAULT ''",
            "UPDATE job SET requested_backend = backend",
            "ALTER TABLE job ADD COLUMN principal TEXT NOT NULL DEFAULT 'unknown'",
            "ALTER TABLE job ADD COLUMN environment TEXT NOT NULL DEFAULT 'dev'",
            "ALTER TABLE job ADD COLUMN data_class TEXT NOT NULL DEFAULT 'internal'",
            "ALTER TABLE job ADD COLUMN correlation_id TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE job ADD COLUMN priority INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE job ADD COLUMN deadline_at_us BIGINT",
            "ALTER TABLE job ADD COLUMN policy_sha256 TEXT",
            "ALTER TABLE job ADD COLUMN approved_by TEXT",
            "ALTER TABLE job ADD COLUMN rerouted_to TEXT",
            """
            CREATE TABLE breaker (
                backend TEXT PRIMARY KEY,
                state TEXT NOT NULL CHECK (state IN ('closed', 'open', 'half_open')),
                failures INTEGER NOT NULL CHECK (failures >= 0),
                opened_at_us BIGINT,
                retry_at_us BIGINT,
                reason TEXT,
                version BIGINT NOT NULL
            )
            """,
            """
            CREATE TABLE calibration (
                backend TEXT NOT NULL,
                calibration_id TEXT NOT NULL,
                measured_at_us BIGINT NOT NULL,
                fetched_at_us BIGINT NOT NULL,
                payload TEXT NOT NULL,
                PRIMARY KEY (backend, calibration_id)
            )
            """,
        ),
        backfill=_backfill_correlation_ids,
        dialects={
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
                # Ids sort by their characters, as SQLite and Python do it, and not by the language of the server.
                'ALTER TABLE job ALTER COLUMN job_id TYPE TEXT COLLATE "C"',
                'ALTER TABLE breaker ALTER COLUMN backend TYPE TEXT COLLATE "C"',
                """
                ALTER TABLE calibration
                    ALTER COLUMN backend TYPE TEXT COLLATE "C", ALTER COLUMN calibration_id TYPE TEXT COLLATE "C"
                """,
            )
        },
    ),
)

_VERSIONS = """
    CREATE TABLE schema_version (
        version INTEGER PRIMARY KEY,
        summary TEXT NOT NULL,
        applied_at_us BIGINT NOT NULL
    )
"""


def migrate(connection: Connection, migrations: Sequence[Migration] = MIGRATIONS) -> int:
    """Bring a database to the newest version, inside the caller's transaction, and return that version.

    Raises:
        InvalidInput: a newer release of this package has written the ledger.
    """
    if not inspect(connection).has_table("schema_version"):
        connection.exec_driver_sql(_VERSIONS)
    current = connection.scalar(select(sql_max(tables.schema_version.c.version))) or 0
    newest = migrations[-1].version
    if current > newest:
        raise InvalidInput(
            f"the ledger has schema version {current}, and this release knows versions up to {newest}",
            remedy="Install the release that wrote it, or a newer one.",
        )
    for migration in migrations:
        if migration.version <= current:
            continue
        for statement in (*migration.statements, *migration.dialects.get(connection.dialect.name, ())):
            connection.exec_driver_sql(statement)
        if migration.backfill is not None:
            migration.backfill(connection)
        connection.execute(
            insert(tables.schema_version).values(
                version=migration.version, summary=migration.summary, applied_at=datetime.now(UTC)
            )
        )
    return newest
