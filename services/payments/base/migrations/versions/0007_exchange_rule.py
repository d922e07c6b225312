"""How a payment's exchange was posted, so that it is unwound and verified by the same rule. What is
there was posted by the first one; the exchange itself notes the newer."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Applies the change."""
    op.add_column(
        "payments",
        sa.Column("exchange_rule", sa.SmallInteger(), server_default="1", nullable=False),
    )
    op.alter_column("payments", "exchange_rule", server_default="2")


def downgrade() -> None:
    """Takes the change back."""
    op.drop_column("payments", "exchange_rule")
