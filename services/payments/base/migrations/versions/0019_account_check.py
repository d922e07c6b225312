"""The answer to the question whose a recipient's account is; empty where nobody had to ask."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

APPLICATION_ROLE = "caravel_app"


def upgrade() -> None:
    """Applies the change."""
    # The default is for processes of the version before, while they still create payments.
    op.add_column(
        "payments",
        sa.Column("account_check", sa.Text(), nullable=False, server_default=sa.text("''")),
    )
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT UPDATE (account_check) ON payments TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_column("payments", "account_check")
