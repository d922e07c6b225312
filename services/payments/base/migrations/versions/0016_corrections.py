"""A payment may get another recipient, and then each payout so far keeps the one that it was sent
with, once and for good."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"

APPLICATION_ROLE = "caravel_app"


def upgrade() -> None:
    """Applies the change."""
    op.add_column("attempts", sa.Column("recipient", postgresql.JSONB()))
    op.execute(
        """
        CREATE FUNCTION refuse_new_recipient() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'an attempt keeps the recipient that it was sent with'
                USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER attempts_recipient_stands BEFORE UPDATE OF recipient ON attempts "
        "FOR EACH ROW WHEN (OLD.recipient IS NOT NULL "
        "AND OLD.recipient IS DISTINCT FROM NEW.recipient) "
        "EXECUTE FUNCTION refuse_new_recipient()"
    )
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT UPDATE (recipient) ON payments TO {APPLICATION_ROLE};
                GRANT UPDATE (recipient) ON attempts TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    op.execute("DROP TRIGGER attempts_recipient_stands ON attempts")
    op.execute("DROP FUNCTION refuse_new_recipient()")
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                REVOKE UPDATE (recipient) ON payments FROM {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )
    op.drop_column("attempts", "recipient")
