"""The mark by which a restored database is known to be older than what has happened."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"

APPLICATION_ROLE = "caravel_app"
CHANGED = "mark, compared_at, finding, found_at, accepted_at, accepted_by, accept_reason"


def upgrade() -> None:
    """Applies the change."""
    now, nothing = sa.text("now()"), sa.text("''")
    op.create_table(
        "database_mark",
        sa.Column("id", sa.SmallInteger(), nullable=False, server_default=sa.text("1")),
        sa.Column("mark", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("compared_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.Column("finding", sa.Text(), nullable=False, server_default=nothing),
        sa.Column("found_at", sa.DateTime(timezone=True)),
        sa.Column("accepted_at", sa.DateTime(timezone=True)),
        sa.Column("accepted_by", sa.Text(), nullable=False, server_default=nothing),
        sa.Column("accept_reason", sa.Text(), nullable=False, server_default=nothing),
        sa.PrimaryKeyConstraint("id", name="database_mark_pkey"),
        sa.CheckConstraint("id = 1", name="database_mark_one_check"),
    )
    op.execute("INSERT INTO database_mark DEFAULT VALUES")
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT SELECT, UPDATE ({CHANGED}) ON database_mark TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_table("database_mark")
