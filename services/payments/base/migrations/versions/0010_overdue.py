"""What an open attempt has cost so far: how often its request may have left, and since when nobody
knows its outcome. And a way to the events about no payment of ours."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Applies the change."""
    op.add_column(
        "attempts", sa.Column("sends", sa.SmallInteger(), nullable=False, server_default="0")
    )
    op.add_column("attempts", sa.Column("unknown_since", sa.DateTime(timezone=True)))
    op.execute("UPDATE attempts SET unknown_since = updated_at WHERE state = 'UNKNOWN'")
    op.create_index(
        "webhook_inbox_unmatched_idx",
        "webhook_inbox",
        ["received_at"],
        postgresql_where=sa.text("state = 'UNMATCHED'"),
    )


def downgrade() -> None:
    """Takes it back."""
    op.drop_index("webhook_inbox_unmatched_idx", table_name="webhook_inbox")
    op.drop_column("attempts", "unknown_since")
    op.drop_column("attempts", "sends")
