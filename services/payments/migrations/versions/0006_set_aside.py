"""What is set aside has a time, and is found without looking through everything."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Applies the change."""
    op.add_column("webhook_inbox", sa.Column("set_aside_at", sa.DateTime(timezone=True)))
    op.create_index(
        "payments_failing_idx",
        "payments",
        ["due_at"],
        postgresql_where=sa.text("step_failures > 0 AND hold_reason IS NULL"),
    )
    op.create_index(
        "payments_set_aside_idx",
        "payments",
        ["merchant_id"],
        postgresql_where=sa.text("hold_reason = 'step_failed'"),
    )
    op.create_index(
        "webhook_inbox_set_aside_idx",
        "webhook_inbox",
        ["merchant_id"],
        postgresql_where=sa.text("state = 'SET_ASIDE'"),
    )
    op.create_index(
        "outbox_set_aside_idx",
        "outbox",
        ["merchant_id"],
        postgresql_where=sa.text("state = 'SET_ASIDE'"),
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_index("outbox_set_aside_idx", table_name="outbox")
    op.drop_index("webhook_inbox_set_aside_idx", table_name="webhook_inbox")
    op.drop_index("payments_set_aside_idx", table_name="payments")
    op.drop_index("payments_failing_idx", table_name="payments")
    op.drop_column("webhook_inbox", "set_aside_at")
