"""Money that comes after its quote: honoured within the grace, priced again within the tolerance,
and otherwise for a person."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, Work
from services.payments.engine.decisions.returns_and_refunds import refund_on_request
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState
from services.payments.model.fixed_payout import agree_payout
from services.payments.model.holds import HoldReason
from services.payments.model.operator import Operator
from services.payments.model.payment import State
from services.payments.model.payouts import payout_of
from services.payments.model.quote import (
    FixedSide,
)
from services.payments.operators.decisions import honour_locked_rate
from services.payments.operators.domain import NoLockedRate, PaymentNotOnHold
from services.shared.errors import Unavailable
from services.shared.money import Money
from services.shared.recipients import RecipientKind
from services.shared.recipients.rails import Rail
from tests.makers import CAPABILITIES, FEES, NOW, make_trail, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
COLLECTED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="pi_1")


@pytest.mark.parametrize(
    ("seconds", "state"), [(59, State.CONVERTED), (360, State.CONVERTED), (361, State.FUNDED)]
)
def test_the_locked_rate_holds_for_money_that_was_taken_until_the_grace_is_over(
    seconds: int, state: State
) -> None:
    work = make_work(State.COLLECTING, AttemptState.SENT)
    taken_at = NOW + timedelta(seconds=seconds)

    # When we learn of it does not matter.
    for learned_at in (taken_at, taken_at + timedelta(days=1)):
        change = DECIDER.settle(work, replace(COLLECTED, occurred_at=taken_at), learned_at)
        assert change.payment.state is state
        assert change.payment.terms == work.payment.terms
        assert change.events[0].evidence["taken_at"] == taken_at.isoformat()


@pytest.mark.parametrize("state", [State.CREATED, State.COLLECTING])
def test_an_unpaid_payment_expires_after_the_last_moment_of_the_grace_and_not_before(
    state: State,
) -> None:
    attempt = None if state is State.CREATED else AttemptState.INTENDED
    work = make_work(state, attempt)
    last = work.payment.quote_expires_at + timedelta(seconds=300)

    in_time = DECIDER.plan(replace(work, claimed_at=last))
    too_late = DECIDER.plan(replace(work, claimed_at=last + timedelta(microseconds=1)))

    assert in_time.call is Call.SEND
    assert (too_late.call, too_late.change.payment.state) == (None, State.EXPIRED)


def test_an_absent_charge_is_sent_again_within_the_grace_and_ended_after_it() -> None:
    work = make_work(State.COLLECTING, AttemptState.UNKNOWN)
    absent = Answer(outcome=Outcome.ABSENT)
    last = work.payment.quote_expires_at + timedelta(seconds=300)
    after = last + timedelta(microseconds=1)

    again = DECIDER.after_look_up(replace(work, claimed_at=last), absent)

    assert again is not None
    assert again.call is Call.SEND
    assert DECIDER.settle(work, absent, last).payment.state is State.COLLECTING
    assert DECIDER.after_look_up(replace(work, claimed_at=after), absent) is None
    late = replace(work, claimed_at=after)
    assert DECIDER.settle(late, absent, after).payment.state is State.EXPIRED


@pytest.mark.parametrize(
    "said",
    [
        None,
        NOW - timedelta(minutes=1),
        NOW + timedelta(days=2),
        NOW + timedelta(hours=1, seconds=6),
    ],
)
def test_a_time_that_cannot_be_true_counts_as_the_first_send(said: datetime | None) -> None:
    work = make_work(State.COLLECTING, AttemptState.SENT)
    assert work.attempt is not None
    assert work.attempt.sent_at is not None

    change = DECIDER.settle(work, replace(COLLECTED, occurred_at=said), NOW + timedelta(hours=1))

    assert change.payment.state is State.CONVERTED
    assert change.events[0].evidence["taken_at"] == work.attempt.sent_at.isoformat()


def test_money_that_a_look_up_finds_late_is_exchanged_at_the_locked_rate() -> None:
    """Charged in time, answered with an error, and not to be asked about for a while."""
    work = make_work(State.COLLECTING, AttemptState.UNKNOWN)
    found = replace(COLLECTED, occurred_at=NOW + timedelta(seconds=1))

    change = DECIDER.settle(work, found, NOW + timedelta(hours=3))

    assert [event.cause for event in change.events] == [
        "collection_succeeded",
        "exchanged_at_locked_rate",
    ]


def test_late_funds_are_kept_in_dollars_and_a_rate_is_asked_for() -> None:
    plan = DECIDER.plan(make_work(State.FUNDED))

    assert plan.call is Call.PRICE
    assert plan.change.keeps_lease
    assert plan.change.postings == ()


def test_a_rate_within_the_tolerance_takes_the_locked_ones_place() -> None:
    work = make_work(State.FUNDED)
    # One percent is tolerated, and this is a little less than one percent worse.
    trail = make_trail("1515.00")

    change = DECIDER.price(work, trail, NOW)

    assert change.payment.state is State.CONVERTED
    assert change.payment.terms.rate == trail.rate
    assert change.payment.terms.payout < work.payment.terms.payout
    assert change.repricing is not None
    assert change.repricing.replaces == work.payment.quote_id
    assert (change.repricing.trail, change.repricing.priced_at) == (trail, NOW)
    assert change.repricing.quote_id not in (None, work.payment.quote_id)
    assert change.payment.quote_id == change.repricing.quote_id
    assert change.due_in == timedelta(0)
    (event,) = change.events
    assert event.cause == "exchanged_at_new_rate"
    assert event.evidence["locked_rate"] == str(work.payment.terms.rate)
    assert event.evidence["rate"] == str(trail.rate)
    assert event.evidence["locked_payout"] != event.evidence["payout"]
    assert event.evidence["expired_at"] == work.payment.quote_expires_at.isoformat()


def _fixed_payout() -> Work:
    work = make_work(State.FUNDED)
    terms = agree_payout(Money(9_751, "USD"), Money(14_845_339, "NGN"), FEES, make_trail())
    return replace(work, payment=replace(work.payment, terms=terms))


def test_a_fixed_payout_stays_where_the_same_dollars_are_still_the_fewest_that_come_to_it() -> None:
    work = _fixed_payout()

    change = DECIDER.price(work, make_trail("1530.20"), NOW)

    terms = change.payment.terms
    assert (terms.payout, terms.fixed_side) == (work.payment.terms.payout, FixedSide.DESTINATION)
    assert terms.rate == make_trail("1530.20").rate


@pytest.mark.parametrize("mid", ["1529.00", "1540.00"])
def test_at_another_rate_a_fixed_payout_becomes_what_the_dollars_come_to(mid: str) -> None:
    change = DECIDER.price(_fixed_payout(), make_trail(mid), NOW)

    terms, rate = change.payment.terms, make_trail(mid).rate
    assert terms.payout == payout_of(Money(9_751, "USD"), rate, "NGN")
    assert terms.fixed_side is FixedSide.SOURCE


def test_an_event_is_due_for_another_price_and_not_for_the_same_one() -> None:
    work = make_work(State.FUNDED)

    assert DECIDER.price(work, make_trail("1515.00"), NOW).changes_price
    assert not DECIDER.price(work, make_trail(), NOW).changes_price


def test_a_better_rate_is_the_recipients() -> None:
    work = make_work(State.FUNDED)

    change = DECIDER.price(work, make_trail("1700.00"), NOW)

    assert change.payment.terms.payout > work.payment.terms.payout


def _sending_at_most(most_minor: int, decimals: int) -> Decider:
    rail = Rail(
        recipient_kind=RecipientKind.WALLET,
        minimum=Money(100, "NGN"),
        maximum=Money(most_minor, "NGN"),
        decimals=decimals,
    )
    wallet = replace(CAPABILITIES["local_wallet"], rails=(rail,))
    return Decider({**CAPABILITIES, "local_wallet": wallet}, spread=lambda: 0.0)


def test_a_new_payout_has_the_decimals_of_the_route() -> None:
    work = make_work(State.FUNDED)
    route = replace(work.payment.route, payout_decimals=0)
    work = replace(work, payment=replace(work.payment, route=route))

    change = _sending_at_most(10**9, 0).price(work, make_trail("1515.00"), NOW)

    exact = change.payment.terms.net.decimal * change.payment.terms.rate
    assert change.payment.terms.payout == Money(round(exact) * 100, "NGN")
    assert change.payment.state is State.CONVERTED


def test_a_new_payout_that_no_offramp_sends_is_a_hold() -> None:
    work = make_work(State.FUNDED)
    decider = _sending_at_most(work.payment.terms.payout.amount_minor - 1, 2)

    better = decider.price(work, make_trail("1700.00"), NOW)

    assert better.payment.hold_reason == HoldReason.LATE_FUNDS
    assert better.payment.terms == work.payment.terms


@pytest.mark.parametrize("mid", ["1530.40", "1531.00", "1700.00"])
@pytest.mark.parametrize("of", [lambda: make_work(State.FUNDED), _fixed_payout])
def test_where_a_better_rate_brings_more_than_a_rail_takes_the_promised_payout_is_sent(
    mid: str, of: Callable[[], Work]
) -> None:
    work = of()
    promised = work.payment.terms
    decider = _sending_at_most(promised.payout.amount_minor, 2)

    change = decider.price(work, make_trail(mid), NOW)

    assert (change.payment.state, change.payment.hold_reason) == (State.CONVERTED, None)
    assert change.payment.terms == promised
    assert change.payment.quote_id == work.payment.quote_id
    assert (change.repricing, change.changes_price) == (None, False)
    (event,) = change.events
    assert event.cause == "exchanged_at_locked_rate"
    assert event.evidence["rate"] == str(promised.rate)
    assert event.evidence["new_rate"] == str(make_trail(mid).rate)
    assert change.postings
    assert change.due_in == timedelta(0)


def test_a_worse_rate_whose_payout_no_offramp_sends_keeps_no_promise_by_itself() -> None:
    work = make_work(State.FUNDED)
    least = work.payment.terms.payout
    rail = Rail(
        recipient_kind=RecipientKind.WALLET,
        minimum=least,
        maximum=Money(10**9, "NGN"),
        decimals=2,
    )
    wallet = replace(CAPABILITIES["local_wallet"], rails=(rail,))
    decider = Decider({**CAPABILITIES, "local_wallet": wallet}, spread=lambda: 0.0)

    change = decider.price(work, make_trail("1530.00"), NOW)

    assert change.payment.hold_reason == HoldReason.LATE_FUNDS


def test_a_rate_at_which_no_payout_can_be_expressed_is_no_failure() -> None:
    work = make_work(State.FUNDED)

    change = DECIDER.price(work, replace(make_trail(), rate=Decimal(10**15)), NOW)

    assert change.payment.terms == work.payment.terms
    assert change.payment.state is State.CONVERTED


def test_a_rate_beyond_the_tolerance_is_a_hold() -> None:
    work = make_work(State.FUNDED)

    change = DECIDER.price(work, make_trail("1514.00"), NOW)

    assert change.payment.hold_reason == "late_funds"
    assert change.payment.state is State.FUNDED
    assert change.payment.terms == work.payment.terms
    assert change.postings == ()
    (event,) = change.events
    assert event.evidence == {
        "locked_rate": str(work.payment.terms.rate),
        "rate": str(make_trail("1514.00").rate),
        "expired_at": work.payment.quote_expires_at.isoformat(),
    }


def test_a_rate_that_is_worse_by_the_very_tolerance_is_taken() -> None:
    work = make_work(State.FUNDED)
    locked = work.payment.terms.rate
    at_the_bound = replace(make_trail(), rate=locked * Decimal("0.99"))
    beyond = replace(make_trail(), rate=locked * Decimal("0.98999999"))

    assert DECIDER.price(work, at_the_bound, NOW).payment.state is State.CONVERTED
    assert DECIDER.price(work, beyond, NOW).payment.hold_reason == "late_funds"


def test_without_a_rate_it_is_asked_for_again() -> None:
    change = DECIDER.price(make_work(State.FUNDED), Unavailable("fx is away"), NOW)

    assert change.payment.hold_reason is None
    assert change.events == ()
    assert change.due_in is not None


def test_an_operator_honours_the_locked_rate() -> None:
    work = make_work(State.FUNDED)
    held = replace(work, payment=replace(work.payment, hold_reason="late_funds"))

    change = honour_locked_rate(held, Operator(name="ada"))

    assert (change.payment.state, change.payment.hold_reason) == (State.CONVERTED, None)
    assert change.payment.terms == work.payment.terms
    assert change.repricing is None
    assert [event.cause for event in change.events] == ["hold_released", "exchanged_at_locked_rate"]
    assert {event.actor for event in change.events} == {"operator:ada"}
    assert change.postings
    assert change.due_in == timedelta(0)


@pytest.mark.parametrize(
    ("state", "reason"), [(State.PAYING_OUT, "outcome_unknown"), (State.FUNDED, "step_failed")]
)
def test_only_late_funds_have_a_locked_rate_to_honour(state: State, reason: str) -> None:
    work = make_work(state)
    held = replace(work, payment=replace(work.payment, hold_reason=reason))

    with pytest.raises(NoLockedRate):
        honour_locked_rate(held, Operator(name="ada"))
    with pytest.raises(PaymentNotOnHold):
        honour_locked_rate(make_work(State.FUNDED), Operator(name="ada"))


def test_held_late_funds_may_be_refunded() -> None:
    work = make_work(State.FUNDED)
    held = replace(work, payment=replace(work.payment, hold_reason="late_funds"))

    change = refund_on_request(held, None)

    assert change.payment.state is State.REFUNDING
    assert change.payment.hold_reason is None
