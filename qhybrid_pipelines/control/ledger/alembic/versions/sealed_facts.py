"""Events seal what changed with them; the rows of a ledger from before are sealed as they stand, one event per job."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from qhybrid_pipelines.core.canonical import canonical_json, content_hash

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

#: Columns of `job` that follow from the columns of its last event.
IMPLIED = ("state", "version", "updated_at_us")
HASHED = (
    "position",
    "job_id",
    "sequence",
    "event",
    "from_state",
    "to_state",
    "at_us",
    "observed_at_us",
    "clock",
    "raw_status",
    "detail",
    "previous_hash",
    "facts",
)


def upgrade() -> None:
    """Add the column and seal every job; nothing here uses the tables of a later release."""
    op.add_column("event", sa.Column("facts", sa.Text()))
    connection = op.get_bind()
    head = connection.exec_driver_sql("SELECT position, hash FROM chain_head").one()
    position, previous = head.position, head.hash
    for job_id in connection.exec_driver_sql("SELECT job_id FROM job ORDER BY created_at_us, job_id").scalars().all():
        job = _select(connection, "SELECT * FROM job WHERE job_id = :job_id", job_id=job_id)[0]
        position += 1
        event: dict[str, Any] = {
            "position": position,
            "job_id": job_id,
            "sequence": job["version"] + 1,
            "event": "JobSealed",
            "from_state": job["state"],
            "to_state": job["state"],
            "at_us": job["updated_at_us"],
            "observed_at_us": job["updated_at_us"],
            "clock": "observed",
            "raw_status": None,
            "detail": None,
            "previous_hash": previous,
            "facts": canonical_json(_facts(connection, job)),
        }
        event["hash"] = previous = content_hash([event[name] for name in HASHED])
        columns, values = ", ".join(event), ", ".join(f":{name}" for name in event)
        connection.execute(sa.text(f"INSERT INTO event ({columns}) VALUES ({values})"), event)  # noqa: S608  our own names
        connection.execute(
            sa.text("UPDATE job SET version = :version WHERE job_id = :job_id"),
            {"version": event["sequence"], "job_id": job_id},
        )
    connection.execute(
        sa.text("UPDATE chain_head SET position = :position, hash = :hash"), {"position": position, "hash": previous}
    )


def _facts(connection: sa.Connection, job: dict[str, Any]) -> dict[str, Any]:
    """Return the rows of a job as they stand."""
    attempts = _select(connection, "SELECT * FROM attempt WHERE job_id = :job_id ORDER BY number", job_id=job["job_id"])
    budgets = _select(connection, "SELECT limit_microusd FROM budget WHERE experiment = :name", name=job["experiment"])
    results = _select(connection, "SELECT * FROM result_ref WHERE job_id = :job_id", job_id=job["job_id"])
    facts: dict[str, Any] = {
        "job": {name: value for name, value in job.items() if name not in IMPLIED},
        "attempts": [{name: value for name, value in attempt.items() if name != "job_id"} for attempt in attempts],
    }
    if budgets:
        facts["budget"] = budgets[0]
    if results:
        facts["result"] = {name: value for name, value in results[0].items() if name != "job_id"}
    return facts


def _select(connection: sa.Connection, statement: str, **values: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(sa.text(statement), values).mappings()]
