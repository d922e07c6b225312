"""What a provider has moved under an attempt, where that is not what the attempt's state says."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Applies the change."""
    op.add_column("attempts", sa.Column("moved_minor", sa.BigInteger()))
    op.add_column("attempts", sa.Column("moved_currency", sa.Text()))


def downgrade() -> None:
    """Takes the change back."""
    op.drop_column("attempts", "moved_currency")
    op.drop_column("attempts", "moved_minor")
