"""Jobs are found by the time at which they were written down and by their backend, however many there are."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes."""
    op.create_index("job_by_time", "job", ["created_at_us"])
    op.create_index("job_by_backend", "job", ["backend"])
