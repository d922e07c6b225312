"""A merchant names the operator who created it, and the idempotency key of that request."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"

BY_KEY = "merchants_creation_idx"


def upgrade() -> None:
    """Applies the change."""
    op.add_column(
        "merchants", sa.Column("created_by", sa.Text(), nullable=False, server_default="")
    )
    op.add_column("merchants", sa.Column("creation_key", sa.Text()))
    op.create_index(BY_KEY, "merchants", ["created_by", "creation_key"], unique=True)


def downgrade() -> None:
    """Takes the change back."""
    op.drop_index(BY_KEY, "merchants")
    for name in ("creation_key", "created_by"):
        op.drop_column("merchants", name)
