"""An event that contradicts our record counts the questions about it, and since when: time alone
would count while nobody asked."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

APPLICATION_ROLE = "caravel_app"


def upgrade() -> None:
    """Applies the change."""
    op.add_column("webhook_inbox", sa.Column("asked_since", sa.DateTime(timezone=True)))
    op.add_column(
        "webhook_inbox",
        sa.Column("asked", sa.Integer(), nullable=False, server_default=sa.text("0")),
    )
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT UPDATE (asked, asked_since) ON webhook_inbox TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_column("webhook_inbox", "asked")
    op.drop_column("webhook_inbox", "asked_since")
