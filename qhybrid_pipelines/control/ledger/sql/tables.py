"""The ledger's tables; how they come into a database is `control.ledger.databases.schema`.

Times are whole microseconds since 1970 UTC and money is whole micro-dollars, both exact on every database; columns say
so in their names (``created_at_us``, ``cost_microusd``) and appear in Python as aware datetimes and US dollars.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

from qhybrid_pipelines.control.ledger.budget import from_micro_usd, to_micro_usd
from qhybrid_pipelines.control.ledger.records import Outcome
from qhybrid_pipelines.control.ledger.sql.stored_values import from_microseconds, to_microseconds
from qhybrid_pipelines.core.jobs.job_states import JobState


class UtcTimestamp(TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds since 1970 UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect | None) -> int | None:  # noqa: ARG002
        """Convert to microseconds."""
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Convert to an aware datetime."""
        return None if value is None else from_microseconds(value)


class UsdAmount(TypeDecorator[float]):
    """US dollars, stored as whole micro-dollars."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect | None) -> int | None:  # noqa: ARG002
        """Convert to micro-dollars."""
        return None if value is None else to_micro_usd(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> float | None:  # noqa: ARG002
        """Convert to US dollars."""
        return None if value is None else from_micro_usd(value)


class JobStateText(TypeDecorator[JobState]):
    """A state of the life cycle, stored as its name."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> JobState | None:  # noqa: ARG002
        """Convert to a state of the life cycle."""
        return None if value is None else JobState(value)


class OutcomeText(TypeDecorator[Outcome]):
    """What became of an attempt, stored as its name."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> Outcome | None:  # noqa: ARG002
        """Convert to an outcome."""
        return None if value is None else Outcome(value)


#: Every constraint has a name, because a later revision can only change what it can name.
metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_key",
        "uq": "%(table_name)s_unique_%(column_0_N_name)s",
        "fk": "%(table_name)s_refers_to_%(referred_table_name)s",
        "ck": "%(table_name)s_%(constraint_name)s",
    }
)

#: Ids that are sorted by their characters, as SQLite and Python do it, and not by the language of a Postgres server.
SORTED_TEXT = Text().with_variant(Text(collation="C"), "postgresql")

job = Table(
    "job",
    metadata,
    Column("job_id", SORTED_TEXT, primary_key=True),
    Column("experiment", Text, nullable=False),
    Column("backend", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("payload_sha256", Text, nullable=False),
    Column("run_number", Integer, nullable=False),
    Column("tier", Text, nullable=False),
    Column("circuits", BigInteger, nullable=False),
    Column("shots", BigInteger, nullable=False),
    Column("state", JobStateText, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("engine", Text),
    Column("cost_quoted_microusd", UsdAmount, key="cost_quoted_usd", nullable=False),
    Column("price_source", Text, nullable=False),
    Column("cost_microusd", UsdAmount, key="cost_usd"),
    Column("cost_settled_microusd", UsdAmount, key="cost_settled_usd"),
    Column("result_sha256", Text),
    Column("error", Text),
    Column("requested_at_us", UtcTimestamp, key="requested_at"),
    Column("created_at_us", UtcTimestamp, key="created_at", nullable=False),
    Column("updated_at_us", UtcTimestamp, key="updated_at", nullable=False),
    Column("requested_backend", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("data_class", Text, nullable=False),
    Column("correlation_id", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("deadline_at_us", UtcTimestamp, key="deadline_at"),
    Column("policy_sha256", Text),
    Column("approved_by", Text),
    Column("rerouted_to", Text),
    CheckConstraint("run_number >= 1", name="counts_from_one"),
    CheckConstraint("attempt >= 1", name="has_an_attempt"),
    CheckConstraint("cost_quoted_microusd >= 0", name="quote_is_not_negative"),
    UniqueConstraint("experiment", "backend", "payload_sha256", "run_number"),
    Index("job_by_state", "state"),
    Index("job_by_time", "created_at"),
    Index("job_by_backend", "backend"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("job_id", Text, ForeignKey("job.job_id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("token", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("provider_job_id", Text),
    Column("outcome", OutcomeText, nullable=False),
    Column("started_at_us", UtcTimestamp, key="started_at", nullable=False),
    UniqueConstraint("token"),
    UniqueConstraint("provider", "provider_job_id"),
)

#: Raw columns, without conversion: what is sealed by a hash is what is stored, digit for digit.
event = Table(
    "event",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("job_id", Text, ForeignKey("job.job_id"), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("event", Text, nullable=False),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("observed_at_us", BigInteger, nullable=False),
    Column("clock", Text, nullable=False),
    Column("raw_status", Text),
    Column("detail", Text),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("facts", Text),
    CheckConstraint("clock IN ('vendor', 'observed')", name="clock_is_known"),
    UniqueConstraint("job_id", "sequence"),
)

chain_head = Table(
    "chain_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
    CheckConstraint("id = 1", name="has_one_row"),
)

#: Which home the ledger belongs to, how often it was opened to send something, and by which format of homes the newest.
home = Table(
    "home",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("home_id", Text, nullable=False),
    Column("openings", BigInteger, nullable=False),
    Column("accepted_jobs", Text, nullable=False),
    Column("format", Integer, nullable=False, server_default="2"),
    Column("collects_from", Integer, nullable=False, server_default="2"),
    CheckConstraint("id = 1", name="has_one_row"),
)

budget = Table(
    "budget",
    metadata,
    Column("experiment", Text, primary_key=True),
    Column("limit_microusd", UsdAmount, key="limit_usd", nullable=False),
    Column("reserved_microusd", UsdAmount, key="reserved_usd", nullable=False),
    Column("settled_microusd", UsdAmount, key="settled_usd", nullable=False),
    CheckConstraint("limit_microusd >= 0", name="limit_is_not_negative"),
    CheckConstraint("reserved_microusd >= 0", name="reserved_is_not_negative"),
    CheckConstraint("settled_microusd >= 0", name="settled_is_not_negative"),
)

result_ref = Table(
    "result_ref",
    metadata,
    Column("job_id", Text, ForeignKey("job.job_id"), primary_key=True),
    Column("sha256", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("stored_at_us", UtcTimestamp, key="stored_at", nullable=False),
)

breaker = Table(
    "breaker",
    metadata,
    Column("backend", SORTED_TEXT, primary_key=True),
    Column("state", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("opened_at_us", UtcTimestamp, key="opened_at"),
    Column("retry_at_us", UtcTimestamp, key="retry_at"),
    Column("reason", Text),
    Column("version", BigInteger, nullable=False),
    CheckConstraint("state IN ('closed', 'open', 'half_open')", name="state_is_known"),
    CheckConstraint("failures >= 0", name="failures_are_not_negative"),
)

calibration = Table(
    "calibration",
    metadata,
    Column("backend", SORTED_TEXT, primary_key=True),
    Column("calibration_id", SORTED_TEXT, primary_key=True),
    Column("measured_at_us", UtcTimestamp, key="measured_at"),
    Column("fetched_at_us", UtcTimestamp, key="fetched_at", nullable=False),
    Column("payload", Text, nullable=False),
)
