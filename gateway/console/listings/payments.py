"""The lists of payments, of what is set aside, of claims and of proposals."""

from typing import Any

from gateway.console.fields import Field
from gateway.console.listings.model import MERCHANT, OF_MERCHANT, PAYMENT, Listing
from gateway.console.tables import Column
from gateway.console.verbs.letters import REASONS
from services.shared.money import SOURCE_CURRENCY

FOR_US, FOR_MERCHANT = "ON_HOLD", ("RETURNED", "ACTION_REQUIRED", "PARTLY_REFUNDED")
# Dead letters by their kind, and how pages call them; those that may be money come first.
LETTERS = {
    "ORPHAN": "Events about payments that are not here",
    "STEP": "Steps that broke down",
    "UNREADABLE": "Rows that cannot be read",
    "INBOX": "Events of providers that cannot be applied",
    "OUTBOX": "Events that merchants never took",
}
LATE = (
    PAYMENT,
    Column("Amount", "amount_usd", "number", unit=SOURCE_CURRENCY),
    Column("State", "state", "state"),
    Column("Hold", "hold_reason", "word"),
    Column("Corridor", "corridor_id"),
    Column("Provider", "provider", absent="ours"),
    Column("Age", "since", "age"),
    Column("Time left", "deadline_at", "left", absent="no deadline"),
    Column("Paused until", "paused_until", "left"),
    Column("Last answer", "last_message", "long"),
    Column("At the deadline", "at_deadline", is_extra=True),
    Column("Merchant", "merchant_id", is_extra=True),
    Column("Tries", "attempts", "number", is_extra=True),
    Column("Next try", "next_try_at", "instant", is_extra=True),
)


def _late(path: str, title: str, lead: str, **fixed: Any) -> Listing:
    return Listing(
        path,
        title,
        lead,
        "ListOverduePayments",
        "payments",
        LATE,
        fixed=fixed,
        filters=(MERCHANT,),
        is_live=True,
    )


_STATES = (
    "CREATED COLLECTING FUNDED CONVERTED PAYING_OUT ACTION_REQUIRED COMPLETED RETURNED REFUNDING "
    "PARTLY_REFUNDED REFUNDED FAILED CANCELLED EXPIRED"
)
PAYMENTS = Listing(
    "/payments",
    "Payments",
    "Of all merchants, the newest first. Bookmark a search to keep it.",
    "SearchPayments",
    "payments",
    (
        Column(
            "Payment",
            "payment.transaction_id",
            "code",
            link="/payments/{payment.transaction_id}",
        ),
        Column("Status", "payment.status", "state"),
        Column("State", "state", "state"),
        Column("Hold", "payment.hold.reason", "word"),
        Column("Amount", "payment.amount_usd", "number", unit=SOURCE_CURRENCY),
        Column("Payout", "payment.payout_amount", "number", unit="{payment.destination_currency}"),
        Column("Corridor", "payment.corridor_id"),
        Column("Onramp", "payment.onramp", is_extra=True),
        Column("Offramp", "payment.offramp"),
        Column("Reference", "payment.reference"),
        Column("Age", "payment.created_at", "age"),
        OF_MERCHANT,
        Column("Created", "payment.created_at", "instant", is_extra=True),
        Column("Changed", "payment.updated_at", "instant", is_extra=True),
        Column("Deadline", "payment.deadline_at", "instant", is_extra=True),
        Column("Fees", "payment.fee_usd", "number", unit=SOURCE_CURRENCY, is_extra=True),
        Column("Rate", "payment.fx_rate", "number", is_extra=True),
        Column("Refunded", "payment.refunded_usd", "number", unit=SOURCE_CURRENCY, is_extra=True),
        Column("Failure", "payment.failure.code", "word", is_extra=True),
        Column("User", "payment.user_id", "code", is_extra=True),
        Column("Quote", "payment.quote_id", "code", is_extra=True),
    ),
    filters=(
        Field("query", "Id or reference", hint="Whole: ours, the merchant's or a provider's."),
        Field("states", "State", "among", options=tuple(_STATES.split())),
        Field("hold_reasons", "Hold reason", "words"),
        Field("on_hold", "On hold", "check"),
        Field("overdue", "Overdue", "check"),
        Field("provider", "Provider"),
        Field("corridor_id", "Corridor"),
        MERCHANT,
        Field("amount_from_usd", f"From {SOURCE_CURRENCY}", "decimal"),
        Field("amount_to_usd", f"To {SOURCE_CURRENCY}", "decimal"),
        Field("created_after", "Created from", "instant"),
        Field("created_before", "Created before", "instant"),
    ),
    is_live=True,
)
HELD = _late(
    "/holds",
    "Payments on hold",
    "Each waits for an operator. The one that has not changed for the longest time comes first.",
    waiting=True,
    waiting_for=[FOR_US],
)
OVERDUE = _late(
    "/overdue",
    "Overdue payments",
    "Each is without progress for longer than expected, or past its deadline.",
)
MERCHANTS_TURN = _late(
    "/merchants-turn",
    "Payments that wait for their merchant",
    "Each waits until its merchant corrects the recipient or refunds it, or until its deadline.",
    waiting=True,
    waiting_for=list(FOR_MERCHANT),
)
DEAD_LETTERS = Listing(
    "/dead-letters",
    "Dead letters",
    "Steps and events that failed again and again and were set aside, the latest first. An event "
    "whose payment or attempt is not here can only be discarded: ask its provider first.",
    "ListDeadLetters",
    "dead_letters",
    (
        # Its id begins with its kind.
        Column("Dead letter", "dead_letter_id", "code"),
        Column("Kind", "kind", is_extra=True),
        PAYMENT,
        Column("Reason", "reason", "word"),
        Column("Tries", "attempts", "number", is_extra=True),
        Column("Set aside", "set_aside_at", "age"),
        Column("Event or row", "event|record", "pairs"),
        Column("Provider", "provider_event.provider"),
        Column("Provider's id", "provider_event.provider_reference", "code"),
        Column("Key", "provider_event.key", "code", is_extra=True),
        Column("SHA-256 of the event", "provider_event.payload_sha256", "code", is_extra=True),
        Column("Last error", "last_error", "long"),
        Column("Requeue is refused with", "requeue_refusal", "word", is_extra=True),
    ),
    filters=(
        Field("kind", "Kind", "choice", options=tuple(LETTERS)),
        MERCHANT,
        Field("endpoint_id", "Endpoint"),
        Field("reason", "Reason", "choice", options=REASONS),
    ),
    row_verbs=("requeue", "discard"),
    page_verbs=("requeue-all",),
)
DISPUTES = Listing(
    "/disputes",
    "Open disputes",
    "Not decided, the earliest deadline first. They are answered at their provider.",
    "ListDisputes",
    "open_disputes",
    (
        Column("Dispute", "dispute.dispute_id", "code"),
        Column(
            "Payment",
            "dispute.transaction_id",
            "code",
            link="/payments/{dispute.transaction_id}",
        ),
        Column("Kind", "dispute.kind"),
        Column("Status", "dispute.status", "state"),
        Column("Claimed", "dispute.amount_usd", "number", unit=SOURCE_CURRENCY),
        Column("Taken back", "dispute.withdrawn_usd", "number", unit=SOURCE_CURRENCY),
        Column("Reason", "dispute.reason"),
        Column("Provider", "dispute.provider"),
        Column("Provider's id", "dispute.provider_reference", "code", is_extra=True),
        Column("Age", "dispute.created_at", "age"),
        Column("Time left", "dispute.respond_by", "left", absent="no deadline"),
        OF_MERCHANT,
    ),
    filters=(MERCHANT,),
)
PROPOSALS = Listing(
    "/proposals",
    "Proposals",
    "Verbs that one operator proposes and another person decides, the latest first.",
    "ListProposals",
    "proposals",
    (
        Column("Proposal", "proposal_id", "code", link="/proposals/{proposal_id}"),
        Column("Verb", "verb"),
        Column("Target", "target", "code"),
        Column("State", "state", "state"),
        Column("Proposed by", "proposed_by"),
        Column("Age", "created_at", "age"),
        Column("Time left", "expires_at", "left"),
        Column("Decided by", "decided_by"),
        Column("Reason", "reason", "long"),
    ),
    filters=(
        Field(
            "state",
            "State",
            "choice",
            options=("PROPOSED", "APPROVED", "REFUSED", "WITHDRAWN", "EXPIRED", "FAILED"),
        ),
    ),
    page_verbs=("override-rate", "accept-database"),
)
