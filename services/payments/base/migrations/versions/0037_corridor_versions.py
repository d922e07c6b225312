"""The corridor files that count, version by version."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"

APPLICATION_ROLE = "caravel_app"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "corridor_versions",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("files", sa.LargeBinary(), nullable=False),
        sa.Column("applied_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("applied_at", INSTANT, nullable=False),
        sa.Column("effective_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="corridor_versions_pkey"),
        sa.CheckConstraint(
            "version = encode(sha256(files), 'hex')", name="corridor_versions_files_check"
        ),
        sa.CheckConstraint("effective_at >= applied_at", name="corridor_versions_effective_check"),
    )
    op.create_index("corridor_versions_version_idx", "corridor_versions", ["version", "sequence"])
    op.execute(
        "CREATE TRIGGER corridor_versions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE "
        "ON corridor_versions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT SELECT, INSERT ON corridor_versions TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_table("corridor_versions")
