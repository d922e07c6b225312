"""An event about no payment of ours is given to its merchant once its payment exists."""

from alembic import op

revision = "0012"
down_revision = "0011"

APPLICATION_ROLE = "caravel_app"


def upgrade() -> None:
    """Applies the change."""
    _for_application("GRANT UPDATE (merchant_id) ON webhook_inbox TO")


def downgrade() -> None:
    """Takes the change back."""
    _for_application("REVOKE UPDATE (merchant_id) ON webhook_inbox FROM")


def _for_application(statement: str) -> None:
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                {statement} {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )
