"""Until when nothing is sent for a payment, whatever wakes it before."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

APPLICATION_ROLE = "caravel_app"


def upgrade() -> None:
    """Applies the change."""
    op.add_column("payments", sa.Column("rests_until", sa.DateTime(timezone=True)))
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT UPDATE (rests_until) ON payments TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_column("payments", "rests_until")
