"""Each condition of a decision at its very edge: when a key may be sent again, when a payment is
given up, what comes next, and what events and answers change."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, EventResult, Work
from services.payments.model.answer import SUCCEEDED_LATE, Answer, Outcome
from services.payments.model.attempt import AttemptState, LookUp, Step
from services.payments.model.holds import HoldReason
from services.payments.model.payment import Failure, State
from services.payments.model.timing import CLOCK_SKEW, LANDED_AFTER, SENDS_MAX
from services.shared.money import Money
from tests.history import attempt_of, make_late_work, make_work_of, said, with_attempt
from tests.makers import CAPABILITIES, NOW, make_attempt, make_capabilities, make_event, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
MOMENT = timedelta(microseconds=1)
OLD = NOW - timedelta(minutes=5)
SUCCEEDED, PENDING = said(Outcome.SUCCEEDED), said(Outcome.PENDING)
ABSENT = said(Outcome.ABSENT, provider_reference="")
TIMEOUT = said(Outcome.UNKNOWN, "timeout")
FAULT = Failure(code="provider_fault", message="500")


def _wallet(**changes: Any) -> Decider:
    """A decider whose wallet has declared something else."""
    return Decider(
        {**CAPABILITIES, "local_wallet": make_capabilities("local_wallet", **changes)}, lambda: 0.0
    )


def _with_event(work: Work, outcome: Outcome, **changes: Any) -> Work:
    return replace(work, inbox=(make_event(attempt_of(work), outcome, **changes),))


# Whether the same key may be sent after a look-up that found nothing


def _unknown(in_state: State = State.PAYING_OUT, **changes: Any) -> Work:
    """An attempt whose outcome nobody knows, sent long enough ago for all of it to have arrived."""
    work = make_work(in_state, AttemptState.UNKNOWN)
    return with_attempt(
        work, **{"sent_at": OLD, "last_sent_at": OLD, "leaves_until": OLD, **changes}
    )


@pytest.mark.parametrize(
    ("work", "sent"),
    [
        (_unknown(), True),
        (_unknown(provider_reference="po_1"), False),
        (_unknown(sends=SENDS_MAX - 1), True),
        (_unknown(sends=SENDS_MAX), False),
        (_unknown(State.COLLECTING), True),
        (_unknown(State.COLLECTING, failure=FAULT, inconclusive_count=4), True),
        (_unknown(State.COLLECTING, failure=FAULT, inconclusive_count=5), False),
        (_unknown(State.COLLECTING, sent_at=NOW - timedelta(hours=20)), False),
        (make_work(State.PAYING_OUT, AttemptState.FAILED), False),
        (make_work(State.COMPLETED, AttemptState.SUCCEEDED), False),
        (make_work_of(State.PAYING_OUT, AttemptState.UNKNOWN, hold_reason="step_failed"), False),
        (make_work_of(State.COLLECTING, AttemptState.UNKNOWN, cancel_requested_at=NOW), False),
        (make_work_of(State.COLLECTING, AttemptState.UNKNOWN, quote_expires_at=OLD), True),
        (
            make_work_of(State.COLLECTING, AttemptState.UNKNOWN, quote_expires_at=OLD - MOMENT),
            False,
        ),
        (make_late_work(Step.PAYOUT, State.PAYING_OUT, AttemptState.UNKNOWN), False),
    ],
)
def test_a_key_is_sent_again_only_where_nothing_at_all_speaks_against_it(
    work: Work, sent: bool
) -> None:
    plan = DECIDER.after_look_up(work, ABSENT)

    assert (plan is not None) is sent
    if plan is not None:
        assert (plan.call, plan.work, plan.change.is_nothing) == (Call.SEND, work, True)


# Whether what nobody wants any more is over


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, State.CANCELLED),
        ({"leaves_until": None}, State.CANCELLED),
        ({"leaves_until": NOW - CLOCK_SKEW - timedelta(seconds=60) - MOMENT}, State.CANCELLED),
        ({"leaves_until": NOW - CLOCK_SKEW - timedelta(seconds=60)}, State.COLLECTING),
        ({"provider_reference": "pi_1"}, State.COLLECTING),
    ],
)
def test_an_unwanted_collection_is_over_once_absence_is_evidence(
    changes: dict[str, Any], state: State
) -> None:
    work = with_attempt(
        make_work_of(State.COLLECTING, AttemptState.UNKNOWN, cancel_requested_at=NOW),
        **{"sent_at": OLD, "last_sent_at": OLD, "leaves_until": OLD, **changes},
    )

    assert DECIDER.settle(work, ABSENT, NOW).payment.state is state


def test_an_unwanted_collection_is_not_over_while_a_request_is_on_its_way() -> None:
    strong = Decider({"stripe": make_capabilities("stripe")}, lambda: 0.0)
    work = make_work_of(State.COLLECTING, AttemptState.UNKNOWN, cancel_requested_at=NOW)

    for age, state in (
        (LANDED_AFTER, State.COLLECTING),
        (LANDED_AFTER + MOMENT, State.CANCELLED),
    ):
        sent = with_attempt(work, sent_at=OLD, last_sent_at=NOW - age, leaves_until=NOW - age)
        change = strong.settle(sent, ABSENT, NOW)
        assert change.payment.state is state
    open_still = strong.settle(with_attempt(work, leaves_until=NOW), ABSENT, NOW)
    assert open_still.attempt is not None
    assert open_still.attempt.state is AttemptState.UNKNOWN


@pytest.mark.parametrize("state", [State.CREATED, State.COLLECTING])
def test_a_payment_expires_one_moment_after_its_last(state: State) -> None:
    attempt = AttemptState.INTENDED if state is State.COLLECTING else None
    work = make_work(state, attempt)
    last = work.payment.last_moment

    assert DECIDER.plan(replace(work, claimed_at=last)).call is Call.SEND
    expired = DECIDER.plan(replace(work, claimed_at=last + MOMENT))
    assert (expired.call, expired.change.payment.state) == (None, State.EXPIRED)


@pytest.mark.parametrize("state", [State.PAYING_OUT, State.REFUNDING])
def test_a_collected_payment_never_expires(state: State) -> None:
    work = replace(make_work(state, AttemptState.INTENDED), claimed_at=NOW + timedelta(days=9))

    assert DECIDER.plan(work).call is Call.SEND


# The next attempt


@pytest.mark.parametrize("state", [State.PAYING_OUT, State.REFUNDING])
def test_a_failed_attempt_is_followed_by_the_next_number_of_its_step(state: State) -> None:
    failed = with_attempt(
        make_work(state, AttemptState.FAILED), number=4, amount=Money(4_000, "USD")
    )

    plan = DECIDER.plan(failed)

    attempt = attempt_of(plan.work)
    step = attempt_of(failed).step
    assert plan.call is Call.SEND
    assert (attempt.number, attempt.state) == (5, AttemptState.INTENDED)
    assert attempt.key == f"{failed.payment.transaction_id}-{step}-5"
    # A refund may be of a part; a payout is of the payment's own amount.
    wanted = Money(4_000, "USD") if step is Step.REFUND else failed.payment.terms.payout
    assert attempt.amount == wanted


@pytest.mark.parametrize("state", [AttemptState.INTENDED, AttemptState.FAILED])
def test_a_late_success_is_asked_about_before_the_step_goes_on(state: AttemptState) -> None:
    work = make_late_work(Step.PAYOUT, State.PAYING_OUT, state)

    plan = DECIDER.plan(work)

    assert plan.call is Call.LOOK_UP
    assert plan.work.attempt == work.earlier[0]
    assert (plan.work.earlier[-1].number, plan.work.earlier[-1].state) == (2, AttemptState.FAILED)


def test_a_late_success_among_others_is_asked_about_with_all_of_them_beside_it() -> None:
    work = make_late_work(Step.PAYOUT, State.PAYING_OUT, AttemptState.FAILED)
    first = replace(work.earlier[0], key="k-0", number=0, failure=None, moved=None)
    late = work.earlier[0]

    plan = DECIDER.plan(replace(work, earlier=(first, late)))

    assert (plan.work.attempt, plan.work.earlier) == (late, (attempt_of(work), first))


# Sends without a look-up


@pytest.mark.parametrize(
    ("changes", "call"),
    [
        ({}, Call.SEND),
        ({"sends": SENDS_MAX - 1}, Call.SEND),
        ({"sends": SENDS_MAX}, None),
        ({"sent_at": NOW - timedelta(hours=20)}, None),
        ({"state": AttemptState.INTENDED, "sends": SENDS_MAX}, Call.SEND),
    ],
)
def test_a_key_without_a_look_up_is_sent_as_long_as_it_counts(
    changes: dict[str, Any], call: Call | None
) -> None:
    plan = _wallet(look_up=LookUp.NONE).plan(_unknown(**changes))

    assert plan.call is call
    held = plan.change.payment.hold_reason
    assert held == (None if call else HoldReason.OUTCOME_UNKNOWN)


FINAL_AFTER = timedelta(days=7)

# Events


def test_events_about_attempts_that_are_over_are_ignored_and_move_nothing() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.ACCEPTED)
    over = replace(attempt_of(work), number=0, key="k-0", state=AttemptState.FAILED)
    stale = make_event(over, Outcome.FAILED)
    own = make_event(attempt_of(work), Outcome.SUCCEEDED, "evt_2")

    plan = DECIDER.plan(replace(work, earlier=(over,), inbox=(stale, own)))

    assert plan.change.payment.state is State.COMPLETED
    assert [(item.event, item.result) for item in plan.change.closed_events] == [
        (own, EventResult.APPLIED),
        (stale, EventResult.IGNORED),
    ]


def test_a_returned_payment_ignores_what_events_say_and_waits() -> None:
    plan = DECIDER.plan(
        _with_event(make_work(State.RETURNED, AttemptState.REVERSED), Outcome.PENDING)
    )

    assert (plan.call, plan.change.due_in) == (None, None)
    assert [item.result for item in plan.change.closed_events] == [EventResult.IGNORED]


def test_an_event_names_what_is_asked_about() -> None:
    work = _with_event(
        make_work(State.COLLECTING, AttemptState.SENT), Outcome.PENDING, provider_reference="pi_7"
    )

    plan = DECIDER.plan(work)

    assert plan.call is Call.LOOK_UP
    assert attempt_of(plan.work).provider_reference == "pi_7"


# Answers


def test_a_person_may_state_another_amount_and_no_provider() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.UNKNOWN)
    other = Answer(outcome=Outcome.SUCCEEDED, amount=Money(700, "NGN"))

    for actor, state in (("operator:ada", State.COMPLETED), ("worker", State.PAYING_OUT)):
        change = DECIDER.settle(work, replace(other, actor=actor), NOW)
        assert change.payment.state is state


def test_a_success_is_watched_for_as_long_as_its_provider_declares() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.SENT)

    change = _wallet(success_final_after=FINAL_AFTER).settle(work, SUCCEEDED, NOW)

    assert change.due_in == FINAL_AFTER


@pytest.mark.parametrize("first_send", [True, False])
def test_an_attempt_that_was_not_sent_has_never_left_only_at_the_first_send(
    first_send: bool,
) -> None:
    work = replace(make_work(State.COLLECTING, AttemptState.SENT), first_send=first_send)

    change = DECIDER.settle(work, said(Outcome.NOT_SENT, "down"), NOW)

    assert change.attempt is not None
    assert change.attempt.state is (AttemptState.INTENDED if first_send else AttemptState.UNKNOWN)


def test_a_late_success_that_is_taken_back_is_settled_by_when_it_was_asked_about() -> None:
    work = make_late_work(Step.COLLECTION, State.EXPIRED, AttemptState.FAILED)
    reported = replace(work.earlier[0], moved=None, leaves_until=NOW)
    asked = replace(work, attempt=reported, earlier=())

    proven = NOW + CLOCK_SKEW + timedelta(seconds=60)
    for asked_at, held in ((proven, "late_success"), (proven + MOMENT, None)):
        then = replace(asked, claimed_at=asked_at)
        assert DECIDER.settle(then, ABSENT, asked_at).payment.hold_reason == held


def test_a_cancel_request_stops_the_next_step_and_no_payout_that_has_begun() -> None:
    for state in (State.FUNDED, State.CONVERTED):
        requested = make_work_of(state, cancel_requested_at=NOW)
        change = DECIDER.plan(requested).change
        assert (change.payment.state, change.due_in) == (State.REFUNDING, timedelta(0))
    assert DECIDER.plan(make_work(State.FUNDED)).call is Call.PRICE


@pytest.mark.parametrize("due_in", [timedelta(seconds=1), None])
def test_a_payout_follows_only_what_is_due_at_once(due_in: timedelta | None) -> None:
    work = make_work(State.COLLECTING, AttemptState.SENT)
    change = DECIDER.settle(work, SUCCEEDED, NOW)

    assert DECIDER.follow(work, change) is not None
    assert DECIDER.follow(work, replace(change, due_in=due_in)) is None


def test_a_payout_that_follows_is_decided_without_what_the_collection_left() -> None:
    work = make_work(State.COLLECTING, AttemptState.SENT)
    late = Failure(code=SUCCEEDED_LATE, message="late")
    over = make_attempt(work.payment, Step.PAYOUT, AttemptState.FAILED, failure=late)
    own = make_event(attempt_of(work), Outcome.SUCCEEDED)
    work = replace(work, earlier=(over,), inbox=(own,))

    plan = DECIDER.follow(work, DECIDER.settle(work, SUCCEEDED, NOW))

    assert plan is not None
    assert (plan.work.earlier, plan.work.inbox) == ((), ())
    assert plan.work.attempt == plan.change.following
    assert plan.change.due_in is None


@pytest.mark.parametrize(
    ("requested_at", "cause"), [(NOW, "cancelled"), (None, "expired")], ids=["cancelled", "expired"]
)
def test_a_payment_that_nobody_wants_ends_before_its_first_attempt(
    requested_at: datetime | None, cause: str
) -> None:
    work = make_work_of(State.CREATED, cancel_requested_at=requested_at)
    work = work if requested_at else replace(work, claimed_at=NOW + timedelta(hours=1))

    plan = DECIDER.plan(work)

    assert (plan.call, [event.cause for event in plan.change.events]) == (None, [cause])


# Before everything else


def test_an_event_against_the_record_is_asked_about_before_the_payment_goes_on() -> None:
    work = make_work(State.CONVERTED)
    failed = make_attempt(work.payment, Step.COLLECTION, AttemptState.FAILED)
    work = replace(work, earlier=(failed,), inbox=(make_event(failed, Outcome.SUCCEEDED),))

    plan = DECIDER.plan(work)

    assert (plan.call, plan.work.attempt, plan.work.disputed) == (
        Call.LOOK_UP,
        failed,
        work.inbox[0],
    )
    held = DECIDER.settle(plan.work, SUCCEEDED, NOW)
    assert held.payment.hold_reason == HoldReason.LATE_SUCCESS
    alone = Decider({}, lambda: 0.0).plan(work)
    assert (alone.call, alone.work.attempt) == (None, failed)
    assert alone.change.payment.hold_reason == HoldReason.LATE_SUCCESS


def test_the_payouts_are_asked_about_before_a_refund() -> None:
    work = make_work(State.REFUNDING, AttemptState.INTENDED)
    payout = make_attempt(work.payment, Step.PAYOUT, AttemptState.FAILED)

    plan = DECIDER.plan(replace(work, earlier=(payout,)))

    assert (plan.call, plan.work.attempt) == (Call.LOOK_UP, payout)
    refund = DECIDER.after_look_up(plan.work, ABSENT)
    assert refund is not None
    assert (refund.call, refund.work.attempt) == (Call.SEND, work.attempt)
    assert DECIDER.after_look_up(plan.work, TIMEOUT) is None
    # Only a provider that is there has an answer that is not to be waited for.
    refused = said(Outcome.FAILED, "payout_blocked")
    assert DECIDER.after_look_up(plan.work, refused) is not None
    assert Decider({}, lambda: 0.0).after_look_up(plan.work, refused) is None
    asked = replace(plan.work, attempt=replace(payout, unknown_since=NOW))
    waits = DECIDER.settle(asked, TIMEOUT, NOW + timedelta(seconds=40))
    assert (waits.payment, waits.due_in) == (work.payment, timedelta(seconds=10))
    paid = DECIDER.settle(plan.work, SUCCEEDED, NOW)
    assert paid.payment.hold_reason == HoldReason.LATE_SUCCESS


def test_an_event_that_is_evidence_is_settled_as_of_the_claim() -> None:
    decider = Decider({"stripe": make_capabilities("stripe", event_is_evidence=True)}, lambda: 0.0)
    work = _with_event(make_work(State.COLLECTING, AttemptState.SENT), Outcome.SUCCEEDED)

    plan = decider.plan(work)

    assert (plan.call, plan.change.payment.state) == (None, State.CONVERTED)
    assert plan.change.events[0].evidence["taken_at"] == str(attempt_of(work).sent_at).replace(
        " ", "T"
    )
