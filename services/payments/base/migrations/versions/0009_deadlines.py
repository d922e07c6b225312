"""Until when a payment may wait for a person, and since when it has. What waits already gets its
time from now on, and what goes back to the payer at the end of it is due then."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

WAITS = (
    "hold_reason IS NOT NULL OR state = 'RETURNED' OR state = 'REFUNDING' AND refunded_minor > 0"
)
DEADLINE = (
    "now() + CASE WHEN hold_reason IS NULL THEN interval '30 days' ELSE interval '3 days' END"
)


def upgrade() -> None:
    """Applies the change."""
    op.add_column("payments", sa.Column("waiting_since", sa.DateTime(timezone=True)))
    op.add_column("payments", sa.Column("deadline_at", sa.DateTime(timezone=True)))
    op.execute(
        f"UPDATE payments SET waiting_since = updated_at, deadline_at = {DEADLINE}, "
        f"due_at = CASE WHEN hold_reason IS NULL THEN least(due_at, {DEADLINE}) ELSE due_at END "
        f"WHERE {WAITS}"
    )
    op.create_index(
        "payments_deadline_idx",
        "payments",
        ["deadline_at"],
        postgresql_where=sa.text("deadline_at IS NOT NULL"),
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_index("payments_deadline_idx", table_name="payments")
    op.drop_column("payments", "deadline_at")
    op.drop_column("payments", "waiting_since")
