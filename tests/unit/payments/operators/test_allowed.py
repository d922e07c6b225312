"""The verbs that a payment is shown to allow are those that are not refused when they are done: in
every state, on every hold, with every attempt."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest

from services.payments.engine.decisions.corrections import Corrected
from services.payments.engine.decisions.facts import Work
from services.payments.mesh.ports import ProviderCall
from services.payments.model.adjustment import Adjusted
from services.payments.model.answer import SUCCEEDED_LATE, Answer
from services.payments.model.attempt import LIVE, Attempt, AttemptState, Capabilities, Step
from services.payments.model.dispute import (
    DisputeKind,
    DisputeReport,
    DisputeStatus,
    new_dispute,
)
from services.payments.model.holds import HOLDS, HoldReason
from services.payments.model.operator import Operator
from services.payments.model.payment import Failure, Payment, State
from services.payments.model.progress import STEP_OF_STATE
from services.payments.model.timing import CORRECTIONS_MAX
from services.payments.operators.allowed import OperatorVerb, allowed_verbs, record_of
from services.payments.operators.decisions import OPEN
from services.payments.operators.domain import Action
from services.payments.operators.inspected import InspectedPayment, Queued
from services.payments.operators.verbs.ready import Claim
from services.payments.operators.verbs.table import payment_verbs
from services.shared.errors import DomainError
from services.shared.recipients import NO_RECIPIENT, Recipient, Wallet, as_row
from tests.fakes import AlwaysCorridors
from tests.makers import CAPABILITIES, NOW, make_attempt, make_payment
from tests.payouts_in_any_order import FAILED as SAYS_FAILED
from tests.payouts_in_any_order import REFUSAL, SAYS

OFFRAMPS = ("local_wallet", "bank")
# By then every request that was sent has arrived.
LATER = NOW + timedelta(days=1)
ACTIONS: Mapping[OperatorVerb, Action] = {
    OperatorVerb.RELEASE: Action.RELEASE_HOLD,
    OperatorVerb.RESOLVE: Action.RESOLVE_ATTEMPT,
    OperatorVerb.TRY: Action.TRY_NOW,
    OperatorVerb.HOLD: Action.PLACE_HOLD,
    OperatorVerb.FORCE: Action.FORCE_PAYOUT,
    OperatorVerb.REFUND: Action.REFUND_PAYMENT,
    OperatorVerb.CORRECT: Action.CORRECT_PAYMENT,
    OperatorVerb.ADJUST: Action.ADJUST_PAYMENT,
}
ARGUMENTS: Mapping[Action, Mapping[str, Any]] = {
    Action.RELEASE_HOLD: {"honour_locked_rate": False},
    Action.RESOLVE_ATTEMPT: {
        "evidence": "line 12",
        "moved": None,
        "outcome": "FAILED",
        "provider_reference": "",
        "provider_unreachable": False,
    },
    Action.FORCE_PAYOUT: {"provider": "local_wallet"},
    Action.REFUND_PAYMENT: {"amount_minor": None, "reason": "", "ends_payout": True},
    Action.CORRECT_PAYMENT: {"recipient": as_row(Wallet(wallet_id="2"))},
    Action.ADJUST_PAYMENT: {
        "amount_minor": 1,
        "credit": "adjustments:USD",
        "currency": "USD",
        "debit": "suspense:stripe:USD",
        "evidence": "line 12",
    },
}


class Deployed:
    """The port Providers: each says that nothing has moved."""

    async def capabilities(self) -> Mapping[str, Capabilities]:
        return CAPABILITIES

    async def look_up(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
        for call in calls:
            yield call.attempt.key, SAYS[SAYS_FAILED]


class AnyRecipient:
    """Corrects every recipient to the one that is given."""

    async def corrected(self, payment: Payment, given: Recipient) -> Corrected:
        return Corrected(recipient=given, check=None, route=payment.route)


def _shown(state: State, hold: HoldReason | None, attempt: AttemptState | None) -> InspectedPayment:
    payment = make_payment(
        state=state, version=5, hold_reason=hold, recipient=Wallet(wallet_id="1")
    )
    step = STEP_OF_STATE.get(state, Step.COLLECTION)
    failure = REFUSAL if attempt in (AttemptState.FAILED, AttemptState.REVERSED) else None
    made = [make_attempt(payment, step, attempt, failure=failure, sends=1)] if attempt else []
    if step is not Step.COLLECTION:
        made.insert(0, make_attempt(payment, Step.COLLECTION, AttemptState.SUCCEEDED))
    return InspectedPayment(
        payment=payment,
        queued=Queued(now=LATER, due_at=None, lease_until=None, step_failures=0),
        events=(),
        attempts=made,
        postings=(),
        quotes=(),
        received=(),
        deliveries=(),
        urls={},
        actions=(),
        proposals=(),
        adjusted=Adjusted(
            own={"suspense:stripe:USD": -100},
            open_key="".join(one.key for one in made if one.state in OPEN),
        ),
    )


def _claimed(shown: InspectedPayment) -> Work:
    """As the store of the engine reads it: the attempt is that of the present step."""
    *earlier, last = (None, *shown.attempts)
    is_present = last is not None and last.step is STEP_OF_STATE.get(shown.payment.state)
    others = [*earlier, *(() if is_present else (last,))]
    return Work(
        payment=shown.payment,
        attempt=last if is_present else None,
        inbox=(),
        lease_token=7,
        claimed_at=shown.queued.now,
        earlier=tuple(one for one in others if one is not None),
    )


async def _refusal(shown: InspectedPayment, verb: OperatorVerb) -> DomainError | None:
    """The refusal that the verb meets when it is done; None where it is done."""
    corridors: Any = SimpleNamespace(
        get=lambda _: SimpleNamespace(providers=SimpleNamespace(offramps=OFFRAMPS))
    )
    providers: Any = Deployed()
    table = payment_verbs(providers, lambda: 0.0, AlwaysCorridors(corridors), AnyRecipient())
    action, work = ACTIONS[verb], _claimed(shown)
    try:
        ready = await table[action](work, ARGUMENTS.get(action, {}))
        ready.decide(
            Claim(
                work=work,
                operator=Operator(name="ada"),
                corrected_before=shown.corrected_before,
                adjusted=shown.adjusted,
            )
        )
    except DomainError as refusal:
        return refusal
    return None


def _with(**changes: Any) -> Callable[[InspectedPayment], InspectedPayment]:
    return lambda shown: replace(shown, payment=replace(shown.payment, **changes))


def _claimed_back(shown: InspectedPayment) -> InspectedPayment:
    report = DisputeReport(
        kind=DisputeKind.DISPUTE,
        provider_reference="dp_1",
        status=DisputeStatus.NEEDS_RESPONSE,
        reason="",
        amount=None,
        withdrawn=None,
        respond_by=None,
    )
    dispute = new_dispute(shown.payment, "stripe", report, NOW)
    return replace(shown, payment=replace(shown.payment, disputes=(dispute,)))


def _without_provider(shown: InspectedPayment) -> InspectedPayment:
    gone: list[Attempt] = [replace(one, provider="gone") for one in shown.attempts]
    return replace(shown, attempts=gone)


def _refunded_late(shown: InspectedPayment) -> InspectedPayment:
    failure = Failure(code=SUCCEEDED_LATE, message="it was made after all")
    late = make_attempt(
        shown.payment, Step.REFUND, AttemptState.FAILED, number=0, failure=failure, key="late"
    )
    return replace(shown, attempts=[late, *shown.attempts])


FACTS: Mapping[str, Callable[[InspectedPayment], InspectedPayment]] = {
    "no_more": lambda shown: shown,
    "cancelled": _with(cancel_requested_at=NOW),
    "no_recipient": _with(recipient=NO_RECIPIENT),
    "claimed_back": _claimed_back,
    "provider_gone": _without_provider,
    "refunded_late": _refunded_late,
    "just_sent": lambda shown: replace(shown, queued=replace(shown.queued, now=NOW)),
    "corrected": lambda shown: replace(shown, corrected_before=CORRECTIONS_MAX),
    "nothing_on_suspense": lambda shown: replace(
        shown, adjusted=replace(shown.adjusted, own={"onramp:stripe:USD": 100})
    ),
}
# Nothing is open in any other state.
_SENDING = (State.COLLECTING, State.PAYING_OUT, State.REFUNDING)
# These depend on what a verb is asked to do, or on its provider.
BY_ARGUMENTS = {"ATTEMPT_MAY_ARRIVE", "PROVIDER_CONTRADICTS", "PROVIDER_CANNOT_PAY"}


@pytest.mark.parametrize("fact", FACTS)
@pytest.mark.parametrize("state", State)
async def test_the_verbs_that_are_shown_are_those_that_are_not_refused(
    state: State, fact: str
) -> None:
    differ = []
    attempts = [one for one in AttemptState if state in _SENDING or one not in LIVE]
    for hold, attempt in product((None, *HoldReason), (None, *attempts)):
        shown = FACTS[fact](_shown(state, hold, attempt))
        allowed = allowed_verbs(record_of(shown, CAPABILITIES))
        for verb in OperatorVerb:
            refusal = await _refusal(shown, verb)
            is_refused = refusal is not None and refusal.reason not in BY_ARGUMENTS
            if is_refused is (verb in allowed):
                differ.append((hold, attempt, verb, repr(refusal)))
    assert differ == []


def test_a_hold_is_ended_by_no_other_verb_of_operators_on_the_payment() -> None:
    own = {str(verb) for verb in OperatorVerb}
    for reason, hold in HOLDS.items():
        shown = _shown(State.PAYING_OUT, reason, AttemptState.UNKNOWN)
        ends = {OperatorVerb.RELEASE, OperatorVerb.RESOLVE, OperatorVerb.FORCE}
        allowed = {verb for verb in allowed_verbs(record_of(shown, CAPABILITIES)) if verb in ends}
        assert {str(verb) for verb in allowed} <= own & {str(verb) for verb in hold.verbs}


def test_a_payment_with_attempts_that_cannot_be_read_allows_nothing() -> None:
    shown = replace(_shown(State.CONVERTED, None, None), unreadable=["attempts"])

    assert allowed_verbs(record_of(shown, CAPABILITIES)) == []


def test_a_provider_that_has_not_declared_itself_yet_hides_no_verb() -> None:
    shown = _shown(State.PAYING_OUT, HoldReason.OUTCOME_UNKNOWN, AttemptState.UNKNOWN)

    assert OperatorVerb.RESOLVE in allowed_verbs(record_of(shown, {}))


def test_every_verb_of_the_table_is_named() -> None:
    assert set(ACTIONS) == set(OperatorVerb)
    assert set(ACTIONS.values()) == set(payment_verbs(*[None] * 4))  # type: ignore[arg-type]
