"""A calibration may have no date: some providers say what holds now, and not since when."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the time be absent; SQLite cannot change a column, so its table is made anew with the same rows."""
    with op.batch_alter_table("calibration") as table:
        table.alter_column("measured_at_us", existing_type=sa.BigInteger(), nullable=True)
