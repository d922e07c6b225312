"""Payments and their book: the offers, the attempts, the refunds, the history and the postings."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.payments.base.tables.kit import MOVED, ROOM_PERCENT, SET, metadata
from services.payments.base.tables.kit import instant as _instant
from services.payments.model.holds import HoldReason

# Not every payment goes smoothly: it failed, was cancelled, waits for a person, or has refunds or
# disputes.
UNEVEN = (
    "failure_code IS NOT NULL OR cancel_requested_at IS NOT NULL OR hold_reason IS NOT NULL "
    "OR deadline_at IS NOT NULL OR related > 0"
)
# Firm offers; terms and trail stay readable after use and expiry. With the terms stand the route
# and the treatment of late money, so that an offer needs no corridor file any more.
quotes = Table(
    "quotes",
    metadata,
    Column("merchant_id", Text, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("corridor_id", Text, nullable=False),
    Column("terms", JSONB, nullable=False),
    Column("trail", JSONB, nullable=False),
    Column("fee_schedule_version", Text, nullable=False),
    Column("payment_id", Uuid, info=MOVED),
    _instant("created_at"),
    _instant("expires_at"),
    Index("quotes_payment_idx", "payment_id", postgresql_where=text("payment_id IS NOT NULL")),
)

# One row a payment: what was agreed, where it stands, and who works on it until when.
payments = Table(
    "payments",
    metadata,
    Column("merchant_id", Text, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, nullable=False),
    Column("quote_id", Uuid, nullable=False, info=SET),
    Column("corridor_id", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("fee_minor", BigInteger, nullable=False),
    Column("net_minor", BigInteger, nullable=False),
    Column("fees", JSONB, nullable=False),
    Column("destination_currency", Text, nullable=False),
    Column("payout_minor", BigInteger, nullable=False, info=MOVED),
    # The amount that was asked for: "source" or "destination"; late money may change it.
    Column("fixed_side", Text, nullable=False, info=MOVED),
    Column("rate", Numeric, nullable=False, info=MOVED),
    Column("mid_rate", Numeric, nullable=False, info=MOVED),
    # The market's own middle, where an override has put another in its place.
    Column("replaced_mid_rate", Numeric, info=MOVED),
    Column("markup_basis_points", SmallInteger, nullable=False, info=MOVED),
    Column("route", JSONB, nullable=False, info=SET),
    Column("onramp", Text, nullable=False, info=MOVED),
    Column("offramp", Text, nullable=False, info=MOVED),
    Column("collection_reference", Text, nullable=False, server_default=text("''"), info=MOVED),
    Column("recipient", JSONB, nullable=False, info=SET),
    Column("recipient_is_example", Boolean, nullable=False, info=SET),
    # Empty where no check was demanded.
    Column("account_check", Text, nullable=False, info=SET),
    Column("payment_method", Text, nullable=False),
    Column("reference", Text, nullable=False),
    # The payer who is there to act, and what is asked of one; for nobody else to read.
    Column("payer", JSONB),
    Column("next_action", JSONB, info=MOVED),
    Column("trace_id", Text, nullable=False),
    # Of its idempotency key and of the request under it; empty with one from before they were kept.
    Column("key_digest", Text),
    Column("request_digest", Text),
    Column("state", Text, nullable=False, info=MOVED),
    Column("version", Integer, nullable=False, info=MOVED),
    _instant("sent_at", nullable=True, info=MOVED),
    Column("hold_reason", Text, info=MOVED),
    Column("failure_code", Text, info=MOVED),
    Column("failure_message", Text, info=MOVED),
    # The payer shall not be charged any more, or shall have the money back.
    _instant("cancel_requested_at", nullable=True, info=SET),
    Column("refunded_minor", BigInteger, nullable=False, server_default=text("0"), info=MOVED),
    # Whether a refund gives the fees back too: "returned" or "kept".
    Column("refund_fees", Text, nullable=False, info=MOVED),
    # How many refunds and disputes it has; they are read only where there are any.
    Column("related", SmallInteger, nullable=False, server_default=text("0"), info=MOVED),
    # How the exchange was posted; rows that say nothing are from before there was a second way.
    Column("exchange_rule", SmallInteger, nullable=False, server_default=text("2"), info=MOVED),
    # Since when and until when it waits for a person, where it does.
    _instant("waiting_since", nullable=True, info=SET),
    _instant("deadline_at", nullable=True, info=SET),
    # Until when the locked rate binds us, and what the corridor does with money that comes later.
    _instant("quote_expires_at"),
    Column("late_funds", JSONB, nullable=False),
    # How often in a row its step has broken down on our side; it is set aside after some.
    Column("step_failures", Integer, nullable=False, server_default=text("0"), info=SET),
    Column("last_error", Text, info=SET),
    _instant("created_at"),
    _instant("updated_at", info=SET),
    # When the worker should look again; empty when nothing is left to do.
    _instant("due_at", nullable=True, info=SET),
    # Until when nothing is sent, also where the payment is due before.
    _instant("rests_until", nullable=True, info=SET),
    # Until when it is not paid out, so that it can be cancelled.
    _instant("cancellable_until", nullable=True, info=MOVED),
    # Set by a webhook, so that a worker that is busy with the payment looks again at once.
    Column("nudged", Boolean, nullable=False, server_default=text("false"), info=SET),
    Column("lease_owner", Text, info=SET),
    _instant("lease_until", nullable=True, info=SET),
    Column("lease_token", BigInteger, nullable=False, server_default=text("0"), info=SET),
    CheckConstraint("amount_minor > 0 AND payout_minor > 0", name="positive"),
    CheckConstraint("net_minor = amount_minor - fee_minor AND fee_minor >= 0", name="sum"),
    CheckConstraint("refunded_minor BETWEEN 0 AND amount_minor", name="refunded"),
    CheckConstraint("fixed_side IN ('source', 'destination')", name="fixed_side"),
    CheckConstraint("refund_fees IN ('returned', 'kept')", name="refund_fees"),
    Index("payments_due_at_idx", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    Index(
        "payments_failing_idx",
        "due_at",
        postgresql_where=text("step_failures > 0 AND hold_reason IS NULL"),
    ),
    Index(
        "payments_set_aside_idx",
        "merchant_id",
        postgresql_where=text(f"hold_reason = '{HoldReason.STEP_FAILED}'"),
    ),
    Index("payments_deadline_idx", "deadline_at", postgresql_where=text("deadline_at IS NOT NULL")),
    Index(
        "payments_held_idx", "hold_reason", "id", postgresql_where=text("hold_reason IS NOT NULL")
    ),
    # Operators find payments by these, newest first. None of it changes while all goes well, so
    # that the rows keep their place in the others.
    Index("payments_corridor_idx", "corridor_id", "id"),
    Index("payments_onramp_idx", "onramp", "id"),
    Index("payments_offramp_idx", "offramp", "id"),
    Index("payments_amount_idx", "amount_minor", "id"),
    Index("payments_reference_idx", "reference", "id", postgresql_where=text("reference <> ''")),
    Index("payments_uneven_idx", "id", postgresql_where=text(UNEVEN)),
    # Webhooks name a payment and not its merchant.
    Index("payments_id_idx", "id"),
    # Claims name the collection and not the payment.
    Index(
        "payments_collection_reference_idx",
        "collection_reference",
        postgresql_where=text("collection_reference <> ''"),
    ),
    postgresql_with={"fillfactor": ROOM_PERCENT},
)

# The first answer under each key, kept for the life of the payment.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("merchant_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("response", LargeBinary, nullable=False),
    Column("payment_id", Uuid, nullable=False),
    _instant("created_at", default=True),
    # The RPC that the key was used for.
    Column("operation", Text, nullable=False, server_default=text("'CreatePayment'")),
)

# One row an attempt; the unique index is the database's own "never two at once".
attempts = Table(
    "attempts",
    metadata,
    Column("merchant_id", Text, primary_key=True),
    Column("payment_id", Uuid, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("number", SmallInteger, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("state", Text, nullable=False, info=MOVED),
    Column("provider_reference", Text, nullable=False, info=MOVED),
    _instant("sent_at", nullable=True, info=SET),
    _instant("last_sent_at", nullable=True, info=SET),
    _instant("leaves_until", nullable=True, info=SET),
    # How often a request may have left under the key.
    Column("sends", SmallInteger, nullable=False, server_default=text("0"), info=SET),
    _instant("unknown_since", nullable=True, info=SET),
    Column("inconclusive_count", Integer, nullable=False, info=MOVED),
    Column("failure_code", Text, info=MOVED),
    Column("failure_message", Text, info=MOVED),
    # How much its provider has moved under it, where that is not what the state says.
    Column("moved_minor", BigInteger, info=MOVED),
    Column("moved_currency", Text, info=MOVED),
    # The recipient that a payout was sent with, where its payment has another one by now.
    Column("recipient", JSONB(none_as_null=True), info=SET),
    # The route of its payment then, kept with it.
    Column("route", JSONB(none_as_null=True), info=SET),
    # The refund that it is a try of.
    Column("refund_number", SmallInteger, info=MOVED),
    _instant("created_at", default=True),
    _instant("updated_at", default=True, info=SET),
    ForeignKeyConstraint(["merchant_id", "payment_id"], ["payments.merchant_id", "payments.id"]),
    CheckConstraint("last_sent_at IS NULL OR leaves_until IS NOT NULL", name="leaves"),
    # Of all that an index holds, only this changes, and once: when the attempt is over.
    Column(
        "is_live",
        Boolean,
        Computed(
            "state IN ('INTENDED', 'SENT', 'ACCEPTED', 'UNKNOWN') "
            # A payment may be refunded in parts: one at a time, and each succeeded one stays.
            "OR (step <> 'refund' AND state = 'SUCCEEDED')",
            persisted=True,
        ),
        nullable=False,
    ),
    Index(
        "attempts_one_live_idx",
        *("merchant_id", "payment_id", "step"),
        unique=True,
        postgresql_where=text("is_live"),
    ),
    Index(
        "attempts_provider_reference_idx",
        "provider_reference",
        postgresql_where=text("provider_reference <> ''"),
    ),
    # Few: a success has its provider's id.
    Index(
        "attempts_nameless_idx",
        *("provider", "created_at"),
        postgresql_where=text("NOT is_live AND provider_reference = ''"),
    ),
    postgresql_with={"fillfactor": ROOM_PERCENT},
)

# One row a refund; its tries are attempts. The unique index lets one at a time be under way.
refunds = Table(
    "refunds",
    metadata,
    Column("merchant_id", Text, primary_key=True),
    Column("payment_id", Uuid, primary_key=True),
    Column("number", SmallInteger, primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    # The merchant's words, or our cause, and whoever asked for it.
    Column("reason", Text, nullable=False, info=MOVED),
    Column("requested_by", Text, nullable=False, info=MOVED),
    Column("provider", Text, nullable=False),
    # PENDING, SUCCEEDED or FAILED.
    Column("status", Text, nullable=False, info=MOVED),
    Column("provider_reference", Text, nullable=False, info=MOVED),
    Column("failure_code", Text, info=MOVED),
    Column("failure_message", Text, info=MOVED),
    _instant("created_at", default=True),
    _instant("updated_at", default=True, info=SET),
    ForeignKeyConstraint(["merchant_id", "payment_id"], ["payments.merchant_id", "payments.id"]),
    CheckConstraint("amount_minor > 0", name="positive"),
    CheckConstraint("status IN ('PENDING', 'SUCCEEDED', 'FAILED')", name="status"),
    Index("refunds_id_idx", "merchant_id", "id", unique=True),
    Index(
        "refunds_one_open_idx",
        "merchant_id",
        "payment_id",
        unique=True,
        postgresql_where=text("status = 'PENDING'"),
    ),
)

# One row a claim against a payment's collection, as its onramp reports it.
disputes = Table(
    "disputes",
    metadata,
    Column("merchant_id", Text, primary_key=True),
    Column("payment_id", Uuid, primary_key=True),
    Column("number", SmallInteger, primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("provider", Text, nullable=False),
    Column("provider_reference", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False, info=MOVED),
    Column("reason", Text, nullable=False, info=MOVED),
    Column("amount_minor", BigInteger, info=MOVED),
    Column("currency", Text, nullable=False),
    # How much the provider has taken for it by now.
    Column("withdrawn_minor", BigInteger, nullable=False, info=MOVED),
    _instant("respond_by", nullable=True, info=MOVED),
    # When the provider said so, by its own clock.
    _instant("stated_at", info=MOVED),
    # Whether it stops the payment; not any more once a person has let it go on.
    Column("stops", Boolean, nullable=False, info=MOVED),
    _instant("created_at", default=True),
    _instant("updated_at", default=True, info=SET),
    ForeignKeyConstraint(["merchant_id", "payment_id"], ["payments.merchant_id", "payments.id"]),
    CheckConstraint("withdrawn_minor >= 0", name="withdrawn"),
    Index(
        "disputes_provider_reference_idx",
        *("merchant_id", "payment_id", "provider", "provider_reference"),
        unique=True,
    ),
    Index("disputes_id_idx", "id"),
    Index("disputes_reference_idx", "provider_reference"),
    Index(
        "disputes_open_idx",
        "respond_by",
        postgresql_where=text("status IN ('NEEDS_RESPONSE', 'UNDER_REVIEW')"),
    ),
)

# The history; rows are added and never touched again.
payment_events = Table(
    "payment_events",
    metadata,
    Column("merchant_id", Text, primary_key=True),
    Column("payment_id", Uuid, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("evidence", JSONB, nullable=False),
    Column("trace_id", Text, nullable=False),
    _instant("occurred_at", default=True),
    # Rows lie in the order of their times, so that this is enough to find the newest.
    Index(
        "payment_events_occurred_idx",
        "occurred_at",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": True},
    ),
)

# The book; rows are added and never touched again.
postings = Table(
    "postings",
    metadata,
    Column("merchant_id", Text, primary_key=True),
    Column("payment_id", Uuid, primary_key=True),
    # Together with the event that caused it, this says which posting of the payment it is.
    Column("sequence", Integer, primary_key=True),
    Column("position", SmallInteger, primary_key=True),
    Column("debit", Text, nullable=False),
    Column("credit", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
    _instant("posted_at", default=True),
    CheckConstraint("amount_minor > 0", name="positive"),
    CheckConstraint("debit <> credit", name="two_accounts"),
)

# Debits less credits of every account, changed once a batch; recomputable from postings.
balances = Table(
    "balances",
    metadata,
    Column("merchant_id", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("balance_minor", BigInteger, nullable=False, info=SET),
    _instant("updated_at", default=True, info=SET),
)
