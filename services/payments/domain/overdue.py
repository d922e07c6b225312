"""How long a payment may stand in a state, as a rule: what takes longer is overdue. One table, from
what each provider has declared of its steps and from our own times for the states in between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.payments.domain.attempt import Capabilities, Step
from services.payments.domain.payment import State
from services.shared.ids import encode_id

# The states in which the engine, and nobody else, has something to do, and the step that it waits
# for where that is a provider's.
STEPS: Mapping[State, Step | None] = {
    State.CREATED: None,
    State.COLLECTING: Step.COLLECTION,
    State.FUNDED: None,
    State.CONVERTED: None,
    State.PAYING_OUT: Step.PAYOUT,
    State.REFUNDING: Step.REFUND,
}
# Between two steps: a claim, and a rate of fx.
OURS = timedelta(minutes=1)
# Where a provider has not said, as in an audit, which asks none.
USUAL: Mapping[Step, timedelta] = {
    Step.COLLECTION: timedelta(minutes=1),
    Step.PAYOUT: timedelta(minutes=30),
    Step.REFUND: timedelta(hours=1),
}
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
class ExpectedTime:
    """How long a payment stands in a state; at any provider where none is named."""

    state: State
    step: Step | None
    provider: str
    within: timedelta


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

    payment_id: UUID
    corridor_id: str
    state: State
    # Who serves the step; empty where it is ours.
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

    @property
    def transaction_id(self) -> str:
        """The public id."""
        return encode_id("pay", self.payment_id)


@dataclass(frozen=True, kw_only=True)
class UnreadableOverdue:
    """An overdue payment whose record cannot be read, named in the list of the others."""

    payment_id: UUID
    # Its place in the list.
    since: datetime

    @property
    def transaction_id(self) -> str:
        """The public id."""
        return encode_id("pay", self.payment_id)


def expected_times(capabilities: Mapping[str, Capabilities]) -> Sequence[ExpectedTime]:
    """The table: each state with its usual time, and with that of each provider that has declared
    one. The time that a payment's corridor states stands with the payment and comes first."""
    usual = [
        ExpectedTime(state=state, step=step, provider="", within=USUAL[step] if step else OURS)
        for state, step in STEPS.items()
    ]
    declared = [
        ExpectedTime(state=state, step=step, provider=known.provider, within=known.expected[step])
        for state, step in STEPS.items()
        for known in capabilities.values()
        if step is not None and step in known.expected
    ]
    return [*usual, *declared]
