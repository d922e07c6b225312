"""Adjustments: postings that two operators have agreed on, each bound to its approved proposal, so
that `verify` knows one from a posting that somebody has added."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"

APPLICATION_ROLE = "caravel_app"
TABLE = "adjustments"


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        TABLE,
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        *_texts("transaction_id", "debit", "credit", "currency"),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        *_texts("evidence"),
        sa.Column("proposal_id", sa.Uuid(), nullable=False),
        sa.Column(
            "proposal_state", sa.Text(), nullable=False, server_default=sa.text("'APPROVED'")
        ),
        sa.Column(
            "proposal_verb", sa.Text(), nullable=False, server_default=sa.text("'ADJUST_PAYMENT'")
        ),
        sa.Column(
            "made_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")
        ),
        sa.PrimaryKeyConstraint("merchant_id", "payment_id", "sequence", name="adjustments_pkey"),
        sa.UniqueConstraint("proposal_id", name="adjustments_proposal_id_key"),
        sa.ForeignKeyConstraint(
            ["proposal_id", "proposal_state", "proposal_verb", "transaction_id"],
            ["proposals.id", "proposals.state", "proposals.verb", "proposals.target"],
            name="adjustments_proposal_id_fkey",
        ),
        sa.CheckConstraint("amount_minor > 0", name="adjustments_positive_check"),
        sa.CheckConstraint("debit <> credit", name="adjustments_two_accounts_check"),
        sa.CheckConstraint(
            "proposal_state = 'APPROVED'", name="adjustments_proposal_approved_check"
        ),
        sa.CheckConstraint(
            "proposal_verb = 'ADJUST_PAYMENT'", name="adjustments_proposal_verb_check"
        ),
    )
    op.create_index(
        "adjustments_once_idx",
        TABLE,
        [
            *("merchant_id", "payment_id", "debit", "credit", "amount_minor"),
            sa.text("md5(evidence)"),
        ],
        unique=True,
    )
    op.execute(
        f"CREATE TRIGGER {TABLE}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {TABLE} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT SELECT, INSERT ON {TABLE} TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_table(TABLE)


def _texts(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]
