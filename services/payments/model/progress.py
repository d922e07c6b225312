"""The waits of a payment: for a person, and in each state as a rule. The times themselves are in
timing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from services.payments.model.attempt import Capabilities, Step
from services.payments.model.payment import CORRECTABLE, Payment, State
from services.payments.model.timing import (
    DEADLINES,
    FINAL_AFTER,
    OURS,
    USUAL_COLLECTION,
    USUAL_PAYOUT,
    USUAL_REFUND,
    Waiting,
)


def waiting_as(payment: Payment) -> Waiting | None:
    """How the payment waits for a person; None where it goes on by itself or is over."""
    if payment.hold_reason is not None:
        return Waiting.ON_HOLD
    if payment.state in CORRECTABLE:
        return Waiting(payment.state.value)
    if payment.state is State.PARTLY_REFUNDED:
        return Waiting.PARTLY_REFUNDED
    return None


def waits_for(payment: Payment) -> timedelta | None:
    """How long it may wait for a person; None where it waits for none."""
    waiting = waiting_as(payment)
    if waiting is Waiting.ACTION_REQUIRED:
        return payment.route.correction
    return DEADLINES[waiting] if waiting else None


# The step of a state: the next one, the one under way, or the last one.
STEP_OF_STATE: Mapping[State, Step] = {
    State.CREATED: Step.COLLECTION,
    State.COLLECTING: Step.COLLECTION,
    State.CONVERTED: Step.PAYOUT,
    State.PAYING_OUT: Step.PAYOUT,
    State.ACTION_REQUIRED: Step.PAYOUT,
    State.COMPLETED: Step.PAYOUT,
    State.RETURNED: Step.PAYOUT,
    State.REFUNDING: Step.REFUND,
    State.PARTLY_REFUNDED: Step.REFUND,
    State.REFUNDED: Step.REFUND,
}
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
# Where a provider has not said, as in an audit, which asks none.
USUAL: Mapping[Step, timedelta] = {
    Step.COLLECTION: USUAL_COLLECTION,
    Step.PAYOUT: USUAL_PAYOUT,
    Step.REFUND: USUAL_REFUND,
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
    # A completed payment is asked about once more, when the time has passed in which it may come
    # back.
    final = [
        ExpectedTime(
            state=State.COMPLETED,
            step=Step.PAYOUT,
            provider=known.provider,
            within=known.success_final_after + known.unknown_hold_after,
        )
        for known in capabilities.values()
        if known.success_final_after
    ]
    anywhere = ExpectedTime(
        state=State.COMPLETED, step=Step.PAYOUT, provider="", within=FINAL_AFTER
    )
    return [*usual, *declared, anywhere, *final]
