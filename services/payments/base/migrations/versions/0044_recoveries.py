"""Recoveries of an older database, and their payments, so that a recovery survives its process."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0044"
down_revision = "0043"

APPLICATION_ROLE = "caravel_app"
CHANGED = "listed_at, state, ended_at, failure, explained"


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "recoveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        *_words("credential_id", "address", "request_id"),
        sa.Column(
            "started_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("now()"),
        ),
        sa.Column("listed_at", sa.DateTime(timezone=True)),
        sa.Column("state", sa.Text(), nullable=False, server_default=sa.text("'RUNNING'")),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        *_words("failure"),
        sa.Column("explained", JSONB()),
        sa.PrimaryKeyConstraint("id", name="recoveries_pkey"),
        sa.CheckConstraint(
            "state IN ('RUNNING', 'ACCEPTED', 'UNDECIDED', 'FAILED')", name="recoveries_state_check"
        ),
        sa.CheckConstraint("(state = 'RUNNING') = (ended_at IS NULL)", name="recoveries_end_check"),
    )
    op.create_index(
        "recoveries_running_idx",
        "recoveries",
        ["state"],
        unique=True,
        postgresql_where=sa.text("state = 'RUNNING'"),
    )
    op.create_table(
        "recovered_payments",
        sa.Column("recovery_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("stories", JSONB(), nullable=False),
        *_words("fate"),
        sa.PrimaryKeyConstraint("recovery_id", "name", name="recovered_payments_pkey"),
        sa.ForeignKeyConstraint(
            ["recovery_id"], ["recoveries.id"], name="recovered_payments_recovery_id_fkey"
        ),
        sa.CheckConstraint(
            "fate IN ('', 'GOES_ON', 'HELD', 'MADE_AGAIN', 'NOT_HELD', 'UNKNOWN')",
            name="recovered_payments_fate_check",
        ),
    )
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT SELECT, INSERT, UPDATE ({CHANGED}) ON recoveries TO {APPLICATION_ROLE};
                GRANT SELECT, INSERT, UPDATE (stories, fate)
                   ON recovered_payments TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_table("recovered_payments")
    op.drop_table("recoveries")


def _words(*names: str) -> "list[sa.Column[str]]":
    return [
        sa.Column(name, sa.Text(), nullable=False, server_default=sa.text("''")) for name in names
    ]
