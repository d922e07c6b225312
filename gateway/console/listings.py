"""The lists of the console, each declared once: its call, its filters and its columns. `lists`
shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.console.fields import Field
from gateway.console.tables import Column
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


@dataclass(frozen=True)
class Listing:
    """A list of records."""

    path: str
    title: str
    lead: str
    # The call, the field of its answer, and the fields of its request that are always the same.
    call: str
    items: str
    columns: Sequence[Column]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    filters: Sequence[Field] = ()
    # Verbs for each record, and for the list as a whole, by their names.
    row_verbs: Sequence[str] = ()
    page_verbs: Sequence[str] = ()
    # Answers all of its records at once.
    is_whole: bool = False


MERCHANT = Field("merchant_id", "Merchant")
PAYMENT = Column("Payment", "transaction_id", "code", link="/payments/{transaction_id}")
OF_MERCHANT = Column("Merchant", "merchant_id", "code", link="/merchants/{merchant_id}/keys")
LATE = (
    PAYMENT,
    Column("Amount", "amount_usd", "number", unit=SOURCE_CURRENCY),
    Column("State", "state", "state"),
    Column("Hold", "hold_reason", "code"),
    Column("Corridor", "corridor_id"),
    Column("Provider", "provider", absent="ours"),
    Column("Age", "since", "age"),
    Column("Time left", "deadline_at", "left", absent="no deadline"),
    Column("Last answer", "last_message", "long"),
    Column("At the deadline", "at_deadline", is_extra=True),
    Column("Merchant", "merchant_id", is_extra=True),
    Column("Tries", "attempts", "number", is_extra=True),
    Column("Next try", "next_try_at", "instant", is_extra=True),
)


def _late(path: str, title: str, lead: str, **fixed: Any) -> Listing:
    return Listing(
        path, title, lead, "ListOverduePayments", "payments", LATE, fixed=fixed, filters=(MERCHANT,)
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
        Column("Hold", "payment.hold.reason", "code"),
        Column("Amount", "payment.amount_usd", "number", unit=SOURCE_CURRENCY),
        Column("Payout", "payment.payout_amount", "number", unit="{payment.destination_currency}"),
        Column("Corridor", "payment.corridor_id"),
        Column("Onramp", "payment.onramp"),
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
        Column("Failure", "payment.failure.code", "code", is_extra=True),
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
    "Steps and events that failed again and again and were set aside, the latest first.",
    "ListDeadLetters",
    "dead_letters",
    (
        Column("Dead letter", "dead_letter_id", "code"),
        Column("Kind", "kind"),
        PAYMENT,
        Column("Reason", "reason", "code"),
        Column("Tries", "attempts", "number"),
        Column("Set aside", "set_aside_at", "age"),
        Column("Event", "event", "long"),
        Column("Last error", "last_error", "long"),
        Column("Table", "record.table"),
        Column("Row", "record.key"),
    ),
    filters=(Field("kind", "Kind", "choice", options=tuple(LETTERS)), MERCHANT),
    row_verbs=("requeue", "discard"),
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
        Column("There", "dispute.provider_reference", "code", is_extra=True),
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
    page_verbs=("override-rate",),
)
OVERRIDES = Listing(
    "/rates",
    "Overrides of rates",
    "A mid rate or a markup that two operators have put in the place of a corridor's, for a time.",
    "ListRateOverrides",
    "overrides",
    (
        Column("Override", "override_id", "code"),
        Column("Corridor", "corridor_id"),
        Column("Mid rate", "rate", "number", absent="the market's"),
        Column("Markup", "markup_basis_points", "number", unit="bp", absent="the corridor's"),
        Column("In force", "in_force", "yes"),
        Column("Begins", "starts_at", "instant"),
        Column("Ends", "ends_at", "instant"),
        Column("Ended before", "ended_at", "instant", absent="no"),
        Column("Proposal", "proposal_id", "code", link="/proposals/{proposal_id}"),
        Column("Proposed by", "proposed_by"),
        Column("Approved by", "approved_by"),
        Column("Reason", "reason", "long"),
    ),
    row_verbs=("end-override",),
    page_verbs=("override-rate",),
)
EXPOSURE = Listing(
    "/exposure",
    "Exposure",
    "All that the book holds of each currency less all that it owes.",
    "GetExposure",
    "positions",
    (
        Column("Currency", "currency"),
        Column("Position", "position", "number"),
        Column("Worth", "worth_usd", "number", unit=SOURCE_CURRENCY, absent="unknown"),
        Column("Mid rate", "rate_trail.mid_rate", "number"),
        Column("Observed", "rate_trail.observed_at", "age"),
        Column("Most that we may owe", "maximum_owed", "number", absent="no limit"),
        Column("Limit reached", "limit_reached", "yes"),
    ),
    is_whole=True,
)
SCOREBOARDS = Listing(
    "/scoreboards",
    "Scoreboards",
    "Each corridor's cost, speed and disclosure, measured against the targets of the G20.",
    "ListScoreboards",
    "scoreboards",
    (
        Column("Corridor", "corridor_id"),
        Column("Payments", "payments", "number"),
        Column("Cost", "cost.cost_percent", "number", unit="%", absent="unknown"),
        Column("Target", "cost.target_percent", "number", unit="%"),
        Column("Within an hour", "within_one_hour.percent", "number", unit="%"),
        Column("Target", "within_one_hour.target_percent", "number", unit="%"),
        Column("Within a business day", "within_one_business_day.percent", "number", unit="%"),
        Column("Target", "within_one_business_day.target_percent", "number", unit="%"),
        Column("Disclosed before", "disclosed_before_payment.percent", "number", unit="%"),
        Column("Target", "disclosed_before_payment.target_percent", "number", unit="%"),
        Column("Counted from", "counted_from", "instant"),
    ),
    is_whole=True,
)
ACTIONS = Listing(
    "/actions",
    "Audit trail",
    "The actions of operators, also those that were refused, the latest first.",
    "ListOperatorActions",
    "actions",
    (
        Column("Time", "acted_at", "instant"),
        Column("Operator", "operator"),
        Column("Action", "action"),
        Column("Subject", "subject", "code"),
        Column("Refusal", "refusal", "code", absent="done"),
        Column("Note", "note", "long"),
        Column("Provider's answer", "provider_answer"),
        Column("Credential", "credential_id", "code", is_extra=True),
        Column("Address", "address"),
        Column("Request", "request_id", "code", is_extra=True),
        OF_MERCHANT,
    ),
    filters=(MERCHANT,),
)
_KEY = (
    Column("Status", "status", "state"),
    Column("Scopes", "scopes", "list"),
    Column("Addresses", "allowed_addresses", "list", absent="every one"),
    Column("Created", "created_at", "age"),
    Column("Created by", "created_by", "code", is_extra=True),
    Column("Last used", "last_used_at", "age", absent="never"),
    Column("Ends", "expires_at", "left", absent="no end"),
    Column("Rolled to", "rolled_to", "code"),
    Column("Leaked at", "leak_place"),
)
OPERATOR_KEYS = Listing(
    "/operator-keys",
    "Keys of operators",
    "The newest first, those that have ended too.",
    "ListOperatorKeys",
    "keys",
    (
        Column("Key", "key_id", "code"),
        Column("Operator", "operator"),
        Column("Name", "name"),
        *_KEY,
    ),
    row_verbs=("roll-operator-key", "revoke-operator-key"),
    page_verbs=("create-operator-key",),
)
MERCHANTS = Listing(
    "/merchants",
    "Merchants",
    "The newest first, disabled ones too.",
    "ListMerchants",
    "merchants",
    (
        Column("Merchant", "merchant_id", "code", link="/merchants/{merchant_id}/keys"),
        Column("Name", "name"),
        Column("Status", "status", "state"),
        Column("Created", "created_at", "age"),
        Column("Disabled", "disabled_at", "age", absent="no"),
    ),
    row_verbs=("disable-merchant", "enable-merchant"),
    page_verbs=("create-merchant",),
)
MERCHANT_KEYS = Listing(
    "/merchants/{merchant_id}/keys",
    "Keys of a merchant",
    "The newest first, those that have ended too.",
    "ListMerchantKeys",
    "keys",
    (Column("Key", "key_id", "code"), Column("Name", "name"), *_KEY),
    row_verbs=("revoke-merchant-key",),
    page_verbs=("create-merchant-key", "revoke-merchant-keys"),
)
LISTINGS = (
    PAYMENTS,
    HELD,
    OVERDUE,
    MERCHANTS_TURN,
    DEAD_LETTERS,
    DISPUTES,
    PROPOSALS,
    OVERRIDES,
    EXPOSURE,
    SCOREBOARDS,
    ACTIONS,
    OPERATOR_KEYS,
    MERCHANTS,
    MERCHANT_KEYS,
)
# The navigation: the pages of each group, by address, label, and the call that a page needs.
MENU: Mapping[str, Sequence[tuple[str, str, str]]] = {
    "Look": (
        ("/", "Overview", "GetOverview"),
        ("/payments", "Payments", PAYMENTS.call),
        ("/exposure", "Exposure", EXPOSURE.call),
        ("/scoreboards", "Scoreboards", SCOREBOARDS.call),
    ),
    "Waiting": (
        ("/holds", "On hold", HELD.call),
        ("/overdue", "Overdue", OVERDUE.call),
        ("/merchants-turn", "For merchants", MERCHANTS_TURN.call),
        ("/dead-letters", "Dead letters", DEAD_LETTERS.call),
        ("/disputes", "Disputes", DISPUTES.call),
    ),
    "Decide": (
        ("/proposals", "Proposals", PROPOSALS.call),
        ("/rates", "Rates", OVERRIDES.call),
    ),
    "Administer": (
        ("/merchants", "Merchants", MERCHANTS.call),
        ("/operator-keys", "Operators' keys", OPERATOR_KEYS.call),
        ("/actions", "Audit trail", ACTIONS.call),
    ),
}
