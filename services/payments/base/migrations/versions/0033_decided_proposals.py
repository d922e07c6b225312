"""A decision about a proposal and the end of an override stand, whoever writes; and an override
belongs to a proposal of its own verb and corridor."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"

FOREIGN_KEY = "rate_overrides_proposal_id_fkey"
# The name of the trigger, the columns that stand, and when they do.
STANDING = {
    "proposals": (
        "proposals_decisions_stand",
        "state, approver, approver_credential, approver_person, decided_at, note, failure",
        "OLD.state <> 'PROPOSED'",
    ),
    "rate_overrides": (
        "rate_overrides_ends_stand",
        "ended_at, ended_by",
        "OLD.ended_at IS NOT NULL",
    ),
}


def upgrade() -> None:
    """Applies the change."""
    op.execute(
        """
        CREATE FUNCTION refuse_new_decision() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'what was decided in % stands', TG_TABLE_NAME
                USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    for table, (trigger, columns, condition) in STANDING.items():
        op.execute(
            f"CREATE TRIGGER {trigger} BEFORE UPDATE OF {columns} ON {table} "
            f"FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse_new_decision()"
        )
    op.add_column(
        "rate_overrides",
        sa.Column(
            "proposal_verb", sa.Text(), nullable=False, server_default=sa.text("'RATE_OVERRIDE'")
        ),
    )
    op.create_check_constraint(
        "rate_overrides_proposal_verb_check", "rate_overrides", "proposal_verb = 'RATE_OVERRIDE'"
    )
    op.drop_constraint(FOREIGN_KEY, "rate_overrides")
    op.drop_constraint("proposals_id_state_key", "proposals")
    _bind(
        "proposals_agreed_key",
        id="proposal_id",
        state="proposal_state",
        verb="proposal_verb",
        target="corridor_id",
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_constraint(FOREIGN_KEY, "rate_overrides")
    op.drop_constraint("proposals_agreed_key", "proposals")
    op.drop_column("rate_overrides", "proposal_verb")
    _bind("proposals_id_state_key", id="proposal_id", state="proposal_state")
    for table, (trigger, _, _) in STANDING.items():
        op.execute(f"DROP TRIGGER {trigger} ON {table}")
    op.execute("DROP FUNCTION refuse_new_decision()")


def _bind(key: str, **columns: str) -> None:
    """An override names its proposal by these columns of the proposal and its own."""
    op.create_unique_constraint(key, "proposals", list(columns))
    op.create_foreign_key(
        FOREIGN_KEY, "rate_overrides", "proposals", list(columns.values()), list(columns)
    )
