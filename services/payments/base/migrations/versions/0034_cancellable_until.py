"""Until when a payment is not paid out, so that it can be cancelled."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"

APPLICATION_ROLE = "caravel_app"


def upgrade() -> None:
    """Applies the change."""
    op.add_column("payments", sa.Column("cancellable_until", sa.DateTime(timezone=True)))
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT UPDATE (cancellable_until) ON payments TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_column("payments", "cancellable_until")
