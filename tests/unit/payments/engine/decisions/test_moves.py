"""All that a move forward writes: the attempt, the facts of the payment itself, the postings, which
events are dealt with, and when the payment is due again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, Change, EventResult, Work
from services.payments.engine.decisions.moves import (
    begin,
    done,
    exchange,
    fail,
    fail_over,
    next_attempt,
)
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, Capabilities, Step, intend
from services.payments.model.ledger import (
    collection_postings,
    exchange_postings,
    payout_postings,
    refund_postings,
)
from services.payments.model.payment import ExchangeRule, Failure, State
from services.payments.model.quote import Route
from services.payments.model.timing import (
    CALL,
    CLOCK_SKEW,
    FIRST_ROUND,
    LANDED_AFTER,
    UNDER_WAY,
)
from services.shared.money import Money
from tests.history import attempt_of, make_work_of, said, with_attempt
from tests.makers import CAPABILITIES, NOW, make_capabilities, make_case, make_event, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
MOMENT = timedelta(microseconds=1)
WEEK = timedelta(days=7)
SUCCEEDED = said(Outcome.SUCCEEDED)
BLOCKED = said(Outcome.FAILED, "payout_blocked")
EMPTY = said(Outcome.FAILED, "insufficient_balance")
DECLINED = said(Outcome.FAILED, "card_declined")
BOTH = Route(onramps=("stripe",), offramps=("local_wallet", "bank"))
APPLIED, UNMATCHED = EventResult.APPLIED, EventResult.UNMATCHED


def _with_event(work: Work) -> Work:
    """The work with an open event and a success about its attempt, and one about no attempt yet."""
    own = attempt_of(work)
    stranger = replace(own, key="k-9")
    events = (
        make_event(own),
        make_event(own, Outcome.SUCCEEDED, "evt_2"),
        make_event(stranger, event_id="evt_3"),
    )
    return replace(work, inbox=events)


def _wallet(final_after: timedelta) -> dict[str, Capabilities]:
    return {"local_wallet": make_capabilities("local_wallet", success_final_after=final_after)}


def _fates(change: Change) -> list[tuple[str, EventResult]]:
    return [(item.event.event_id, item.result) for item in change.closed_events]


# It begins


@pytest.mark.parametrize("state", [State.CREATED, State.PAYING_OUT])
def test_an_attempt_is_recorded_first_and_then_sent(state: State) -> None:
    work = make_work(state)
    attempt = intend(work.payment, Step.PAYOUT, 1)
    leads_to = State.COLLECTING if state is State.CREATED else state

    plan = begin(work, attempt, leads_to)

    assert (plan.call, plan.change.attempt, plan.work.attempt) == (Call.SEND, attempt, attempt)
    assert plan.change.payment == plan.work.payment
    assert plan.change.payment.state is leads_to
    assert (plan.change.keeps_lease, plan.change.due_in) == (True, None)
    assert (plan.work.lease_token, plan.work.claimed_at) == (work.lease_token, work.claimed_at)


# It succeeds


@pytest.mark.parametrize(("final_after", "due_in"), [(WEEK, WEEK), (timedelta(0), None)])
def test_a_payout_is_done_and_due_once_more_when_it_is_final(
    final_after: timedelta, due_in: timedelta | None
) -> None:
    work = _with_event(make_work(State.PAYING_OUT, AttemptState.ACCEPTED))

    change = done(make_case(work, SUCCEEDED, providers=_wallet(final_after)))

    assert change.payment.state is State.COMPLETED
    assert change.attempt == attempt_of(work).answered(AttemptState.SUCCEEDED, SUCCEEDED)
    assert change.postings == payout_postings(change.payment) != ()
    assert change.due_in == due_in
    assert _fates(change) == [("evt_1", APPLIED), ("evt_2", APPLIED), ("evt_3", UNMATCHED)]


def test_a_collection_is_done_with_its_id_and_leaves_the_events_about_the_payout() -> None:
    rule = ExchangeRule.SOLD_AT_MIDDLE
    work = make_work_of(State.COLLECTING, AttemptState.SENT, exchange_rule=rule)
    payout = intend(work.payment, Step.PAYOUT, 1)
    work = replace(work, inbox=(make_event(attempt_of(work)), make_event(payout, event_id="evt_2")))

    change = done(make_case(work, SUCCEEDED))

    assert change.payment.state is State.CONVERTED
    assert change.payment.collection_reference == "x_1"
    known = replace(work, attempt=replace(attempt_of(work), provider_reference="x_0"))
    without_id = done(make_case(known, replace(SUCCEEDED, provider_reference="")))
    assert without_id.payment.collection_reference == "x_0"
    assert change.payment.exchange_rule is ExchangeRule.PAYOUT_BOUGHT
    assert change.attempt == attempt_of(work).answered(AttemptState.SUCCEEDED, SUCCEEDED)
    assert change.postings == (
        *collection_postings(change.payment),
        *exchange_postings(change.payment),
    )
    assert _fates(change) == [("evt_1", APPLIED)]
    assert change.due_in == timedelta(0)


def _collected_at(work: Work, offset: timedelta) -> Change:
    """The collection is confirmed an hour after the last moment; it was taken so long after it."""
    last = work.payment.last_moment
    answer = replace(SUCCEEDED, occurred_at=last + offset)
    return done(make_case(work, answer, last + timedelta(hours=1)))


@pytest.mark.parametrize(
    ("offset", "state"),
    [
        (timedelta(0), State.CONVERTED),
        (-MOMENT, State.CONVERTED),
        (MOMENT, State.FUNDED),
        (timedelta(hours=1) + CLOCK_SKEW, State.FUNDED),
        # Its clock is wrong: the first send is when it can have been taken at the earliest.
        (timedelta(hours=1) + CLOCK_SKEW + MOMENT, State.CONVERTED),
    ],
)
def test_money_that_was_taken_in_time_is_exchanged_whenever_we_learn_of_it(
    offset: timedelta, state: State
) -> None:
    change = _collected_at(make_work(State.COLLECTING, AttemptState.SENT), offset)

    assert (change.payment.state, change.due_in) == (state, timedelta(0))
    if state is State.FUNDED:
        assert change.postings == collection_postings(change.payment)


def test_cancelled_money_is_refunded_whenever_it_was_taken() -> None:
    work = make_work_of(State.COLLECTING, AttemptState.SENT, cancel_requested_at=NOW)

    for offset in (-MOMENT, MOMENT):
        change = _collected_at(work, offset)
        assert (change.payment.state, change.due_in) == (State.REFUNDING, timedelta(0))


def test_an_exchange_comes_after_what_the_change_has_already() -> None:
    work = make_work(State.FUNDED)
    before = Change(
        payment=work.payment,
        before=work.payment,
        lease_token=7,
        events=(make_work(State.CREATED).payment.created_event(),),
        postings=collection_postings(work.payment),
    )

    change = exchange(before, cause="said", actor="operator:ada", note="why")

    assert change.events[0] == before.events[0]
    assert change.postings == (*before.postings, *exchange_postings(change.payment))
    assert (change.events[1].cause, change.events[1].actor) == ("said", "operator:ada")
    assert change.events[1].evidence["note"] == "why"


@pytest.mark.parametrize(
    ("amount", "before", "state"),
    [
        (10_000, 0, State.REFUNDED),
        (6_000, 4_000, State.REFUNDED),
        (5_999, 4_000, State.PARTLY_REFUNDED),
    ],
)
def test_the_last_cent_that_is_refunded_ends_the_payment(
    amount: int, before: int, state: State
) -> None:
    work = make_work_of(State.REFUNDING, AttemptState.SENT, refunded=Money(before, "USD"))
    work = _with_event(with_attempt(work, amount=Money(amount, "USD")))

    change = done(make_case(work, SUCCEEDED))

    assert change.payment.state is state
    assert change.payment.refunded == Money(before + amount, "USD")
    assert change.attempt == attempt_of(work).answered(AttemptState.SUCCEEDED, SUCCEEDED)
    assert change.postings == refund_postings(change.payment, Money(amount, "USD")) != ()
    assert _fates(change) == [("evt_1", APPLIED), ("evt_2", APPLIED), ("evt_3", UNMATCHED)]
    assert change.due_in is None


# It fails


def _fail(work: Work, answer: Answer, *, refundable: bool = True, passing: bool = False) -> Change:
    codes = frozenset({answer.code} if passing else ())
    providers = {
        name: replace(known, refunds=refundable, passing_failures=codes)
        for name, known in CAPABILITIES.items()
    }
    return fail(make_case(work, answer, providers=providers))


def test_a_collection_that_fails_ends_the_payment_and_keeps_only_an_event_of_a_success() -> None:
    work = make_work(State.COLLECTING, AttemptState.SENT)
    reported = _with_event(work)

    for asked, due_in in (
        (reported, timedelta(0)),
        (replace(reported, inbox=reported.inbox[:1]), None),
    ):
        change = _fail(asked, DECLINED)
        assert (change.payment.state, change.payment.failure) == (State.FAILED, DECLINED.failure)
        assert change.attempt == attempt_of(work).answered(AttemptState.FAILED, DECLINED)
        assert change.due_in == due_in
        assert change.closed_events[0].result is APPLIED
        assert "evt_2" not in dict(_fates(change))


@pytest.mark.parametrize(
    ("state", "answer", "reason"),
    [
        (State.PAYING_OUT, BLOCKED, "payout_failed"),
        (State.REFUNDING, DECLINED, "refund_failed"),
    ],
)
def test_money_that_cannot_be_refunded_is_held_with_the_first_reason(
    state: State, answer: Answer, reason: str
) -> None:
    why = Failure(code="first", message="the first reason")

    for before, after in ((None, answer.failure), (why, why)):
        work = make_work_of(state, AttemptState.SENT, failure=before)
        change = _fail(work, answer, refundable=False)
        assert (change.payment.hold_reason, change.payment.failure) == (reason, after)
        assert (change.payment.state, change.due_in) == (state, None)


def test_a_payout_that_fails_goes_back_with_its_reason() -> None:
    change = _fail(_with_event(make_work(State.PAYING_OUT, AttemptState.ACCEPTED)), BLOCKED)

    assert (change.payment.state, change.payment.failure) == (State.REFUNDING, BLOCKED.failure)
    assert change.due_in == timedelta(0)
    assert _fates(change) == [("evt_1", APPLIED), ("evt_3", UNMATCHED)]


def _payout(number: int = 1, provider: str = "local_wallet", **changes: Any) -> Work:
    work = make_work_of(State.PAYING_OUT, AttemptState.ACCEPTED, route=BOTH, sent_at=NOW)
    return with_attempt(work, number=number, provider=provider, **changes)


@pytest.mark.parametrize("passing", [True, False])
def test_a_payout_that_fails_goes_to_the_next_offramp_before_anything_else(passing: bool) -> None:
    work = _with_event(_payout())

    change = _fail(work, EMPTY, passing=passing)

    assert (change.payment.offramp, change.payment.sent_at) == ("bank", None)
    assert change.payment.failure is None
    assert change.attempt == attempt_of(work).answered(AttemptState.FAILED, EMPTY)
    assert [event.cause for event in change.events] == ["payout_failed_over"]
    # An event about an attempt that we do not know may be about the one that is to come.
    assert _fates(change) == [("evt_1", APPLIED)]
    assert change.due_in == timedelta(0)


@pytest.mark.parametrize(
    ("number", "factor"), [(1, 1), (2, 1), (3, 1.5), (4, 1.5), (5, 2.25), (6, 2.25)]
)
def test_the_route_rests_longer_after_each_round_of_its_offramps(
    number: int, factor: float
) -> None:
    change = _fail(_payout(number, "bank"), EMPTY, passing=True)

    assert change.payment.offramp == "local_wallet"
    assert change.due_in == FIRST_ROUND * factor


def test_the_route_rests_for_as_long_as_the_provider_wants_or_a_request_is_on_its_way() -> None:
    wanted = replace(EMPTY, retry_after=timedelta(seconds=200))
    flying = _payout(2, "bank", state=AttemptState.UNKNOWN, leaves_until=NOW)

    for work, answer, due_in in (
        (_payout(2, "bank"), wanted, timedelta(seconds=200)),
        (flying, EMPTY, LANDED_AFTER),
    ):
        change = _fail(work, answer, passing=True)
        assert (change.due_in, change.rest) == (due_in, due_in)


def test_only_a_payout_has_a_route_that_rests() -> None:
    for state, ends in ((State.COLLECTING, State.FAILED), (State.REFUNDING, State.REFUNDING)):
        change = _fail(make_work(state, AttemptState.SENT), EMPTY, passing=True)
        assert change.payment.state is ends
        assert [event.cause for event in change.events] != ["payout_waits"]


def test_a_collection_may_go_to_another_onramp_where_nothing_has_left() -> None:
    work = make_work(State.COLLECTING, AttemptState.SENT)

    change = fail_over(make_case(work, DECLINED), "bank")

    assert (change.payment.onramp, change.payment.offramp) == ("bank", "local_wallet")
    assert [event.cause for event in change.events] == ["collection_failed_over"]


@pytest.mark.parametrize(
    ("state", "first_send", "first_sent", "last_sent", "due_in"),
    [
        (AttemptState.UNKNOWN, False, 20, 20, 10),
        (AttemptState.UNKNOWN, False, 20, 29, 1),
        (AttemptState.UNKNOWN, False, 60, 31, 0),
        (AttemptState.UNKNOWN, True, 20, 20, 0),
        (AttemptState.ACCEPTED, False, 20, 20, 0),
        (AttemptState.ACCEPTED, False, 25, 20, 10),
        (AttemptState.SENT, False, 20, 20, 10),
        (AttemptState.INTENDED, False, None, None, 0),
    ],
)
def test_the_next_attempt_waits_while_a_request_of_this_one_may_be_on_its_way(
    state: AttemptState,
    first_send: bool,
    first_sent: int | None,
    last_sent: int | None,
    due_in: int,
) -> None:
    leaves_until = None if last_sent is None else last_sent - CALL.total_seconds()
    ages = {"sent_at": first_sent, "last_sent_at": last_sent, "leaves_until": leaves_until}
    times = {
        name: None if age is None else NOW - timedelta(seconds=age) for name, age in ages.items()
    }
    work = make_work(State.PAYING_OUT, AttemptState.SENT, first_send=first_send)
    work = with_attempt(work, state=state, **times)

    change = next_attempt(make_case(work, BLOCKED))

    in_flight = timedelta(seconds=due_in)
    assert (change.due_in, change.rest) == (in_flight, in_flight or None)
    assert change.attempt == attempt_of(work).answered(AttemptState.FAILED, BLOCKED)


@pytest.mark.parametrize("state", [State.REFUNDING, State.PAYING_OUT])
def test_a_hold_after_a_refusal_keeps_the_rest_of_a_request_on_its_way(state: State) -> None:
    work = make_work(state, AttemptState.UNKNOWN)
    sent = {"sent_at": NOW, "last_sent_at": NOW, "leaves_until": NOW + CALL}
    onramp = replace(CAPABILITIES["stripe"], refunds=False)
    case = make_case(with_attempt(work, **sent), BLOCKED)

    change = fail(replace(case, providers={**CAPABILITIES, "stripe": onramp}))

    assert change.payment.hold_reason in ("refund_failed", "payout_failed")
    assert (change.due_in, change.rest) == (None, UNDER_WAY)


def test_a_retired_key_keeps_its_provider_and_says_why_it_is_over() -> None:
    fault = Failure(code="provider_fault", message="500")
    old = NOW - timedelta(minutes=5)
    work = with_attempt(
        make_work(State.COLLECTING, AttemptState.UNKNOWN),
        inconclusive_count=5,
        failure=fault,
        sent_at=old,
        leaves_until=old,
    )

    change = DECIDER.settle(work, said(Outcome.ABSENT, provider_reference=""), NOW)

    assert change.attempt is not None
    assert (change.attempt.state, change.attempt.failure) == (
        AttemptState.FAILED,
        Failure(code="error_cached", message="the key's error is cached for good"),
    )
    assert (change.payment.onramp, change.payment.state) == ("stripe", State.COLLECTING)
    assert change.due_in == timedelta(0)
