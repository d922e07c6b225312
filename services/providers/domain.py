"""The nouns of the service: operations, their results, the capabilities of providers, and their
events. How each provider says these things is in adapters/."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from services.providers.failures import PASSING_FAILURES, RECIPIENT_FAILURES
from services.shared.errors import DomainError, Invalid, NotAuthenticated, NotFound
from services.shared.money import Money
from services.shared.recipients import Recipient, RecipientKind
from services.shared.recipients.rails import Rail


class ProviderNotFound(NotFound):
    """No provider of this name is registered."""

    reason = "PROVIDER_NOT_FOUND"


class WebhookSignatureInvalid(NotAuthenticated):
    """The webhook's signature is missing or does not fit its bytes."""

    reason = "WEBHOOK_SIGNATURE_INVALID"


class WebhookTimestampOutOfRange(NotAuthenticated):
    """The webhook was signed more than five minutes ago or ahead."""

    reason = "WEBHOOK_TIMESTAMP_OUT_OF_RANGE"


class WebhookEventTypeUnknown(Invalid):
    """The event type is none that this endpoint knows."""

    reason = "WEBHOOK_EVENT_TYPE_UNKNOWN"


class Kind(Enum):
    """The kinds of operation at a provider."""

    COLLECTION = "collection"
    PAYOUT = "payout"
    REFUND = "refund"


class Outcome(Enum):
    """The outcome of an operation, as far as it is known."""

    SUCCEEDED = "succeeded"
    PENDING = "pending"
    # Only for a definitive refusal: nothing moved under this key, and nothing will.
    FAILED = "failed"
    UNKNOWN = "unknown"
    # Look-up only: the provider says that it has no such operation.
    ABSENT = "absent"
    # This try provably never left; says nothing about an earlier try of the same key.
    NOT_SENT = "not_sent"
    # This try was refused for good and moved nothing; says nothing about an earlier try either.
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One attempt of one step of one payment; `key` is the same for every try of it."""

    provider: str
    kind: Kind
    key: str
    amount: Money
    transaction_id: str
    reference: str = ""
    payment_method: str = ""
    recipient: Recipient | None = None
    # The provider's own id, once we have received it; makes a look-up exact.
    provider_reference: str = ""
    # The provider's id of the collection that a refund gives back.
    collection_reference: str = ""
    # Until when the payer of a collection is there to act; None where nobody is.
    payer_until: datetime | None = None
    # Where a payer who is sent elsewhere to act comes back to.
    return_url: str = ""
    # Text of payments that the provider keeps with a collection, where it can.
    recovery: str = ""
    trace_id: str = ""


@dataclass(frozen=True)
class NextAction:
    """The action for which the payer is asked. Kept out of every repr, and so out of every log."""

    # "use_sdk" or "redirect".
    kind: str
    client_secret: str = field(repr=False)
    url: str = field(default="", repr=False)


@dataclass(frozen=True)
class Failure:
    """Why not: a stable lower-case code of ours, and words that an operator may see."""

    code: str
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class OperationResult:
    """The result of one operation, as far as it is known."""

    key: str
    outcome: Outcome
    provider_reference: str = ""
    amount: Money | None = None
    failure: Failure | None = None
    # How long to wait before the next try; 0 where nobody has said.
    retry_after_seconds: int = 0
    # When the provider did it, by its own clock.
    occurred_at: datetime | None = None
    # The action for which the payer is asked; None where nobody is.
    next_action: NextAction | None = None

    @property
    def code(self) -> str:
        """The failure's code; empty where there is none."""
        return self.failure.code if self.failure else ""


def unknown(
    key: str, code: str, message: str = "", reference: str = "", *, retry_after_seconds: int = 0
) -> OperationResult:
    """Nobody knows what became of the operation; never a failure."""
    return OperationResult(
        key=key,
        outcome=Outcome.UNKNOWN,
        provider_reference=reference,
        failure=Failure(code, message),
        retry_after_seconds=retry_after_seconds,
    )


def other_amount(key: str, reference: str, moved: Money | None) -> OperationResult:
    """The provider shows another amount than ours under our key. `moved` is what it says to have
    moved already; None where it says that nothing has, or nothing that can be read."""
    differs = unknown(key, "amount_mismatch", f"see {reference}", reference)
    return replace(differs, amount=moved if moved and moved.amount_minor else None)


# The code of a status that the provider's documents do not name: it says nothing of the money.
UNKNOWN_STATUS = "unknown_status"


def failed(key: str, code: str, message: str = "", reference: str = "") -> OperationResult:
    """The provider refused definitively; nothing moved under this key."""
    return OperationResult(
        key=key,
        outcome=Outcome.FAILED,
        provider_reference=reference,
        failure=Failure(code, message),
    )


def refused(key: str, code: str, message: str = "") -> OperationResult:
    """The provider refused this try definitively; an earlier one may have been taken."""
    return OperationResult(key=key, outcome=Outcome.REFUSED, failure=Failure(code, message[:255]))


def not_sent(
    key: str, code: str, message: str = "", *, retry_after_seconds: int = 0
) -> OperationResult:
    """This try provably never left."""
    return OperationResult(
        key=key,
        outcome=Outcome.NOT_SENT,
        failure=Failure(code, message),
        retry_after_seconds=retry_after_seconds,
    )


class Resolution(Enum):
    """The answer to the question under which name an account is held."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, kw_only=True)
class Holder:
    """An account's holder, as far as a provider knows; the name is there with FOUND."""

    resolution: Resolution
    name: str = field(default="", repr=False)


# Nobody has said.
UNANSWERED = Holder(resolution=Resolution.UNANSWERED)
# A kind of recipient, and a currency.
Resolvable = tuple[RecipientKind, str]


class LookUpStrength(Enum):
    """Whether "absent" is evidence: at once, after a lag, or never."""

    STRONG = "strong"
    EVENTUAL = "eventual"
    NONE = "none"


class ErrorCaching(Enum):
    """Whether an error is a key's answer for good."""

    ERRORS_NOT_CACHED = "errors_not_cached"
    ERRORS_CACHED = "errors_cached"


class DuplicateReference(Enum):
    """How a provider treats a reference that was used before, once it has forgotten the key."""

    REJECTS = "rejects"
    RETURNS_ORIGINAL = "returns_original"
    CREATES_NEW = "creates_new"


class WebhookAuthentication(Enum):
    """How webhooks prove where they come from."""

    BODY_SIGNATURE = "body_signature"
    SHARED_VALUE = "shared_value"
    NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """The capabilities of a provider; the engine decides by nothing else."""

    kinds: frozenset[Kind]
    # How long the provider remembers our key, and within what it is unique.
    key_lifetime: timedelta
    key_scope: str
    error_caching: ErrorCaching
    duplicate_reference: DuplicateReference
    # How long after success the provider may still take it back.
    success_final_after: timedelta
    webhook_authentication: WebhookAuthentication
    # The closed list of codes that a FAILED may have: each proves that nothing moved.
    definitive_failures: frozenset[str]
    look_up: LookUpStrength
    # How long after the last request can have left "absent" still proves nothing; zero with STRONG.
    look_up_lag: timedelta
    # True when a verified event is itself the evidence; false when it is a hint to look up.
    event_is_evidence: bool
    # How long an operation of each kind takes as a rule, from its first send to its outcome.
    expected: Mapping[Kind, timedelta]
    # The accounts whose holder it can name.
    resolves: frozenset[Resolvable] = frozenset()
    # The rails that it pays out by, as its documents have them; none where it takes no payouts.
    rails: tuple[Rail, ...] = ()
    # How long an outcome may be unknown before a person must see to it.
    unknown_hold_after: timedelta = timedelta(minutes=30)
    # True where it lists its events, so that those whose webhooks were lost are found.
    lists_events: bool = False
    # Whether it can be asked how a claim against a collection stands.
    looks_up_disputes: bool = False
    # Whether it lists our operations by their time.
    lists_operations: bool = False

    def __post_init__(self) -> None:
        if self.expected.keys() != self.kinds:
            raise ValueError("each kind of operation has an expected time")
        if bool(self.rails) != (Kind.PAYOUT in self.kinds):
            raise ValueError("a provider has rails where it takes payouts, and nowhere else")
        if not timedelta(0) < self.unknown_hold_after < self.key_lifetime * 4 / 5:
            raise ValueError("an unknown outcome is a person's before its key may be forgotten")
        signed = self.webhook_authentication is WebhookAuthentication.BODY_SIGNATURE
        if self.event_is_evidence and not signed:
            raise ValueError("an event without a signature over its body is no evidence")

    @property
    def passing_failures(self) -> frozenset[str]:
        """The definitive failures that say nothing of the recipient and may pass: no balance, a
        limit."""
        return self.definitive_failures & PASSING_FAILURES

    @property
    def recipient_failures(self) -> frozenset[str]:
        """The definitive failures that are about the recipient: no other route would pay it
        either."""
        return self.definitive_failures & RECIPIENT_FAILURES


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """A webhook as it arrived: header names in lower case, the body byte for byte."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    # True in a sandbox; only providers without an API of their own may then come unsigned.
    allow_unsigned: bool = False
    trace_id: str = ""


@dataclass(frozen=True, kw_only=True)
class WebhookEvent:
    """The content of a verified webhook; `kind` is None when it is about none of our operations."""

    event_id: str
    event_type: str
    transaction_id: str = ""
    key: str = ""
    kind: Kind | None = None
    outcome: Outcome = Outcome.UNKNOWN
    provider_reference: str = ""
    amount: Money | None = None
    failure: Failure | None = None
    # When it happened, by the provider's own clock.
    occurred_at: datetime | None = None
    # False when the event passed unsigned under the sandbox rule.
    signed: bool = True
    # The provider's id of the collection that it is about, where it does not repeat our key.
    collection_reference: str = ""
    # A claim against that collection: no outcome of an operation of ours.
    dispute: "Dispute | None" = None


@dataclass(frozen=True, kw_only=True)
class ListedEvent:
    """One event of a provider's list; `read` is its content, or why that cannot be read."""

    read: WebhookEvent | DomainError
    # As JSON, like the body of its webhook.
    body: bytes = field(repr=False)
    # By the provider's own clock; None where it does not say.
    created_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class EventPage:
    """A page of the events that a provider keeps."""

    events: tuple[ListedEvent, ...]
    # The name of the one after it; empty where there is none.
    next_page: str = ""


class DisputeKind(Enum):
    """The kinds of claim against a collection."""

    # The payer, or the payer's bank, wants the money back.
    DISPUTE = "dispute"
    # The card's scheme says that the charge is probably fraud.
    FRAUD_WARNING = "fraud_warning"
    # The provider itself wants a person to look at the charge.
    REVIEW = "review"


class DisputeStatus(Enum):
    """The progress of a claim."""

    # Somebody must answer it, where there is a time until `respond_by`.
    NEEDS_RESPONSE = "needs_response"
    UNDER_REVIEW = "under_review"
    WON = "won"
    LOST = "lost"
    # It is over, and no money was decided about.
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class Dispute:
    """A claim against a collection, as its provider states it."""

    kind: DisputeKind
    # The provider's own id.
    provider_reference: str
    status: DisputeStatus
    # The provider's word for the reason.
    reason: str = ""
    # How much is claimed; None where that is not said.
    amount: Money | None = None
    # How much of it the provider has taken from us by now; None where that is not said.
    withdrawn: Money | None = None
    respond_by: datetime | None = None
