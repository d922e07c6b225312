"""Rows that cannot be read are listed for operators, whoever has met them."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

APPLICATION_ROLE = "caravel_app"
CHANGED = "column_name, error, found_at, state"


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "unreadable_rows",
        sa.Column("table_name", sa.Text(), primary_key=True),
        sa.Column("row_key", sa.Text(), primary_key=True),
        sa.Column("merchant_id", sa.Text()),
        sa.Column("payment_id", sa.Uuid()),
        sa.Column("column_name", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, server_default=sa.text("'OPEN'")),
        sa.Column(
            "found_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("now()"),
        ),
    )
    op.create_index(
        "unreadable_rows_open_idx",
        "unreadable_rows",
        ["merchant_id"],
        postgresql_where=sa.text("state = 'OPEN'"),
    )
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT SELECT, INSERT ON unreadable_rows TO {APPLICATION_ROLE};
                GRANT UPDATE ({CHANGED}) ON unreadable_rows TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_table("unreadable_rows")
