"""Merchants may be added and disabled, and have keys; operators have keys too."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0023"
down_revision = "0022"

APPLICATION_ROLE = "caravel_app"
KEYS = ("api_keys", "operator_keys")
CHANGED = "expires_at, revoked_at, rolled_to, last_used_at, version"


def upgrade() -> None:
    """Applies the change."""
    op.add_column("merchants", sa.Column("disabled_at", sa.DateTime(timezone=True)))
    op.add_column("merchants", _version())
    op.create_index("merchants_version_idx", "merchants", ["version"])
    op.create_table(
        "api_keys",
        sa.Column("merchant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        *_key_columns(),
        sa.PrimaryKeyConstraint("merchant_id", "id", name="api_keys_pkey"),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name="api_keys_merchant_id_fkey"
        ),
    )
    op.create_table(
        "operator_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        *_key_columns(),
        sa.PrimaryKeyConstraint("id", name="operator_keys_pkey"),
    )
    for table in KEYS:
        op.create_index(f"{table}_version_idx", table, ["version"])
    op.create_table(
        "credential_version",
        sa.Column("id", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="credential_version_pkey"),
        sa.CheckConstraint("id = 1", name="credential_version_single_check"),
    )
    op.execute("INSERT INTO credential_version (id, version) VALUES (1, 1)")
    op.execute("UPDATE merchants SET version = 1")
    _for_application(
        "GRANT INSERT, UPDATE (disabled_at, version) ON merchants TO {role};",
        *(f"GRANT SELECT, INSERT, UPDATE ({CHANGED}) ON {table} TO {{role}};" for table in KEYS),
        "GRANT SELECT, UPDATE (version) ON credential_version TO {role};",
    )


def downgrade() -> None:
    """Takes the change back."""
    _for_application("REVOKE INSERT, UPDATE (disabled_at, version) ON merchants FROM {role};")
    for table in ("credential_version", *KEYS):
        op.drop_table(table)
    op.drop_index("merchants_version_idx", "merchants")
    op.drop_column("merchants", "version")
    op.drop_column("merchants", "disabled_at")


def _version() -> "sa.Column[Any]":
    return sa.Column("version", sa.BigInteger(), nullable=False, server_default=sa.text("0"))


def _key_columns() -> "list[sa.Column[Any]]":
    return [
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", JSONB(), nullable=False),
        sa.Column("addresses", JSONB(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            nullable=False,
            server_default=sa.text("now()"),
        ),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.Column("rolled_to", sa.Uuid()),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        _version(),
    ]


def _for_application(*statements: str) -> None:
    granted = " ".join(statements).format(role=APPLICATION_ROLE)
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                {granted}
            END IF;
        END $$
        """
    )
