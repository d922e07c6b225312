"""The application may change what it changes and nothing else: UPDATE is granted by column, so that
one which is added is nobody's to change until a migration says so. The terms of a payment stand
once it is exchanged, and no role but the owner makes tables, not even temporary ones."""

from alembic import op

revision = "0011"
down_revision = "0010"

APPLICATION_ROLE = "caravel_app"
# Rows of these are added, and never changed.
NEVER = ("idempotency_keys", "merchants")
CHANGED = {
    "attempts": "failure_code, failure_message, inconclusive_count, last_sent_at, moved_currency, "
    "moved_minor, provider_reference, sends, sent_at, state, unknown_since, updated_at",
    "balances": "balance_minor, updated_at",
    "outbox": "delivered_at, due_at, failures, last_error, lease_token, lease_until, state",
    "payments": "cancel_requested_at, collection_reference, deadline_at, due_at, exchange_rule, "
    "failure_code, failure_message, hold_reason, last_error, lease_owner, lease_token, "
    "lease_until, markup_basis_points, mid_rate, nudged, offramp, onramp, payout_minor, quote_id, "
    "rate, refunded_minor, sent_at, state, step_failures, updated_at, version, waiting_since",
    "quotes": "payment_id",
    "webhook_endpoints": "disabled_at, disabled_reason",
    "webhook_inbox": "failures, last_error, set_aside_at, state",
}
TERMS = "payout_minor, {0}.rate, {0}.mid_rate, {0}.markup_basis_points"


def upgrade() -> None:
    """Applies the change."""
    _for_application(
        "REVOKE INSERT ON merchants FROM {role};",
        *(f"REVOKE UPDATE ON {table} FROM {{role}};" for table in (*CHANGED, *NEVER)),
        *(
            f"GRANT UPDATE ({columns}) ON {table} TO {{role}};"
            for table, columns in CHANGED.items()
        ),
    )
    op.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    _on_database("REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC")
    op.execute(
        """
        CREATE FUNCTION refuse_new_terms() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the terms of a payment stand once it is exchanged'
                USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER payments_terms_stand "
        "BEFORE UPDATE OF payout_minor, rate, mid_rate, markup_basis_points ON payments "
        "FOR EACH ROW WHEN (OLD.state NOT IN ('COLLECTING', 'FUNDED') "
        f"AND (OLD.{TERMS.format('OLD')}) IS DISTINCT FROM (NEW.{TERMS.format('NEW')})) "
        "EXECUTE FUNCTION refuse_new_terms()"
    )


def downgrade() -> None:
    """Takes the change back."""
    op.execute("DROP TRIGGER payments_terms_stand ON payments")
    op.execute("DROP FUNCTION refuse_new_terms()")
    _on_database("GRANT TEMPORARY ON DATABASE %I TO PUBLIC")
    _for_application(
        "GRANT INSERT ON merchants TO {role};",
        *(f"GRANT UPDATE ON {table} TO {{role}};" for table in (*CHANGED, *NEVER)),
    )


def _for_application(*statements: str) -> None:
    granted = " ".join(statements).format(role=APPLICATION_ROLE)
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                {granted}
            END IF;
        END $$
        """
    )


def _on_database(statement: str) -> None:
    op.execute(f"DO $$ BEGIN EXECUTE format('{statement}', current_database()); END $$")
