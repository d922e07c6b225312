"""A payment keeps the providers that may serve it, so that a corridor's change never moves money
that is under way, and the onramp's id of its collection, which a refund names; an attempt keeps
when it was last sent, so that the next one waits for it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Applies the change."""
    op.add_column("payments", sa.Column("route", postgresql.JSONB()))
    op.execute(
        "UPDATE payments SET route = jsonb_build_object("
        "'onramps', jsonb_build_array(onramp), 'offramps', jsonb_build_array(offramp))"
    )
    op.alter_column("payments", "route", nullable=False)
    op.add_column(
        "payments",
        sa.Column("collection_reference", sa.Text(), server_default=sa.text("''"), nullable=False),
    )
    op.execute(
        "UPDATE payments p SET collection_reference = a.provider_reference FROM attempts a "
        "WHERE a.merchant_id = p.merchant_id AND a.payment_id = p.id "
        "AND a.step = 'collection' AND a.state = 'SUCCEEDED'"
    )
    op.add_column("attempts", sa.Column("last_sent_at", sa.DateTime(timezone=True)))
    op.execute("UPDATE attempts SET last_sent_at = updated_at WHERE sent_at IS NOT NULL")


def downgrade() -> None:
    """Takes the change back."""
    op.drop_column("attempts", "last_sent_at")
    op.drop_column("payments", "collection_reference")
    op.drop_column("payments", "route")
