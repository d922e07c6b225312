"""The amount of a payment that was asked for: what the payer pays, or what the recipient gets."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"

APPLICATION_ROLE = "caravel_app"
TRIGGER = "payments_terms_stand"
BEFORE = ("payout_minor", "rate", "mid_rate", "markup_basis_points")


def upgrade() -> None:
    """Applies the change."""
    # The default is for processes of the version before, while they still create payments.
    op.add_column(
        "payments",
        sa.Column("fixed_side", sa.Text(), nullable=False, server_default=sa.text("'source'")),
    )
    op.create_check_constraint(
        op.f("payments_fixed_side_check"), "payments", "fixed_side IN ('source', 'destination')"
    )
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT UPDATE (fixed_side) ON payments TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )
    _let_stand((*BEFORE, "fixed_side"))


def downgrade() -> None:
    """Takes the change back."""
    _let_stand(BEFORE)
    op.drop_constraint(op.f("payments_fixed_side_check"), "payments")
    op.drop_column("payments", "fixed_side")


def _let_stand(terms: tuple[str, ...]) -> None:
    old, new = (", ".join(f"{row}.{name}" for name in terms) for row in ("OLD", "NEW"))
    op.execute(f"DROP TRIGGER {TRIGGER} ON payments")
    op.execute(
        f"CREATE TRIGGER {TRIGGER} BEFORE UPDATE OF {', '.join(terms)} ON payments "
        "FOR EACH ROW WHEN (OLD.state NOT IN ('COLLECTING', 'FUNDED') "
        f"AND ({old}) IS DISTINCT FROM ({new})) EXECUTE FUNCTION refuse_new_terms()"
    )
