"""A payer may be there to act: a payment keeps that there is one, and what is asked of one."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"

APPLICATION_ROLE = "caravel_app"


def upgrade() -> None:
    """Applies the change."""
    op.add_column("payments", sa.Column("payer", postgresql.JSONB()))
    op.add_column("payments", sa.Column("next_action", postgresql.JSONB()))
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT UPDATE (next_action) ON payments TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_column("payments", "next_action")
    op.drop_column("payments", "payer")
