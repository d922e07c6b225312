"""What a payment's way costs the database: an attempt says itself whether it is live, so that its
states change without a change of an index; rows that change have room for it on their page; and
no row of `merchants` and `quotes` is locked for a payment: its quote is written with it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

LIVE = "state IN ('INTENDED', 'SENT', 'ACCEPTED', 'UNKNOWN', 'SUCCEEDED')"
LIVE_REFUND = "step = 'refund' AND state IN ('INTENDED', 'SENT', 'ACCEPTED', 'UNKNOWN')"
IS_LIVE = (
    "state IN ('INTENDED', 'SENT', 'ACCEPTED', 'UNKNOWN') "
    "OR (step <> 'refund' AND state = 'SUCCEEDED')"
)
CHANGING = ("payments", "attempts")
KEY = ["merchant_id", "payment_id", "step"]


def upgrade() -> None:
    """Applies the change."""
    op.drop_index("attempts_one_live_refund_idx", table_name="attempts")
    op.drop_index("attempts_one_live_idx", table_name="attempts")
    op.add_column(
        "attempts",
        sa.Column("is_live", sa.Boolean(), sa.Computed(IS_LIVE, persisted=True), nullable=False),
    )
    op.create_index(
        "attempts_one_live_idx",
        "attempts",
        KEY,
        unique=True,
        postgresql_where=sa.text("is_live"),
    )
    for table in CHANGING:
        op.execute(f"ALTER TABLE {table} SET (fillfactor = 70)")
    op.drop_constraint("payments_merchant_id_quote_id_fkey", "payments", type_="foreignkey")
    op.drop_constraint("quotes_merchant_id_fkey", "quotes", type_="foreignkey")


def downgrade() -> None:
    """Takes the change back."""
    op.create_foreign_key("quotes_merchant_id_fkey", "quotes", "merchants", ["merchant_id"], ["id"])
    op.create_foreign_key(
        "payments_merchant_id_quote_id_fkey",
        "payments",
        "quotes",
        ["merchant_id", "quote_id"],
        ["merchant_id", "id"],
    )
    for table in CHANGING:
        op.execute(f"ALTER TABLE {table} RESET (fillfactor)")
    op.drop_index("attempts_one_live_idx", table_name="attempts")
    op.drop_column("attempts", "is_live")
    for name, where in (
        ("attempts_one_live_idx", f"step <> 'refund' AND {LIVE}"),
        ("attempts_one_live_refund_idx", LIVE_REFUND),
    ):
        op.create_index(name, "attempts", KEY, unique=True, postgresql_where=sa.text(where))
