"""Refunds are rows of their own, with the attempts that carry them out. Those from before get one
for each amount that was asked for; a payment that was refunded in part is due at once, for its
worker to state that."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

APPLICATION_ROLE = "caravel_app"
# Known by the provider's word alone, and nobody's refund yet.
UNASKED = "a.state = 'FAILED' AND a.failure_code = 'succeeded_late' AND a.sent_at IS NULL"
BEGUN = """
    'refund_requested', 'payout_failed', 'cancelled_after_collection', 'cancelled_before_payout',
    'collected_after_the_end', 'deadline_passed'
"""


def upgrade() -> None:
    """Applies the change."""
    # The default is for a process of the version before, which does not know the column.
    op.add_column(
        "payments",
        sa.Column("refund_fees", sa.Text(), nullable=False, server_default=sa.text("'returned'")),
    )
    op.create_check_constraint(
        op.f("payments_refund_fees_check"), "payments", "refund_fees IN ('returned', 'kept')"
    )
    op.add_column(
        "payments",
        sa.Column("related", sa.SmallInteger(), nullable=False, server_default=sa.text("0")),
    )
    op.add_column("attempts", sa.Column("refund_number", sa.SmallInteger()))
    op.add_column(
        "outbox",
        sa.Column("position", sa.SmallInteger(), nullable=False, server_default=sa.text("0")),
    )
    op.drop_constraint("outbox_pkey", "outbox")
    op.create_primary_key(
        "outbox_pkey",
        "outbox",
        ["merchant_id", "payment_id", "sequence", "endpoint_id", "position"],
    )
    _create_refunds()
    _record_refunds()
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT SELECT, INSERT ON refunds TO {APPLICATION_ROLE};
                GRANT UPDATE (failure_code, failure_message, provider_reference, status, updated_at)
                   ON refunds TO {APPLICATION_ROLE};
                GRANT UPDATE (refund_fees, related) ON payments TO {APPLICATION_ROLE};
                GRANT UPDATE (refund_number) ON attempts TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_table("refunds")
    op.drop_constraint("outbox_pkey", "outbox")
    op.execute("DELETE FROM outbox WHERE position > 0")
    op.drop_column("outbox", "position")
    op.create_primary_key(
        "outbox_pkey", "outbox", ["merchant_id", "payment_id", "sequence", "endpoint_id"]
    )
    op.drop_column("attempts", "refund_number")
    op.drop_column("payments", "related")
    op.drop_constraint(op.f("payments_refund_fees_check"), "payments")
    op.drop_column("payments", "refund_fees")


def _create_refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("provider_reference", sa.Text(), nullable=False),
        sa.Column("failure_code", sa.Text()),
        sa.Column("failure_message", sa.Text()),
        _instant("created_at"),
        _instant("updated_at"),
        sa.PrimaryKeyConstraint("merchant_id", "payment_id", "number", name="refunds_pkey"),
        sa.ForeignKeyConstraint(
            ["merchant_id", "payment_id"],
            ["payments.merchant_id", "payments.id"],
            name="refunds_merchant_id_fkey",
        ),
        sa.CheckConstraint("amount_minor > 0", name="refunds_positive_check"),
        sa.CheckConstraint(
            "status IN ('PENDING', 'SUCCEEDED', 'FAILED')", name="refunds_status_check"
        ),
    )
    op.create_index("refunds_id_idx", "refunds", ["merchant_id", "id"], unique=True)
    op.create_index(
        "refunds_one_open_idx",
        "refunds",
        ["merchant_id", "payment_id"],
        unique=True,
        postgresql_where=sa.text("status = 'PENDING'"),
    )


def _instant(name: str) -> "sa.Column[object]":
    return sa.Column(
        name, sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")
    )


def _record_refunds() -> None:
    """One refund for each run of attempts at one amount that ends with its success."""
    op.execute(
        f"""
        UPDATE attempts SET refund_number = tried.refund_number
          FROM (SELECT merchant_id, payment_id, number,
                       1 + sum(CASE WHEN before.state = 'SUCCEEDED'
                                      OR before.amount_minor <> before.own_minor
                                    THEN 1 ELSE 0 END)
                           OVER (PARTITION BY merchant_id, payment_id ORDER BY number)
                       AS refund_number
                  FROM (SELECT a.merchant_id, a.payment_id, a.number, a.amount_minor AS own_minor,
                               lag(a.state) OVER run AS state,
                               lag(a.amount_minor) OVER run AS amount_minor
                          FROM attempts a WHERE a.step = 'refund' AND NOT coalesce({UNASKED}, false)
                        WINDOW run AS (PARTITION BY a.merchant_id, a.payment_id ORDER BY a.number)
                       ) AS before) AS tried
         WHERE attempts.merchant_id = tried.merchant_id
           AND attempts.payment_id = tried.payment_id
           AND attempts.number = tried.number AND attempts.step = 'refund'
        """
    )
    op.execute(
        f"""
        INSERT INTO refunds (merchant_id, payment_id, number, id, amount_minor, currency, reason,
                             requested_by, provider, status, provider_reference, failure_code,
                             failure_message, created_at, updated_at)
        SELECT t.merchant_id, t.payment_id, t.refund_number, gen_random_uuid(), t.amount_minor,
               t.currency, coalesce(e.cause, 'refund_requested'),
               CASE WHEN e.actor = 'merchant' OR e.actor LIKE 'operator:%' THEN e.actor
                    ELSE 'worker' END,
               t.provider,
               CASE WHEN t.state = 'SUCCEEDED' AND t.moved_minor IS DISTINCT FROM 0
                    THEN 'SUCCEEDED'
                    WHEN t.state <> 'SUCCEEDED' AND t.is_last AND p.state = 'REFUNDING'
                         AND p.hold_reason IS DISTINCT FROM 'refund_failed' THEN 'PENDING'
                    ELSE 'FAILED' END,
               t.provider_reference,
               CASE WHEN t.state = 'SUCCEEDED' AND t.moved_minor = 0 THEN 'refund_reversed'
                    WHEN t.state = 'FAILED' THEN t.failure_code END,
               CASE WHEN t.state = 'SUCCEEDED' AND t.moved_minor = 0
                    THEN 'it did not reach the payer after all'
                    WHEN t.state = 'FAILED' THEN t.failure_message END,
               t.first_at, t.last_at
          FROM (SELECT DISTINCT ON (merchant_id, payment_id, refund_number)
                       merchant_id, payment_id, refund_number, amount_minor, currency, provider,
                       state, provider_reference, failure_code, failure_message, moved_minor,
                       min(created_at) OVER (PARTITION BY merchant_id, payment_id, refund_number)
                       AS first_at,
                       max(updated_at) OVER (PARTITION BY merchant_id, payment_id, refund_number)
                       AS last_at,
                       max(refund_number) OVER (PARTITION BY merchant_id, payment_id)
                       = refund_number AS is_last
                  FROM attempts WHERE refund_number IS NOT NULL
                 ORDER BY merchant_id, payment_id, refund_number, state = 'SUCCEEDED' DESC,
                          number DESC) AS t
          JOIN payments p ON p.merchant_id = t.merchant_id AND p.id = t.payment_id
          LEFT JOIN LATERAL (
               SELECT cause, actor FROM payment_events v
                WHERE v.merchant_id = t.merchant_id AND v.payment_id = t.payment_id
                  AND v.cause IN ({BEGUN}) AND v.occurred_at <= t.first_at
                ORDER BY v.sequence DESC LIMIT 1) AS e ON true
        """
    )
    op.execute(
        f"""
        INSERT INTO refunds (merchant_id, payment_id, number, id, amount_minor, currency, reason,
                             requested_by, provider, status, provider_reference, created_at,
                             updated_at)
        SELECT p.merchant_id, p.id, 1, gen_random_uuid(), p.amount_minor - p.refunded_minor, 'USD',
               coalesce(e.cause, 'refund_requested'),
               CASE WHEN e.actor = 'merchant' OR e.actor LIKE 'operator:%' THEN e.actor
                    ELSE 'worker' END,
               p.onramp, 'PENDING', '', p.updated_at, p.updated_at
          FROM payments p
          LEFT JOIN LATERAL (
               SELECT cause, actor FROM payment_events v
                WHERE v.merchant_id = p.merchant_id AND v.payment_id = p.id
                  AND v.cause IN ({BEGUN})
                ORDER BY v.sequence DESC LIMIT 1) AS e ON true
         WHERE p.state = 'REFUNDING' AND p.refunded_minor < p.amount_minor AND NOT EXISTS (
               SELECT FROM refunds f WHERE f.merchant_id = p.merchant_id AND f.payment_id = p.id)
        """
    )
    op.execute(
        """
        UPDATE payments p SET related = f.refunds
          FROM (SELECT merchant_id, payment_id, count(*) AS refunds FROM refunds GROUP BY 1, 2) AS f
         WHERE f.merchant_id = p.merchant_id AND f.payment_id = p.id
        """
    )
    op.execute(
        """
        UPDATE payments p
           SET due_at = now(),
               deadline_at = CASE WHEN hold_reason IS NOT NULL THEN deadline_at END,
               waiting_since = CASE WHEN hold_reason IS NOT NULL THEN waiting_since END
         WHERE state = 'REFUNDING' AND refunded_minor > 0
        """
    )
