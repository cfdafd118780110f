"""A ledger names the home that it belongs to, and counts how often it was opened to send something."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and draw the id."""
    table = op.create_table(
        "home",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("home_id", sa.Text(), nullable=False),
        sa.Column("openings", sa.BigInteger(), nullable=False),
        sa.Column("accepted_jobs", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="home_key"),
        sa.CheckConstraint("id = 1", name="home_has_one_row"),
    )
    op.bulk_insert(table, [{"id": 1, "home_id": secrets.token_hex(8), "openings": 0, "accepted_jobs": "[]"}])
