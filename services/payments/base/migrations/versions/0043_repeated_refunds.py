"""A refund from a lost time becomes its merchant's once the request for it comes again, so that who
asked for it, and why, may change."""

from alembic import op

revision = "0043"
down_revision = "0042"

APPLICATION_ROLE = "caravel_app"


def _for_application(verb: str) -> None:
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                {verb} {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )


def upgrade() -> None:
    """Applies the change."""
    _for_application("GRANT UPDATE (reason, requested_by) ON refunds TO")


def downgrade() -> None:
    """Takes the change back."""
    _for_application("REVOKE UPDATE (reason, requested_by) ON refunds FROM")
