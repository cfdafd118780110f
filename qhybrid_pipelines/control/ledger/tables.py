"""The ledger's tables as the code sees them; how they come into a database is `control.ledger.migrations`.

Times are whole microseconds since 1970 UTC and money is whole micro-dollars, both exact on every database; columns say
so in their names (``created_at_us``, ``cost_microusd``) and appear in Python as aware datetimes and US dollars.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Column, Dialect, Integer, MetaData, Table, Text
from sqlalchemy.types import TypeDecorator

from qhybrid_pipelines.control.ledger.budget import from_micro_usd, to_micro_usd
from qhybrid_pipelines.control.ledger.records import Outcome
from qhybrid_pipelines.control.ledger.stored_values import from_microseconds, to_microseconds
from qhybrid_pipelines.core.jobs import JobState


class UtcTimestamp(TypeDecorator[datetime]):
    """An aware datetime, kept as microseconds since 1970 UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Return what is stored."""
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return what was meant."""
        return None if value is None else from_microseconds(value)


class UsdAmount(TypeDecorator[float]):
    """US dollars, kept as whole micro-dollars."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Return what is stored."""
        return None if value is None else to_micro_usd(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> float | None:  # noqa: ARG002
        """Return what was meant."""
        return None if value is None else from_micro_usd(value)


class JobStateText(TypeDecorator[JobState]):
    """A state of the life cycle, kept as its name."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> JobState | None:  # noqa: ARG002
        """Return what was meant."""
        return None if value is None else JobState(value)


class OutcomeText(TypeDecorator[Outcome]):
    """What became of an attempt, kept as its name."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> Outcome | None:  # noqa: ARG002
        """Return what was meant."""
        return None if value is None else Outcome(value)


metadata = MetaData()

job = Table(
    "job",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("experiment", Text),
    Column("backend", Text),
    Column("provider", Text),
    Column("payload_sha256", Text),
    Column("run_number", Integer),
    Column("tier", Text),
    Column("circuits", BigInteger),
    Column("shots", BigInteger),
    Column("state", JobStateText),
    Column("version", BigInteger),
    Column("attempt", Integer),
    Column("engine", Text),
    Column("cost_quoted_microusd", UsdAmount, key="cost_quoted_usd"),
    Column("price_source", Text),
    Column("cost_microusd", UsdAmount, key="cost_usd"),
    Column("cost_settled_microusd", UsdAmount, key="cost_settled_usd"),
    Column("result_sha256", Text),
    Column("error", Text),
    Column("requested_at_us", UtcTimestamp, key="requested_at"),
    Column("created_at_us", UtcTimestamp, key="created_at"),
    Column("updated_at_us", UtcTimestamp, key="updated_at"),
    Column("requested_backend", Text),
    Column("principal", Text),
    Column("environment", Text),
    Column("data_class", Text),
    Column("correlation_id", Text),
    Column("priority", Integer),
    Column("deadline_at_us", UtcTimestamp, key="deadline_at"),
    Column("policy_sha256", Text),
    Column("approved_by", Text),
    Column("rerouted_to", Text),
)

attempt = Table(
    "attempt",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("token", Text),
    Column("provider", Text),
    Column("provider_job_id", Text),
    Column("outcome", OutcomeText),
    Column("started_at_us", UtcTimestamp, key="started_at"),
)

#: Raw columns, without conversion: what is sealed by a hash is what is stored, digit for digit.
event = Table(
    "event",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("job_id", Text),
    Column("sequence", BigInteger),
    Column("event", Text),
    Column("from_state", Text),
    Column("to_state", Text),
    Column("at_us", BigInteger),
    Column("observed_at_us", BigInteger),
    Column("clock", Text),
    Column("raw_status", Text),
    Column("detail", Text),
    Column("previous_hash", Text),
    Column("hash", Text),
)

chain_head = Table(
    "chain_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger),
    Column("hash", Text),
)

budget = Table(
    "budget",
    metadata,
    Column("experiment", Text, primary_key=True),
    Column("limit_microusd", UsdAmount, key="limit_usd"),
    Column("reserved_microusd", UsdAmount, key="reserved_usd"),
    Column("settled_microusd", UsdAmount, key="settled_usd"),
)

result_ref = Table(
    "result_ref",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("sha256", Text),
    Column("size_bytes", BigInteger),
    Column("content_type", Text),
    Column("stored_at_us", UtcTimestamp, key="stored_at"),
)

breaker = Table(
    "breaker",
    metadata,
    Column("backend", Text, primary_key=True),
    Column("state", Text),
    Column("failures", Integer),
    Column("opened_at_us", UtcTimestamp, key="opened_at"),
    Column("retry_at_us", UtcTimestamp, key="retry_at"),
    Column("reason", Text),
    Column("version", BigInteger),
)

calibration = Table(
    "calibration",
    metadata,
    Column("backend", Text, primary_key=True),
    Column("calibration_id", Text, primary_key=True),
    Column("measured_at_us", UtcTimestamp, key="measured_at"),
    Column("fetched_at_us", UtcTimestamp, key="fetched_at"),
    Column("payload", Text),
)

schema_version = Table(
    "schema_version",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("summary", Text),
    Column("applied_at_us", UtcTimestamp, key="applied_at"),
)
