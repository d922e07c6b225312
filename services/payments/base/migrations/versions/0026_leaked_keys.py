"""A key that somebody reports as found is revoked, and keeps where it was found."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"

APPLICATION_ROLE = "caravel_app"
KEYS = ("api_keys", "operator_keys")


def upgrade() -> None:
    """Applies the change."""
    for table in KEYS:
        op.add_column(table, sa.Column("leak_place", sa.Text()))
    grants = " ".join(f"GRANT UPDATE (leak_place) ON {table} TO {{0}};" for table in KEYS)
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                {grants.format(APPLICATION_ROLE)}
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    for table in KEYS:
        op.drop_column(table, "leak_place")
