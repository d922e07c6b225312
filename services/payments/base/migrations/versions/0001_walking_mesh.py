"""The first schema: merchants, quotes, payments with their attempts, events and postings, the
idempotency keys and the webhook inbox. The merchant `sandbox` owns what comes without a key."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "balances",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=False),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("merchant_id", "account", "currency", name="balances_pkey"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("merchant_id", "key", name="idempotency_keys_pkey"),
    )
    op.create_table(
        "merchants",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name="merchants_pkey"),
    )
    op.create_table(
        "payment_events",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=True),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(), nullable=False),
        sa.Column("trace_id", sa.Text(), nullable=False),
        sa.Column(
            "occurred_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint(
            "merchant_id", "payment_id", "sequence", name="payment_events_pkey"
        ),
    )
    op.create_table(
        "postings",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("debit", sa.Text(), nullable=False),
        sa.Column("credit", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column(
            "posted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.CheckConstraint("amount_minor > 0", name="postings_positive_check"),
        sa.CheckConstraint("debit <> credit", name="postings_two_accounts_check"),
        sa.PrimaryKeyConstraint(
            "merchant_id", "payment_id", "sequence", "position", name="postings_pkey"
        ),
    )
    op.create_table(
        "webhook_inbox",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("merchant_id", sa.Text(), nullable=True),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=True),
        sa.Column("answer", postgresql.JSONB(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "received_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("provider", "event_id", name="webhook_inbox_pkey"),
    )
    op.create_index(
        "webhook_inbox_pending_idx",
        "webhook_inbox",
        ["merchant_id", "payment_id"],
        unique=False,
        postgresql_where=sa.text("state = 'PENDING'"),
    )
    op.create_table(
        "quotes",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("corridor_id", sa.Text(), nullable=False),
        sa.Column("terms", postgresql.JSONB(), nullable=False),
        sa.Column("trail", postgresql.JSONB(), nullable=False),
        sa.Column("fee_schedule_version", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchants.id"], name="quotes_merchant_id_fkey"),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="quotes_pkey"),
    )
    op.create_table(
        "payments",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("quote_id", sa.Uuid(), nullable=False),
        sa.Column("corridor_id", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("fees", postgresql.JSONB(), nullable=False),
        sa.Column("destination_currency", sa.Text(), nullable=False),
        sa.Column("payout_minor", sa.BigInteger(), nullable=False),
        sa.Column("rate", sa.Numeric(), nullable=False),
        sa.Column("mid_rate", sa.Numeric(), nullable=False),
        sa.Column("markup_basis_points", sa.SmallInteger(), nullable=False),
        sa.Column("onramp", sa.Text(), nullable=False),
        sa.Column("offramp", sa.Text(), nullable=False),
        sa.Column("recipient", postgresql.JSONB(), nullable=False),
        sa.Column("payment_method", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("trace_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hold_reason", sa.Text(), nullable=True),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("failure_message", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("nudged", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("amount_minor > 0 AND payout_minor > 0", name="payments_positive_check"),
        sa.CheckConstraint(
            "net_minor = amount_minor - fee_minor AND fee_minor >= 0", name="payments_sum_check"
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "quote_id"],
            ["quotes.merchant_id", "quotes.id"],
            name="payments_merchant_id_quote_id_fkey",
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="payments_pkey"),
    )
    op.create_index(
        "payments_due_at_idx",
        "payments",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("payments_id_idx", "payments", ["id"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("provider_reference", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("inconclusive_count", sa.Integer(), nullable=False),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("failure_message", sa.Text(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id", "payment_id"],
            ["payments.merchant_id", "payments.id"],
            name="attempts_merchant_id_payment_id_fkey",
        ),
        sa.PrimaryKeyConstraint(
            "merchant_id", "payment_id", "step", "number", name="attempts_pkey"
        ),
    )
    op.create_index(
        "attempts_one_live_idx",
        "attempts",
        ["merchant_id", "payment_id", "step"],
        unique=True,
        postgresql_where=sa.text(
            "state IN ('INTENDED', 'SENT', 'ACCEPTED', 'UNKNOWN', 'SUCCEEDED')"
        ),
    )

    op.execute("INSERT INTO merchants (id, display_name) VALUES ('sandbox', 'Sandbox')")


def downgrade() -> None:
    """Takes the change back."""
    op.drop_index(
        "attempts_one_live_idx",
        table_name="attempts",
        postgresql_where=sa.text(
            "state IN ('INTENDED', 'SENT', 'ACCEPTED', 'UNKNOWN', 'SUCCEEDED')"
        ),
    )
    op.drop_table("attempts")
    op.drop_index("payments_id_idx", table_name="payments")
    op.drop_index(
        "payments_due_at_idx", table_name="payments", postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.drop_table("payments")
    op.drop_table("quotes")
    op.drop_index(
        "webhook_inbox_pending_idx",
        table_name="webhook_inbox",
        postgresql_where=sa.text("state = 'PENDING'"),
    )
    op.drop_table("webhook_inbox")
    op.drop_table("postings")
    op.drop_table("payment_events")
    op.drop_table("merchants")
    op.drop_table("idempotency_keys")
    op.drop_table("balances")
