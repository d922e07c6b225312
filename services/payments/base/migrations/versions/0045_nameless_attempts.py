"""The index of attempts that are over and have no id of their provider, so that a list of digests
can name the newest. It is made beside the work, and made again where a broken try has left it."""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"

NAME, TABLE = "attempts_nameless_idx", "attempts"


def upgrade() -> None:
    """Applies the change."""
    with op.get_context().autocommit_block():
        op.drop_index(NAME, TABLE, postgresql_concurrently=True, if_exists=True)
        op.create_index(
            NAME,
            TABLE,
            ["provider", "created_at"],
            postgresql_concurrently=True,
            postgresql_where=sa.text("NOT is_live AND provider_reference = ''"),
        )


def downgrade() -> None:
    """Takes the change back."""
    with op.get_context().autocommit_block():
        op.drop_index(NAME, TABLE, postgresql_concurrently=True, if_exists=True)
