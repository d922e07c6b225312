"""The outbox is claimed endpoint by endpoint, so that one cannot stand in the way of another."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
PENDING = "state = 'PENDING'"


def upgrade() -> None:
    """Applies the change."""
    op.drop_index("outbox_due_at_idx", table_name="outbox")
    op.create_index(
        "outbox_pending_idx",
        "outbox",
        ["merchant_id", "endpoint_id", "due_at"],
        postgresql_where=sa.text(PENDING),
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_index("outbox_pending_idx", table_name="outbox")
    op.create_index("outbox_due_at_idx", "outbox", ["due_at"], postgresql_where=sa.text(PENDING))
