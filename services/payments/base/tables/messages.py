"""Events and lists: what providers report, what merchants are sent, and what operators did and have
to see to."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.payments.base.tables.kit import SET, metadata
from services.payments.base.tables.kit import instant as _instant


def _word(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=text("''"))


# Verified webhooks; the merchant is known once the payment is.
webhook_inbox = Table(
    "webhook_inbox",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("merchant_id", Text, info=SET),
    Column("payment_id", Uuid, info=SET),
    Column("event_type", Text, nullable=False),
    Column("step", Text),
    Column("answer", JSONB, nullable=False),
    Column("body", LargeBinary, nullable=False),
    # PENDING, APPLIED, IGNORED, UNMATCHED where no payment of ours is meant, SET_ASIDE where it
    # cannot be processed, DISCARDED where an operator has given it up.
    Column("state", Text, nullable=False, info=SET),
    _instant("received_at", default=True),
    # Since when and how often its provider was asked about it without an answer.
    _instant("asked_since", nullable=True, info=SET),
    Column("asked", Integer, nullable=False, server_default=text("0"), info=SET),
    Column("failures", Integer, nullable=False, server_default=text("0"), info=SET),
    Column("last_error", Text, info=SET),
    _instant("set_aside_at", nullable=True, info=SET),
    Index(
        "webhook_inbox_pending_idx",
        "merchant_id",
        "payment_id",
        postgresql_where=text("state = 'PENDING'"),
    ),
    Index(
        "webhook_inbox_payment_idx", "payment_id", postgresql_where=text("payment_id IS NOT NULL")
    ),
    Index(
        "webhook_inbox_set_aside_idx",
        "merchant_id",
        postgresql_where=text("state = 'SET_ASIDE'"),
    ),
    Index(
        "webhook_inbox_unmatched_idx",
        "received_at",
        postgresql_where=text("state = 'UNMATCHED'"),
    ),
)

# How far the list of events of each provider that has one is read.
event_lists = Table(
    "event_lists",
    metadata,
    Column("provider", Text, primary_key=True),
    # When the newest event of all that is read happened, by the provider's clock.
    _instant("read_until", nullable=True, info=SET),
    # The page to read next and the newest event before it, where a reading is under way.
    Column("page", Text, nullable=False, server_default=text("''"), info=SET),
    _instant("newest_at", nullable=True, info=SET),
    # When it is read again; where a worker reads it, the end of its lease.
    _instant("due_at", default=True, info=SET),
    Column("lease_token", BigInteger, nullable=False, server_default=text("0"), info=SET),
)

# The endpoints of merchants; the secret signs the events that are sent there.
webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("merchant_id", Text, ForeignKey("merchants.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("url", Text, nullable=False),
    Column("secret", Text, nullable=False),
    _instant("created_at", default=True),
    _instant("disabled_at", nullable=True, info=SET),
    Column("disabled_reason", Text, info=SET),
)

# The events for merchants: one row for each event and endpoint, written with the event itself.
outbox = Table(
    "outbox",
    metadata,
    Column("merchant_id", Text, primary_key=True),
    Column("payment_id", Uuid, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("endpoint_id", Uuid, primary_key=True),
    # Several events come with one change: the payment's own is the first, at 0.
    Column("position", SmallInteger, primary_key=True, server_default=text("0")),
    Column("event_type", Text, nullable=False),
    # The bytes as they are sent, the same at every try.
    Column("body", LargeBinary, nullable=False),
    # PENDING, DELIVERED, SET_ASIDE where the endpoint never took it or wants no more, or DISCARDED
    # by an operator.
    Column("state", Text, nullable=False, server_default=text("'PENDING'"), info=SET),
    Column("failures", Integer, nullable=False, server_default=text("0"), info=SET),
    Column("last_error", Text, info=SET),
    _instant("due_at", default=True, info=SET),
    _instant("lease_until", nullable=True, info=SET),
    Column("lease_token", BigInteger, nullable=False, server_default=text("0"), info=SET),
    _instant("created_at", default=True),
    _instant("delivered_at", nullable=True, info=SET),
    Index(
        "outbox_pending_idx",
        "merchant_id",
        "endpoint_id",
        "due_at",
        postgresql_where=text("state = 'PENDING'"),
    ),
    Index("outbox_set_aside_idx", "merchant_id", postgresql_where=text("state = 'SET_ASIDE'")),
    # Events are sent to an endpoint again by the time at which their last try ended.
    Index(
        "outbox_ended_idx",
        *("endpoint_id", "due_at"),
        postgresql_where=text("state IN ('DELIVERED', 'SET_ASIDE')"),
    ),
)

# The actions of operators, with their reasons, and the attempts at them that were refused; rows are
# added and never changed.
operator_actions = Table(
    "operator_actions",
    metadata,
    # Empty where it is about none.
    Column("merchant_id", Text, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("operator", Text, nullable=False),
    Column("action", Text, nullable=False),
    # Of what, for example a payment's public id.
    Column("subject", Text, nullable=False),
    Column("note", Text, nullable=False),
    _instant("acted_at", default=True),
    _word("credential_id"),
    _word("address"),
    _word("request_id"),
    # The reason of a refusal; empty for what was done.
    _word("refusal"),
    _word("provider_answer"),
    Index("operator_actions_id_idx", "id"),
    Index("operator_actions_subject_idx", "subject", "id"),
    Index(
        "operator_actions_refused_idx",
        "credential_id",
        "acted_at",
        postgresql_where=text("refusal <> ''"),
    ),
)

# The entries that make a chain of the log of actions. The database adds one when an action is
# committed; the application only reads them.
operator_action_chain = Table(
    "operator_action_chain",
    metadata,
    # Without a gap.
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("action_id", Uuid, nullable=False, unique=True),
    Column("previous_sha256", Text, nullable=False),
    # Over the one before, the sequence, and all that the action says.
    Column("sha256", Text, nullable=False),
)

# Rows of other tables that cannot be read, by their tables and keys; an entry is kept for good.
unreadable_rows = Table(
    "unreadable_rows",
    metadata,
    Column("table_name", Text, primary_key=True),
    # The values of the row's primary key as a JSON array of texts.
    Column("row_key", Text, primary_key=True),
    Column("merchant_id", Text),
    Column("payment_id", Uuid),
    # Empty where that cannot be said.
    Column("column_name", Text, nullable=False, info=SET),
    # The class of the error and its place, and nothing of the row.
    Column("error", Text, nullable=False, info=SET),
    # OPEN, ENDED where the row can be read again, or DISCARDED where an operator wants to see it no
    # more, until it can be read again.
    Column("state", Text, nullable=False, server_default=text("'OPEN'"), info=SET),
    _instant("found_at", default=True, info=SET),
    Index("unreadable_rows_open_idx", "merchant_id", postgresql_where=text("state = 'OPEN'")),
)
