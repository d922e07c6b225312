"""Claims against collections are rows of their own, found by the collection that they name."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

APPLICATION_ROLE = "caravel_app"
MOVED = "amount_minor, reason, respond_by, stated_at, status, stops, updated_at, withdrawn_minor"


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "disputes",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("provider_reference", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger()),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("withdrawn_minor", sa.BigInteger(), nullable=False),
        sa.Column("respond_by", sa.DateTime(timezone=True)),
        sa.Column("stated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stops", sa.Boolean(), nullable=False),
        _now("created_at"),
        _now("updated_at"),
        sa.PrimaryKeyConstraint("merchant_id", "payment_id", "number", name="disputes_pkey"),
        sa.ForeignKeyConstraint(
            ["merchant_id", "payment_id"],
            ["payments.merchant_id", "payments.id"],
            name="disputes_merchant_id_fkey",
        ),
        sa.CheckConstraint("withdrawn_minor >= 0", name="disputes_withdrawn_check"),
    )
    op.create_index(
        "disputes_provider_reference_idx",
        "disputes",
        ["merchant_id", "payment_id", "provider", "provider_reference"],
        unique=True,
    )
    op.create_index(
        "disputes_open_idx",
        "disputes",
        ["respond_by"],
        postgresql_where=sa.text("status IN ('NEEDS_RESPONSE', 'UNDER_REVIEW')"),
    )
    op.create_index(
        "payments_collection_reference_idx",
        "payments",
        ["collection_reference"],
        postgresql_where=sa.text("collection_reference <> ''"),
    )
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT SELECT, INSERT ON disputes TO {APPLICATION_ROLE};
                GRANT UPDATE ({MOVED}) ON disputes TO {APPLICATION_ROLE};
                GRANT UPDATE (payment_id) ON webhook_inbox TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                REVOKE UPDATE (payment_id) ON webhook_inbox FROM {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )
    op.drop_index("payments_collection_reference_idx", "payments")
    op.drop_table("disputes")


def _now(name: str) -> "sa.Column[object]":
    return sa.Column(
        name, sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")
    )
