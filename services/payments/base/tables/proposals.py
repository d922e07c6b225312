"""Verbs that two operators agree on, and the overrides of rates and the adjustments that follow
from them. A person who has proposed cannot decide: the table itself refuses the row. A trigger lets
nobody change a decision, or take back the end of an override."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from services.payments.base.tables.kit import SET, metadata
from services.payments.base.tables.kit import instant as _instant

# With two keys of one person, and with a key and a token of the same name, one is not two.
BY_ANOTHER = (
    "approver_person <> proposer_person AND approver_credential <> proposer_credential "
    "AND lower(approver) <> lower(proposer)"
)
DECIDED = (
    "state NOT IN ('APPROVED', 'REFUSED', 'FAILED') OR (approver IS NOT NULL "
    "AND approver_person IS NOT NULL AND approver_credential IS NOT NULL)"
)
STATES = "state IN ('PROPOSED', 'APPROVED', 'REFUSED', 'WITHDRAWN', 'EXPIRED', 'FAILED')"

proposals = Table(
    "proposals",
    metadata,
    Column("id", Uuid, primary_key=True),
    # The merchant of its payment; empty where it is about none.
    Column("merchant_id", Text, nullable=False),
    Column("verb", Text, nullable=False),
    # Public id of the corridor or the payment, and how it stood.
    Column("target", Text, nullable=False),
    Column("target_state", Text, nullable=False),
    # Canonical JSON in UTF-8.
    Column("payload", LargeBinary, nullable=False),
    Column("payload_sha256", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'PROPOSED'"), info=SET),
    Column("proposer", Text, nullable=False),
    Column("proposer_credential", Text, nullable=False),
    Column("proposer_person", Text, nullable=False),
    _instant("created_at", default=True),
    _instant("expires_at"),
    # The one who has approved or refused it.
    Column("approver", Text, info=SET),
    Column("approver_credential", Text, info=SET),
    Column("approver_person", Text, info=SET),
    _instant("decided_at", nullable=True, info=SET),
    Column("note", Text, nullable=False, server_default=text("''"), info=SET),
    # The reason for which it could not be done.
    Column("failure", Text, nullable=False, server_default=text("''"), info=SET),
    CheckConstraint(STATES, name="state"),
    CheckConstraint(BY_ANOTHER, name="approved_by_another"),
    CheckConstraint(DECIDED, name="decided_by_somebody"),
    CheckConstraint("(state = 'PROPOSED') = (decided_at IS NULL)", name="decided_once"),
    CheckConstraint("payload_sha256 = encode(sha256(payload), 'hex')", name="payload"),
    # An override names its proposal with these.
    UniqueConstraint("id", "state", "verb", "target", name="proposals_agreed_key"),
    Index(
        "proposals_open_idx",
        "verb",
        "target",
        unique=True,
        postgresql_where=text("state = 'PROPOSED'"),
    ),
    Index("proposals_target_idx", "target", "id"),
    Index("proposals_expiry_idx", "expires_at", postgresql_where=text("state = 'PROPOSED'")),
)

rate_overrides = Table(
    "rate_overrides",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("corridor_id", Text, nullable=False),
    # One of the two.
    Column("rate", Numeric),
    Column("markup_basis_points", Integer),
    Column("maximum_deviation_basis_points", Integer, nullable=False),
    _instant("starts_at"),
    _instant("ends_at"),
    Column("proposal_id", Uuid, nullable=False),
    Column("proposal_state", Text, nullable=False, server_default=text("'APPROVED'")),
    Column("proposal_verb", Text, nullable=False, server_default=text("'RATE_OVERRIDE'")),
    Column("proposed_by", Text, nullable=False),
    Column("approved_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    # The end before its time, or its own end once that is written down.
    _instant("ended_at", nullable=True, info=SET),
    Column("ended_by", Text, nullable=False, server_default=text("''"), info=SET),
    CheckConstraint("(rate IS NULL) <> (markup_basis_points IS NULL)", name="one_of_two"),
    CheckConstraint("rate IS NULL OR (rate > 0 AND rate < 'Infinity')", name="rate"),
    CheckConstraint("starts_at < ends_at", name="times"),
    CheckConstraint("proposal_state = 'APPROVED'", name="proposal_approved"),
    CheckConstraint("proposal_verb = 'RATE_OVERRIDE'", name="proposal_verb"),
    # Approved, for this verb and this corridor.
    ForeignKeyConstraint(
        ["proposal_id", "proposal_state", "proposal_verb", "corridor_id"],
        ["proposals.id", "proposals.state", "proposals.verb", "proposals.target"],
        name="rate_overrides_proposal_id_fkey",
    ),
    UniqueConstraint("proposal_id"),
    # A corridor has one at a time.
    Index(
        "rate_overrides_open_idx",
        "corridor_id",
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
    ),
)

# Rows are added and never touched again. Each belongs to the posting of its event.
adjustments = Table(
    "adjustments",
    metadata,
    Column("merchant_id", Text, primary_key=True),
    Column("payment_id", Uuid, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    # The target of its proposal.
    Column("transaction_id", Text, nullable=False),
    Column("debit", Text, nullable=False),
    Column("credit", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("proposal_id", Uuid, nullable=False),
    Column("proposal_state", Text, nullable=False, server_default=text("'APPROVED'")),
    Column("proposal_verb", Text, nullable=False, server_default=text("'ADJUST_PAYMENT'")),
    _instant("made_at", default=True),
    CheckConstraint("amount_minor > 0", name="positive"),
    CheckConstraint("debit <> credit", name="two_accounts"),
    CheckConstraint("proposal_state = 'APPROVED'", name="proposal_approved"),
    CheckConstraint("proposal_verb = 'ADJUST_PAYMENT'", name="proposal_verb"),
    ForeignKeyConstraint(
        ["proposal_id", "proposal_state", "proposal_verb", "transaction_id"],
        ["proposals.id", "proposals.state", "proposals.verb", "proposals.target"],
        name="adjustments_proposal_id_fkey",
    ),
    UniqueConstraint("proposal_id"),
    # The same one is not made twice.
    Index(
        "adjustments_once_idx",
        *("merchant_id", "payment_id", "debit", "credit", "amount_minor"),
        text("md5(evidence)"),
        unique=True,
    ),
)
