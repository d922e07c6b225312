"""The market's own middle of a payment whose mid rate is that of an override."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"

APPLICATION_ROLE = "caravel_app"
TRIGGER = "payments_terms_stand"
BEFORE = ("payout_minor", "rate", "mid_rate", "markup_basis_points", "fixed_side")


def upgrade() -> None:
    """Applies the change."""
    op.add_column("payments", sa.Column("replaced_mid_rate", sa.Numeric()))
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT UPDATE (replaced_mid_rate) ON payments TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )
    _let_stand((*BEFORE, "replaced_mid_rate"))


def downgrade() -> None:
    """Takes the change back."""
    _let_stand(BEFORE)
    op.drop_column("payments", "replaced_mid_rate")


def _let_stand(terms: tuple[str, ...]) -> None:
    old, new = (", ".join(f"{row}.{name}" for name in terms) for row in ("OLD", "NEW"))
    op.execute(f"DROP TRIGGER {TRIGGER} ON payments")
    op.execute(
        f"CREATE TRIGGER {TRIGGER} BEFORE UPDATE OF {', '.join(terms)} ON payments "
        "FOR EACH ROW WHEN (OLD.state NOT IN ('COLLECTING', 'FUNDED') "
        f"AND ({old}) IS DISTINCT FROM ({new})) EXECUTE FUNCTION refuse_new_terms()"
    )
