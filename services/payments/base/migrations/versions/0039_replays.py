"""The index by which an endpoint's events are sent again from the time of their last try on. It has
only those that were tried to their end, so that an event is added to it once, when it has ended."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"

NAME, TABLE = "outbox_ended_idx", "outbox"


def upgrade() -> None:
    """Applies the change."""
    with op.get_context().autocommit_block():
        # One that a broken try has left behind.
        op.drop_index(NAME, TABLE, postgresql_concurrently=True, if_exists=True)
        op.create_index(
            NAME,
            TABLE,
            ["endpoint_id", "due_at"],
            postgresql_concurrently=True,
            postgresql_where=sa.text("state IN ('DELIVERED', 'SET_ASIDE')"),
        )


def downgrade() -> None:
    """Takes the change back."""
    with op.get_context().autocommit_block():
        op.drop_index(NAME, TABLE, postgresql_concurrently=True, if_exists=True)
