"""Pauses of providers and corridors, with who made and ended each, when and why. An end stands."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"

APPLICATION_ROLE = "caravel_app"
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "pauses",
        sa.Column("id", sa.Uuid(), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("kind", "name", "under_way", "reason", "paused_by")
        ),
        sa.Column("starts_at", _INSTANT, nullable=False),
        sa.Column("ends_at", _INSTANT),
        sa.Column("ended_at", _INSTANT),
        sa.Column("ended_by", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("end_reason", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.PrimaryKeyConstraint("id", name="pauses_pkey"),
        sa.CheckConstraint("kind IN ('PROVIDER', 'CORRIDOR')", name="pauses_kind_check"),
        sa.CheckConstraint("under_way IN ('FINISH', 'WAIT')", name="pauses_under_way_check"),
        sa.CheckConstraint(
            "under_way = 'FINISH' OR ends_at IS NOT NULL", name="pauses_wait_ends_check"
        ),
        sa.CheckConstraint("reason <> ''", name="pauses_reason_check"),
        sa.CheckConstraint("starts_at < ends_at", name="pauses_times_check"),
    )
    op.create_index(
        "pauses_open_idx",
        "pauses",
        ["kind", "name", "under_way"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.execute(
        "CREATE TRIGGER pauses_ends_stand BEFORE UPDATE OF ended_at, ended_by, end_reason "
        "ON pauses FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL) "
        "EXECUTE FUNCTION refuse_new_decision()"
    )
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT SELECT, INSERT, UPDATE (end_reason, ended_at, ended_by)
                   ON pauses TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_table("pauses")
