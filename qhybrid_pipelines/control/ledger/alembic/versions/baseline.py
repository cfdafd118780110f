"""The tables of the first release, which `control.ledger.databases.schema` creates whole: nothing comes before them."""

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Do nothing: a ledger of this revision was created with it."""
