"""A corrected recipient may be of a kind that other offramps pay: then the route changes too."""

from alembic import op

revision = "0022"
down_revision = "0021"

APPLICATION_ROLE = "caravel_app"


def upgrade() -> None:
    """Applies the change."""
    _change("GRANT UPDATE (route) ON payments TO")


def downgrade() -> None:
    """Takes the change back."""
    _change("REVOKE UPDATE (route) ON payments FROM")


def _change(words: str) -> None:
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                {words} {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )
