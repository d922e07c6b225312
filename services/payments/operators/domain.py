"""The nouns of operators: dead letters, which are set aside because they kept failing, actions, and
the reasons for which a verb is refused. The effect of a verb on a payment is in decisions."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.shared.errors import NotAllowedNow, NotFound
from services.shared.ids import Prefix, encode_id
from services.shared.money import Money

# So many refusals of one credential in an hour are kept in the log; the others are only counted.
REFUSALS_MAX = 60
SUBJECT_MAX = 128
# The name under which the log of actions has what no operator did.
CLOCK = "caravel"
# Each replica holds all merchants in memory, so that a stolen key must not make them without end.
MERCHANTS_A_DAY_MAX = 500
# The same holds of operators' keys: so many may be active, and be made in a day with one of them.
OPERATOR_KEYS_MAX = 1000
OPERATOR_KEYS_A_DAY_MAX = 100


class DeadLetterNotFound(NotFound):
    """Nothing is set aside under this id, or not any more; the log of actions says who acted."""

    reason = "DEAD_LETTER_NOT_FOUND"


class DeadLetterUnmatched(NotAllowedNow):
    """The event is about a payment, or an attempt, that is not here: there is nothing to try again.
    Ask its provider, then discard it. Where its payment comes, it is given to it by itself."""

    reason = "DEAD_LETTER_UNMATCHED"


class PaymentNotOnHold(NotAllowedNow):
    """The payment does not wait for a person, or not any more."""

    reason = "PAYMENT_NOT_ON_HOLD"


class AttemptNotOpen(NotAllowedNow):
    """The payment has no attempt whose outcome is open."""

    reason = "ATTEMPT_NOT_OPEN"


class ProviderCannotPay(NotAllowedNow):
    """The provider is no offramp of the corridor that can pay this recipient this amount."""

    reason = "PROVIDER_CANNOT_PAY"


class PaymentNotHoldable(NotAllowedNow):
    """The payment is over, so that there is nothing to hold."""

    reason = "PAYMENT_NOT_HOLDABLE"


class OperatorKeyNotFound(NotFound):
    """No operator has a key of this id."""

    reason = "OPERATOR_KEY_NOT_FOUND"


class MerchantHasKey(NotAllowedNow):
    """The merchant has an active key with keys:manage, by which it makes its keys itself."""

    reason = "MERCHANT_HAS_KEY"


class MerchantsExhausted(NotAllowedNow):
    """The operator has made as many merchants in a day as one may."""

    reason = "MERCHANTS_EXHAUSTED"


class ProviderContradicts(NotAllowedNow):
    """The provider says something else of the attempt than the operator."""

    reason = "PROVIDER_CONTRADICTS"


class AttemptMayArrive(NotAllowedNow):
    """A request under the attempt may still arrive at its provider, or not be shown there yet."""

    reason = "ATTEMPT_MAY_ARRIVE"


class OperationOfAnotherAttempt(NotAllowedNow):
    """The provider's id in the statement is that of an operation under another attempt."""

    reason = "OPERATION_OF_ANOTHER_ATTEMPT"


class ProviderNotAsked(NotAllowedNow):
    """The provider could not be asked; where that is known, say `provider_unreachable`."""

    reason = "PROVIDER_NOT_ASKED"


class NoLockedRate(NotAllowedNow):
    """Only a payment held for late funds has a locked rate to honour."""

    reason = "NO_LOCKED_RATE"


class Kind(StrEnum):
    """The kinds of dead letters; the names of the public API."""

    STEP = "STEP"
    INBOX = "INBOX"
    OUTBOX = "OUTBOX"
    # A verified event about a payment or an attempt that we do not know.
    ORPHAN = "ORPHAN"
    # A row of the database that cannot be read.
    UNREADABLE = "UNREADABLE"


class LetterReason(StrEnum):
    """Why something was set aside; the names of the public API."""

    STEP_FAILED = "step_failed"
    EVENT_FAILED = "event_failed"
    # A verified event about a payment, or an attempt of one, that we do not know.
    PAYMENT_UNKNOWN = "payment_unknown"
    ATTEMPT_UNKNOWN = "attempt_unknown"
    DELIVERY_FAILED = "delivery_failed"
    ROW_UNREADABLE = "row_unreadable"


@dataclass(frozen=True, kw_only=True)
class LetterKey:
    """Which row is set aside: its kind, and the words of its key, between single spaces."""

    kind: Kind
    words: str

    @property
    def dead_letter_id(self) -> str:
        """The public id, which says all that is needed to find the row again."""
        digits = base64.urlsafe_b64encode(self.words.encode()).decode().rstrip("=")
        return f"{self.kind.lower()}_{digits}"


@dataclass(frozen=True, kw_only=True)
class Record:
    """A row of the database that cannot be read."""

    table: str
    # The values of its primary key, as a JSON array of texts.
    key: str
    # The column that cannot; empty where that cannot be said.
    column: str


@dataclass(frozen=True, kw_only=True)
class EventFacts:
    """The facts of an event that was set aside, by which its provider is asked."""

    provider: str
    event_id: str
    # Our key, and the provider's id of the operation, as far as it states them.
    key: str
    provider_reference: str
    amount: Money | None
    # Of the bytes that were received.
    payload_sha256: str


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """Something that kept failing and was set aside."""

    key: LetterKey
    # Empty where an event names no payment that we know.
    merchant_id: str
    # None where an event names no payment.
    payment_id: UUID | None
    reason: str
    attempts: int
    last_error: str
    set_aside_at: datetime
    # In words, of an event: its type, outcome and amount.
    event: str = ""
    # None where it is about no event, or one that cannot be read.
    facts: EventFacts | None = None
    # The row that cannot be read, where it is about one.
    record: Record | None = None
    # Whether nothing could be tried again, because its payment or its attempt is not here.
    is_unmatched: bool = False

    @property
    def transaction_id(self) -> str:
        """The public id of its payment; empty where it names none."""
        return encode_id(Prefix.PAYMENT, self.payment_id) if self.payment_id else ""


@dataclass(frozen=True, kw_only=True)
class LetterFilter:
    """Which dead letters; absent fields do not filter."""

    merchant_id: str | None = None
    kind: Kind | None = None
    # The endpoint that never took them.
    endpoint_id: UUID | None = None
    reason: LetterReason | None = None
    # Those that come after this one: when it was set aside, and its key.
    after: tuple[datetime, LetterKey] | None = None


class Action(StrEnum):
    """The verbs of an operator; the names of the public API."""

    REQUEUE_DEAD_LETTER = "REQUEUE_DEAD_LETTER"
    DISCARD_DEAD_LETTER = "DISCARD_DEAD_LETTER"
    REPLAY_DELIVERY = "REPLAY_DELIVERY"
    REPLAY_ENDPOINT = "REPLAY_ENDPOINT"
    RELEASE_HOLD = "RELEASE_HOLD"
    RESOLVE_ATTEMPT = "RESOLVE_ATTEMPT"
    FORCE_PAYOUT = "FORCE_PAYOUT"
    PLACE_HOLD = "PLACE_HOLD"
    TRY_NOW = "TRY_NOW"
    REFUND_PAYMENT = "REFUND_PAYMENT"
    CORRECT_PAYMENT = "CORRECT_PAYMENT"
    ADJUST_PAYMENT = "ADJUST_PAYMENT"
    CREATE_OPERATOR_KEY = "CREATE_OPERATOR_KEY"
    ROLL_OPERATOR_KEY = "ROLL_OPERATOR_KEY"
    REVOKE_OPERATOR_KEY = "REVOKE_OPERATOR_KEY"
    CREATE_MERCHANT = "CREATE_MERCHANT"
    DISABLE_MERCHANT = "DISABLE_MERCHANT"
    ENABLE_MERCHANT = "ENABLE_MERCHANT"
    CREATE_MERCHANT_KEY = "CREATE_MERCHANT_KEY"
    REVOKE_MERCHANT_KEY = "REVOKE_MERCHANT_KEY"
    REVOKE_MERCHANT_KEYS = "REVOKE_MERCHANT_KEYS"
    CREATE_PROPOSAL = "CREATE_PROPOSAL"
    APPROVE_PROPOSAL = "APPROVE_PROPOSAL"
    REFUSE_PROPOSAL = "REFUSE_PROPOSAL"
    WITHDRAW_PROPOSAL = "WITHDRAW_PROPOSAL"
    # By no operator: nobody decided in time, or it could not be done.
    EXPIRE_PROPOSAL = "EXPIRE_PROPOSAL"
    FAIL_PROPOSAL = "FAIL_PROPOSAL"
    RATE_OVERRIDE = "RATE_OVERRIDE"
    END_RATE_OVERRIDE = "END_RATE_OVERRIDE"
    PAUSE_PROVIDER = "PAUSE_PROVIDER"
    PAUSE_CORRIDOR = "PAUSE_CORRIDOR"
    RESUME_PROVIDER = "RESUME_PROVIDER"
    RESUME_CORRIDOR = "RESUME_CORRIDOR"
    APPLY_CORRIDORS = "APPLY_CORRIDORS"
    START_RECOVERY = "START_RECOVERY"
    RECOVER_PAYMENT = "RECOVER_PAYMENT"
    ACCEPT_DATABASE = "ACCEPT_DATABASE"


def read_dead_letter_id(text: str) -> LetterKey:
    """The key behind a public id. Raises DeadLetterNotFound for a malformed one."""
    key = decode_key(text)
    if key is None:
        raise DeadLetterNotFound(dead_letter_id=text)
    return key


def decode_key(text: str) -> LetterKey | None:
    """The key behind a public id; None behind a malformed one."""
    name, _, digits = text.partition("_")
    try:
        kind = Kind(name.upper())
        raw = base64.urlsafe_b64decode(digits + "=" * (-len(digits) % 4))
        key = LetterKey(kind=kind, words=raw.decode())
    except (ValueError, binascii.Error):
        return None
    # Only the one way of writing it that is ours; and no text of ours has a zero in it.
    return key if key.dead_letter_id == text and "\0" not in key.words else None
