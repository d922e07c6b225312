"""A payment that makes no progress: as it is listed, and as it is counted. How long a state takes
as a rule is in model.progress."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.payments.model.payment import State
from services.payments.model.timing import Waiting
from services.shared.ids import Prefix, encode_id
from services.shared.money import Money

# Ages from which on an overdue payment is counted in the next bucket, in seconds since it entered
# its state.
AGES: tuple[tuple[str, int], ...] = (
    ("1d", 86_400),
    ("4h", 14_400),
    ("1h", 3_600),
    ("10min", 600),
    ("0", 0),
)


@dataclass(frozen=True, kw_only=True)
class OverdueCount:
    """How many payments of one state, provider, corridor and age are overdue."""

    state: str
    provider: str
    corridor_id: str
    age: str
    payments: int


@dataclass(frozen=True, kw_only=True)
class OverduePayment:
    """A payment that is overdue, with the last that is known of it."""

    merchant_id: str
    payment_id: UUID
    corridor_id: str
    state: State
    # The provider of the step; empty where it is ours.
    provider: str
    since: datetime
    within: timedelta
    # Of the present attempt; empty and zero where there is none.
    key: str
    attempt_state: str
    attempts: int
    sends: int
    code: str
    message: str
    last_at: datetime | None
    next_at: datetime | None
    amount: Money
    # Empty where it is not on hold.
    hold_reason: str
    # The person that it waits for, and until when; None where it waits for a provider or for us.
    waiting_for: Waiting | None = None
    deadline_at: datetime | None = None
    # The end of the pause for which its attempt waits to be sent; None where it waits for none.
    paused_until: datetime | None = None

    @property
    def transaction_id(self) -> str:
        """The public id, for example pay_01jd8x3v9me7rb5k3n6q2f4h8z."""
        return encode_id(Prefix.PAYMENT, self.payment_id)


@dataclass(frozen=True, kw_only=True)
class UnreadableOverdue:
    """An overdue payment whose record cannot be read, named in the list of the others."""

    payment_id: UUID
    # Its place in the list.
    since: datetime

    @property
    def transaction_id(self) -> str:
        """The public id, for example pay_01jd8x3v9me7rb5k3n6q2f4h8z."""
        return encode_id(Prefix.PAYMENT, self.payment_id)
