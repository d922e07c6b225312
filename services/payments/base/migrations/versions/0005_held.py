"""What waits for a person is counted without a look at all payments."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Applies the change."""
    op.create_index(
        "payments_held_idx",
        "payments",
        ["hold_reason"],
        postgresql_where=sa.text("hold_reason IS NOT NULL"),
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_index(
        "payments_held_idx",
        table_name="payments",
        postgresql_where=sa.text("hold_reason IS NOT NULL"),
    )
