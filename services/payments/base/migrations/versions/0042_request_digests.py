"""The digests of a payment's idempotency key and of the request under it, which go to its onramp so
that a database that has lost the payment can be recovered."""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"


def upgrade() -> None:
    """Applies the change."""
    op.add_column("payments", sa.Column("key_digest", sa.Text()))
    op.add_column("payments", sa.Column("request_digest", sa.Text()))


def downgrade() -> None:
    """Takes the change back."""
    op.drop_column("payments", "request_digest")
    op.drop_column("payments", "key_digest")
