"""All that can become of a payment: a wish to cancel, refunds in parts, late funds, steps and
events that are set aside, what is told to merchants, and what operators did."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

APPLICATION_ROLE = "caravel_app"
LATE_FUNDS = '{"grace_seconds": 300, "tolerance_basis_points": 100}'
LIVE = "state IN ('INTENDED', 'SENT', 'ACCEPTED', 'UNKNOWN', 'SUCCEEDED')"
# A payment may be refunded in parts: one at a time, and each succeeded one stays.
LIVE_REFUND = "step = 'refund' AND state IN ('INTENDED', 'SENT', 'ACCEPTED', 'UNKNOWN')"


def upgrade() -> None:
    """Applies the change."""
    _extend_payments()
    _extend_attempts()
    op.add_column(
        "idempotency_keys",
        sa.Column(
            "operation", sa.Text(), server_default=sa.text("'CreatePayment'"), nullable=False
        ),
    )
    _extend_inbox()
    _create_outbox()
    _create_operator_actions()
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT SELECT, INSERT, UPDATE ON webhook_endpoints, outbox TO {APPLICATION_ROLE};
                GRANT SELECT, INSERT ON operator_actions TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_table("operator_actions")
    op.drop_table("outbox")
    op.drop_table("webhook_endpoints")
    op.drop_index("webhook_inbox_set_aside_idx", table_name="webhook_inbox")
    op.drop_column("webhook_inbox", "set_aside_at")
    op.drop_column("webhook_inbox", "last_error")
    op.drop_column("webhook_inbox", "failures")
    op.drop_column("idempotency_keys", "operation")
    op.drop_index("attempts_one_live_refund_idx", table_name="attempts")
    op.drop_index("attempts_one_live_idx", table_name="attempts")
    op.create_index(
        "attempts_one_live_idx",
        "attempts",
        ["merchant_id", "payment_id", "step"],
        unique=True,
        postgresql_where=sa.text(LIVE),
    )
    op.drop_index("payments_set_aside_idx", table_name="payments")
    op.drop_index("payments_failing_idx", table_name="payments")
    op.drop_constraint(op.f("payments_refunded_check"), "payments")
    for name in (
        "last_error",
        "step_failures",
        "late_funds",
        "quote_expires_at",
        "refunded_minor",
        "cancel_requested_at",
    ):
        op.drop_column("payments", name)


def _extend_payments() -> None:
    op.add_column("payments", sa.Column("cancel_requested_at", sa.DateTime(timezone=True)))
    op.add_column(
        "payments",
        sa.Column("refunded_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.execute("UPDATE payments SET refunded_minor = amount_minor WHERE state = 'REFUNDED'")
    op.create_check_constraint(
        op.f("payments_refunded_check"), "payments", "refunded_minor BETWEEN 0 AND amount_minor"
    )
    op.add_column("payments", sa.Column("quote_expires_at", sa.DateTime(timezone=True)))
    op.execute(
        "UPDATE payments p SET quote_expires_at = q.expires_at FROM quotes q "
        "WHERE q.merchant_id = p.merchant_id AND q.id = p.quote_id"
    )
    op.alter_column("payments", "quote_expires_at", nullable=False)
    op.add_column(
        "payments",
        sa.Column(
            "late_funds",
            postgresql.JSONB(),
            server_default=sa.text(f"'{LATE_FUNDS}'"),
            nullable=False,
        ),
    )
    op.alter_column("payments", "late_funds", server_default=None)
    op.add_column(
        "payments",
        sa.Column("step_failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column("payments", sa.Column("last_error", sa.Text()))
    op.create_index(
        "payments_failing_idx",
        "payments",
        ["due_at"],
        postgresql_where=sa.text("step_failures > 0 AND hold_reason IS NULL"),
    )
    op.create_index(
        "payments_set_aside_idx",
        "payments",
        ["merchant_id"],
        postgresql_where=sa.text("hold_reason = 'step_failed'"),
    )


def _extend_attempts() -> None:
    op.drop_index("attempts_one_live_idx", table_name="attempts")
    for name, where in (
        ("attempts_one_live_idx", f"step <> 'refund' AND {LIVE}"),
        ("attempts_one_live_refund_idx", LIVE_REFUND),
    ):
        op.create_index(
            name,
            "attempts",
            ["merchant_id", "payment_id", "step"],
            unique=True,
            postgresql_where=sa.text(where),
        )


def _extend_inbox() -> None:
    op.add_column(
        "webhook_inbox",
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column("webhook_inbox", sa.Column("last_error", sa.Text()))
    op.add_column("webhook_inbox", sa.Column("set_aside_at", sa.DateTime(timezone=True)))
    op.create_index(
        "webhook_inbox_set_aside_idx",
        "webhook_inbox",
        ["merchant_id"],
        postgresql_where=sa.text("state = 'SET_ASIDE'"),
    )


def _create_outbox() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("disabled_at", sa.DateTime(timezone=True)),
        sa.Column("disabled_reason", sa.Text()),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name="webhook_endpoints_merchant_id_fkey"
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="webhook_endpoints_pkey"),
    )
    op.create_table(
        "outbox",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'PENDING'"), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.Column(
            "due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("lease_token", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("delivered_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint(
            "merchant_id", "payment_id", "sequence", "endpoint_id", name="outbox_pkey"
        ),
    )
    # Claimed endpoint by endpoint, so that one cannot stand in the way of another.
    op.create_index(
        "outbox_pending_idx",
        "outbox",
        ["merchant_id", "endpoint_id", "due_at"],
        postgresql_where=sa.text("state = 'PENDING'"),
    )
    op.create_index(
        "outbox_set_aside_idx",
        "outbox",
        ["merchant_id"],
        postgresql_where=sa.text("state = 'SET_ASIDE'"),
    )


def _create_operator_actions() -> None:
    op.create_table(
        "operator_actions",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column(
            "acted_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="operator_actions_pkey"),
    )
    op.execute(
        "CREATE TRIGGER operator_actions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE "
        "ON operator_actions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
