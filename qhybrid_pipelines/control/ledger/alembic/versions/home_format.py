"""A ledger says which releases may send from it, and which may only collect."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; a ledger of before was written by homes of format 2."""
    for name in ("format", "collects_from"):
        op.add_column("home", sa.Column(name, sa.Integer(), nullable=False, server_default="2"))
