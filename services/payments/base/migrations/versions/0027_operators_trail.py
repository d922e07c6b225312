"""The log of operators' actions covers all merchants, keeps the credential, the address and the
request of each, and keeps attempts that were refused."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"

ADDED = ("credential_id", "address", "request_id", "refusal", "provider_answer")
# By the first the log is listed, by the second refusals are counted.
BY_ID, BY_CREDENTIAL = "operator_actions_id_idx", "operator_actions_refused_idx"


def upgrade() -> None:
    """Applies the change."""
    for name in ADDED:
        column = sa.Column(name, sa.Text(), nullable=False, server_default="")
        op.add_column("operator_actions", column)
    op.create_index(BY_ID, "operator_actions", ["id"])
    op.create_index(
        BY_CREDENTIAL,
        "operator_actions",
        ["credential_id", "acted_at"],
        postgresql_where=sa.text("refusal <> ''"),
    )


def downgrade() -> None:
    """Takes the change back."""
    for index in (BY_CREDENTIAL, BY_ID):
        op.drop_index(index, "operator_actions")
    for name in ADDED:
        op.drop_column("operator_actions", name)
