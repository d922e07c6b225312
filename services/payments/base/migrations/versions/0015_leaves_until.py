"""An attempt records until when a request under its key may leave. What was sent before gets the
longest time that a lease may last, and so does what a worker of the version before still sends."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

APPLICATION_ROLE = "caravel_app"
LONGEST_LEASE = "interval '10 minutes'"


def upgrade() -> None:
    """Applies the change."""
    op.add_column("attempts", sa.Column("leaves_until", sa.DateTime(timezone=True)))
    op.execute(
        f"""
        UPDATE attempts a
           SET leaves_until = greatest(a.last_sent_at + {LONGEST_LEASE}, p.lease_until)
          FROM payments p
         WHERE p.merchant_id = a.merchant_id AND p.id = a.payment_id AND a.last_sent_at IS NOT NULL
        """
    )
    op.execute(
        f"""
        CREATE FUNCTION send_without_limit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.leaves_until := greatest(
                OLD.leaves_until, NEW.last_sent_at + {LONGEST_LEASE});
            RETURN NEW;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER attempts_send_without_limit BEFORE UPDATE OF last_sent_at ON attempts "
        "FOR EACH ROW WHEN (NEW.last_sent_at IS DISTINCT FROM OLD.last_sent_at "
        "AND NEW.leaves_until IS NOT DISTINCT FROM OLD.leaves_until) "
        "EXECUTE FUNCTION send_without_limit()"
    )
    op.create_check_constraint(
        op.f("attempts_leaves_check"),
        "attempts",
        "last_sent_at IS NULL OR leaves_until IS NOT NULL",
    )
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT UPDATE (leaves_until) ON attempts TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_constraint(op.f("attempts_leaves_check"), "attempts")
    op.execute("DROP TRIGGER attempts_send_without_limit ON attempts")
    op.execute("DROP FUNCTION send_without_limit()")
    op.drop_column("attempts", "leaves_until")
