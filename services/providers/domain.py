"""The nouns of the service: what is asked of a provider, what came of it, what a provider promises,
and what it tells us unasked. How each provider says these things is in adapters/."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from services.shared.errors import Invalid, NotAuthenticated, NotFound
from services.shared.money import Money


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
    """What is asked of a provider."""

    COLLECTION = "collection"
    PAYOUT = "payout"


class Outcome(Enum):
    """What is known of an operation."""

    SUCCEEDED = "succeeded"
    PENDING = "pending"
    # Only for a definitive refusal: nothing moved under this key, and nothing will.
    FAILED = "failed"
    UNKNOWN = "unknown"
    # Look-up only: the provider says that it has no such operation.
    ABSENT = "absent"


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """Who is paid. Kept out of every repr, and so out of every log."""

    account: str = field(repr=False)
    bank_code: str = field(repr=False)
    name: str = field(repr=False)


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
    # The provider's own id, once it has told us; makes a look-up exact.
    provider_reference: str = ""
    trace_id: str = ""


@dataclass(frozen=True)
class Failure:
    """Why not: a stable lower-case code of ours, and words that an operator may see."""

    code: str
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class OperationResult:
    """What one operation came to, as far as anybody knows."""

    key: str
    outcome: Outcome
    provider_reference: str = ""
    amount: Money | None = None
    failure: Failure | None = None


def unknown(key: str, code: str, message: str = "", reference: str = "") -> OperationResult:
    """Nobody knows what became of the operation; never a failure."""
    return OperationResult(
        key=key,
        outcome=Outcome.UNKNOWN,
        provider_reference=reference,
        failure=Failure(code, message),
    )


def failed(key: str, code: str, message: str = "", reference: str = "") -> OperationResult:
    """The provider refused definitively; nothing moved under this key."""
    return OperationResult(
        key=key,
        outcome=Outcome.FAILED,
        provider_reference=reference,
        failure=Failure(code, message),
    )


class LookUpStrength(Enum):
    """What "absent" proves: everything at once, everything after a lag, or nothing."""

    STRONG = "strong"
    EVENTUAL = "eventual"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a provider can do and promise; the engine decides by nothing else."""

    kinds: frozenset[Kind]
    # How long the provider remembers our key.
    key_lifetime: timedelta
    look_up: LookUpStrength
    # How long after a send "absent" still proves nothing; zero with STRONG.
    look_up_lag: timedelta
    # True when a verified event is itself the evidence; false when it is a hint to look up.
    event_is_evidence: bool


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """A webhook as it arrived: header names in lower case, the body byte for byte."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    # True in a sandbox; only providers without an API of their own may then come unsigned.
    allow_unsigned: bool = False


@dataclass(frozen=True, kw_only=True)
class WebhookEvent:
    """What a verified webhook says; `kind` is None when it is about none of our operations."""

    event_id: str
    event_type: str
    transaction_id: str = ""
    key: str = ""
    kind: Kind | None = None
    outcome: Outcome = Outcome.UNKNOWN
    provider_reference: str = ""
    amount: Money | None = None
    failure: Failure | None = None
    # False when the event passed unsigned under the sandbox rule.
    signed: bool = True
