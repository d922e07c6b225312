"""The history and the book can only grow. Triggers refuse every change of a row, TRUNCATE too,
and the role `caravel_app`, where it exists, gets what each table needs and no DELETE anywhere."""

from alembic import op

revision = "0002"
down_revision = "0001"

APPEND_ONLY = ("payment_events", "postings")
CHANGING = (
    "attempts",
    "balances",
    "idempotency_keys",
    "merchants",
    "payments",
    "quotes",
    "webhook_inbox",
)
APPLICATION_ROLE = "caravel_app"


def upgrade() -> None:
    """Applies the change."""
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
                USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    grants = [f"GRANT SELECT, INSERT ON {table} TO {APPLICATION_ROLE};" for table in APPEND_ONLY]
    grants += [
        f"GRANT SELECT, INSERT, UPDATE ON {table} TO {APPLICATION_ROLE};" for table in CHANGING
    ]
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                {" ".join(grants)}
                GRANT SELECT ON alembic_version TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    for table in APPEND_ONLY:
        op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
    op.execute("DROP FUNCTION refuse_change()")
