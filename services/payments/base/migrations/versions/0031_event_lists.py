"""How far the lists of events that providers keep are read."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"

APPLICATION_ROLE = "caravel_app"


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "event_lists",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("read_until", sa.DateTime(timezone=True)),
        sa.Column("page", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("newest_at", sa.DateTime(timezone=True)),
        sa.Column(
            "due_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")
        ),
        sa.Column("lease_token", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("provider", name="event_lists_pkey"),
    )
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT SELECT, INSERT,
                      UPDATE (read_until, page, newest_at, due_at, lease_token)
                   ON event_lists TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_table("event_lists")
