"""How long everything may take: how long the engine waits and how often it tries, how long a
payment waits for a person, and how long it stands in a state as a rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.payments.model.attempt import Answer, Attempt, Capabilities, Step
from services.payments.model.payment import Payment, State

# An unknown outcome is looked into again after 0.5 s, 1 s, 2 s … and then every minute.
FIRST_RETRY = timedelta(seconds=0.5)
LONGEST_RETRY = timedelta(seconds=60)
LONGEST_SPREAD = timedelta(seconds=10)
# What is open is asked about when it is a quarter older than at the last time.
FIRST_POLL = timedelta(seconds=1)
LONGEST_POLL = timedelta(seconds=60)
# No request is still on its way so long after it was sent: a lease, and all timeouts in it.
SEND_DEADLINE = timedelta(seconds=30)
# fx is away or has no rate: it is asked again so much later.
RATE_RETRY = timedelta(seconds=5)
# While a payment is on hold, its provider is asked so often about an event that may end the hold.
HELD_POLL = timedelta(minutes=5)
# Between two rounds of a route that cannot pay now: 5 s, then half as long again, up to 5 minutes.
FIRST_ROUND, LONGEST_ROUND = timedelta(seconds=5), timedelta(minutes=5)
# Every payment that is open and not on hold is due again within this time. The list of what is
# overdue looks no further.
LOOKS_AHEAD = timedelta(minutes=10)
# A provider's clock may differ from ours by so much.
CLOCK_SKEW = timedelta(seconds=5)

# An error under a key is believed to be for good when it has come so often.
CACHED_ERRORS = 5
# A key is sent no more often than that.
SENDS_MAX = 10
# A step gets no more keys than that because errors were cached under those before.
KEYS_MAX = 10
# A status that no document names is asked about so often.
STATUS_TRIES = 5
# What cannot be sent to the last provider of a route is tried so often before the route waits.
NOT_SENT_TRIES = 5


def retry_in(attempt: Attempt, answer: Answer, spread: float) -> timedelta:
    """When to look again into an outcome that is unknown; spread is in [0, 1)."""
    # Where the time is known payments are only spread beyond it, so that not all come at once.
    longest = LONGEST_SPREAD if answer.retry_after else LONGEST_RETRY
    delay: timedelta = min(FIRST_RETRY * 2 ** min(attempt.inconclusive_count, 10), longest)
    return answer.retry_after + delay * (0.5 + spread / 2)


def poll_in(since: datetime | None, now: datetime) -> timedelta:
    """When to ask again about something that has been open since then."""
    age = now - since if since else FIRST_POLL
    return min(max(age / 4, FIRST_POLL), LONGEST_POLL)


def round_in(rounds: int, patience: timedelta) -> timedelta | None:
    """How long a route rests after so many rounds in vain; None where its patience is over.

    Derived from the number of rounds alone, so that a crash neither shortens nor renews it.
    """
    waited, pause = timedelta(0), FIRST_ROUND
    for _ in range(rounds - 1):
        waited += pause
        pause = min(pause * 1.5, LONGEST_ROUND)
    return pause if waited + pause <= patience else None


class Waiting(StrEnum):
    """For whom or for what a payment waits."""

    # The merchant, who says what becomes of a payout that came back.
    RETURNED = "RETURNED"
    # The merchant, who has had a part given back and has the rest to decide about.
    PARTLY_REFUNDED = "PARTLY_REFUNDED"
    # Our people.
    ON_HOLD = "ON_HOLD"


# Past it, a payout that came back and the rest of a refund in parts go back to the payer. A hold
# ends by a person only; past its deadline it is an alarm.
DEADLINES: Mapping[Waiting, timedelta] = {
    Waiting.RETURNED: timedelta(days=30),
    Waiting.PARTLY_REFUNDED: timedelta(days=30),
    Waiting.ON_HOLD: timedelta(days=3),
}


def waiting_as(payment: Payment) -> Waiting | None:
    """How the payment waits for a person; None where it goes on by itself or is over."""
    if payment.hold_reason is not None:
        return Waiting.ON_HOLD
    if payment.state is State.RETURNED:
        return Waiting.RETURNED
    if payment.state is State.REFUNDING and payment.refunded.amount_minor > 0:
        return Waiting.PARTLY_REFUNDED
    return None


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


@dataclass(frozen=True, kw_only=True)
class ExpectedTime:
    """How long a payment stands in a state; at any provider where none is named."""

    state: State
    step: Step | None
    provider: str
    within: timedelta


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
