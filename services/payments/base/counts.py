"""Counts payments as they come to each state, with the money that the state is about, and times
those that complete. Called after a commit: what was rolled back is counted nowhere."""

import time
from functools import cache

from prometheus_client import Counter, Histogram

from services.payments.model.payment import Payment, State

ENTERED = Counter(
    "caravel_payments_total",
    "Payments that came to a state, with the provider that serves them there.",
    ["state", "corridor", "provider"],
)
VALUE = Counter(
    "caravel_payments_value_minor_total",
    "Their money in minor units: the payout where completed, the refund where refunded, else the "
    "amount.",
    ["state", "corridor", "provider", "currency"],
)
COMPLETION = Histogram(
    "caravel_payment_completion_seconds",
    "Time from creation to completion.",
    ["corridor"],
    buckets=(0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 86_400, 259_200),
)
# The offramp serves a payment in these, and the onramp in all others.
PAID_OUT = frozenset(
    {
        State.CONVERTED,
        State.PAYING_OUT,
        State.ACTION_REQUIRED,
        State.COMPLETED,
        State.RETURNED,
    }
)
REFUNDED = frozenset({State.REFUNDED, State.PARTLY_REFUNDED})


def count_created(payment: Payment) -> None:
    """Counts a payment that was created, and its amount."""
    _count(State.CREATED, payment, payment.terms.amount.amount_minor, payment.terms.amount.currency)


def count_move(before: Payment, payment: Payment, state: State) -> None:
    """Counts the entry into a state: a completed payment by its payout, a refunded one by what this
    change gave back, each other by its amount."""
    if state is State.COMPLETED:
        _count(state, payment, payment.terms.payout.amount_minor, payment.terms.payout.currency)
        COMPLETION.labels(payment.corridor_id).observe(time.time() - payment.created_at.timestamp())
    elif state in REFUNDED:
        given_back = payment.refunded.amount_minor - before.refunded.amount_minor
        _count(state, payment, max(0, given_back), payment.refunded.currency)
    else:
        _count(state, payment, payment.terms.amount.amount_minor, payment.terms.amount.currency)


def _count(state: State, payment: Payment, amount_minor: int, currency: str) -> None:
    provider = payment.offramp if state in PAID_OUT else payment.onramp
    entered, value = _series(state, payment.corridor_id, provider, currency)
    entered.inc()
    value.inc(amount_minor)


@cache
def _series(state: State, corridor: str, provider: str, currency: str) -> tuple[Counter, Counter]:
    """The counters of payments and of minor units; kept, as a look-up costs more than a count."""
    labels = (state.value, corridor, provider)
    return ENTERED.labels(*labels), VALUE.labels(*labels, currency)
