"""Two operators agree on a verb: a proposal, which its own proposer cannot approve; and the
overrides of rates that follow from approved ones."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"

APPLICATION_ROLE = "caravel_app"
NOW = sa.text("now()")
EMPTY = sa.text("''")
OPEN = sa.text("state = 'PROPOSED'")
DECISION = (
    "approver, approver_credential, approver_person, decided_at, failure, note, state",
    "ended_at, ended_by",
)


def upgrade() -> None:
    """Applies the change."""
    _create_proposals()
    _create_overrides()
    grants = [
        f"GRANT SELECT, INSERT, UPDATE ({changed}) ON {table} TO {APPLICATION_ROLE};"
        for table, changed in zip(("proposals", "rate_overrides"), DECISION, strict=True)
    ]
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                {" ".join(grants)}
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_table("rate_overrides")
    op.drop_table("proposals")


def _create_proposals() -> None:
    op.create_table(
        "proposals",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_texts("merchant_id", "verb", "target", "target_state"),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        *_texts("payload_sha256", "reason"),
        sa.Column("state", sa.Text(), nullable=False, server_default=sa.text("'PROPOSED'")),
        *_texts("proposer", "proposer_credential", "proposer_person"),
        sa.Column("created_at", _INSTANT, nullable=False, server_default=NOW),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.Column("approver", sa.Text()),
        sa.Column("approver_credential", sa.Text()),
        sa.Column("approver_person", sa.Text()),
        sa.Column("decided_at", _INSTANT),
        sa.Column("note", sa.Text(), nullable=False, server_default=EMPTY),
        sa.Column("failure", sa.Text(), nullable=False, server_default=EMPTY),
        sa.PrimaryKeyConstraint("id", name="proposals_pkey"),
        sa.UniqueConstraint("id", "state", name="proposals_id_state_key"),
        sa.CheckConstraint(
            "state IN ('PROPOSED', 'APPROVED', 'REFUSED', 'WITHDRAWN', 'EXPIRED', 'FAILED')",
            name="proposals_state_check",
        ),
        sa.CheckConstraint(
            "approver_person <> proposer_person AND approver_credential <> proposer_credential "
            "AND lower(approver) <> lower(proposer)",
            name="proposals_approved_by_another_check",
        ),
        sa.CheckConstraint(
            "state NOT IN ('APPROVED', 'REFUSED', 'FAILED') OR (approver IS NOT NULL "
            "AND approver_person IS NOT NULL AND approver_credential IS NOT NULL)",
            name="proposals_decided_by_somebody_check",
        ),
        sa.CheckConstraint(
            "(state = 'PROPOSED') = (decided_at IS NULL)", name="proposals_decided_once_check"
        ),
        sa.CheckConstraint(
            "payload_sha256 = encode(sha256(payload), 'hex')", name="proposals_payload_check"
        ),
    )
    op.create_index(
        "proposals_open_idx", "proposals", ["verb", "target"], unique=True, postgresql_where=OPEN
    )
    op.create_index("proposals_expiry_idx", "proposals", ["expires_at"], postgresql_where=OPEN)


def _create_overrides() -> None:
    op.create_table(
        "rate_overrides",
        sa.Column("id", sa.Uuid(), nullable=False),
        *_texts("corridor_id"),
        sa.Column("rate", sa.Numeric()),
        sa.Column("markup_basis_points", sa.Integer()),
        sa.Column("maximum_deviation_basis_points", sa.Integer(), nullable=False),
        sa.Column("starts_at", _INSTANT, nullable=False),
        sa.Column("ends_at", _INSTANT, nullable=False),
        sa.Column("proposal_id", sa.Uuid(), nullable=False),
        sa.Column(
            "proposal_state", sa.Text(), nullable=False, server_default=sa.text("'APPROVED'")
        ),
        *_texts("proposed_by", "approved_by", "reason"),
        sa.Column("ended_at", _INSTANT),
        sa.Column("ended_by", sa.Text(), nullable=False, server_default=EMPTY),
        sa.PrimaryKeyConstraint("id", name="rate_overrides_pkey"),
        sa.UniqueConstraint("proposal_id", name="rate_overrides_proposal_id_key"),
        sa.ForeignKeyConstraint(
            ["proposal_id", "proposal_state"],
            ["proposals.id", "proposals.state"],
            name="rate_overrides_proposal_id_fkey",
        ),
        sa.CheckConstraint(
            "(rate IS NULL) <> (markup_basis_points IS NULL)",
            name="rate_overrides_one_of_two_check",
        ),
        sa.CheckConstraint(
            "rate IS NULL OR (rate > 0 AND rate < 'Infinity')", name="rate_overrides_rate_check"
        ),
        sa.CheckConstraint("starts_at < ends_at", name="rate_overrides_times_check"),
        sa.CheckConstraint(
            "proposal_state = 'APPROVED'", name="rate_overrides_proposal_approved_check"
        ),
    )
    op.create_index(
        "rate_overrides_open_idx",
        "rate_overrides",
        ["corridor_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )


_INSTANT = sa.DateTime(timezone=True)


def _texts(*names: str) -> "list[sa.Column[str]]":
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]
