"""The indexes by which operators find payments and all that belongs to one. They are made beside
the work, which goes on meanwhile; one that a broken try has left behind is made again."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"

UNEVEN = (
    "failure_code IS NOT NULL OR cancel_requested_at IS NOT NULL OR hold_reason IS NOT NULL "
    "OR deadline_at IS NOT NULL OR related > 0"
)
NEWEST, EVENTS = "payment_events_occurred_idx", "payment_events"
# By name: the table, the columns, and the condition where there is one.
INDEXES = {
    "payments_corridor_idx": ("payments", ("corridor_id", "id"), None),
    "payments_onramp_idx": ("payments", ("onramp", "id"), None),
    "payments_offramp_idx": ("payments", ("offramp", "id"), None),
    "payments_amount_idx": ("payments", ("amount_minor", "id"), None),
    "payments_reference_idx": ("payments", ("reference", "id"), "reference <> ''"),
    "payments_uneven_idx": ("payments", ("id",), UNEVEN),
    "quotes_payment_idx": ("quotes", ("payment_id",), "payment_id IS NOT NULL"),
    "attempts_provider_reference_idx": (
        "attempts",
        ("provider_reference",),
        "provider_reference <> ''",
    ),
    "disputes_id_idx": ("disputes", ("id",), None),
    "disputes_reference_idx": ("disputes", ("provider_reference",), None),
    "webhook_inbox_payment_idx": ("webhook_inbox", ("payment_id",), "payment_id IS NOT NULL"),
    "operator_actions_subject_idx": ("operator_actions", ("subject", "id"), None),
    "proposals_target_idx": ("proposals", ("target", "id"), None),
}


def upgrade() -> None:
    """Applies the change."""
    with op.get_context().autocommit_block():
        for name, (table, columns, condition) in INDEXES.items():
            _make(name, table, columns, condition)
        _make("payments_held_idx", "payments", ("hold_reason", "id"), "hold_reason IS NOT NULL")
        op.drop_index(NEWEST, EVENTS, postgresql_concurrently=True, if_exists=True)
        op.create_index(
            NEWEST,
            EVENTS,
            ["occurred_at"],
            postgresql_concurrently=True,
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": True},
        )


def downgrade() -> None:
    """Takes the change back."""
    with op.get_context().autocommit_block():
        for name, (table, _, _) in INDEXES.items():
            op.drop_index(name, table, postgresql_concurrently=True, if_exists=True)
        op.drop_index(NEWEST, EVENTS, postgresql_concurrently=True, if_exists=True)
        _make("payments_held_idx", "payments", ("hold_reason",), "hold_reason IS NOT NULL")


def _make(name: str, table: str, columns: tuple[str, ...], condition: str | None) -> None:
    op.drop_index(name, table, postgresql_concurrently=True, if_exists=True)
    op.create_index(
        name,
        table,
        list(columns),
        postgresql_concurrently=True,
        postgresql_where=sa.text(condition) if condition else None,
    )
