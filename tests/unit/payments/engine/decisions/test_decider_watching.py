"""A success is watched for as long as the money may come back, and a hold ends with the outcome for
which it waits and with nothing else."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, EventResult, Work
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, LookUp
from services.payments.model.holds import HoldReason
from services.payments.model.payment import State
from services.payments.model.timing import HELD_POLL, LONGEST_RETRY
from services.shared.money import Money
from tests.history import attempt_of, make_work_of, said, with_attempt
from tests.makers import CAPABILITIES, NOW, make_capabilities, make_event, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
MOMENT = timedelta(microseconds=1)
SUCCEEDED, PENDING = said(Outcome.SUCCEEDED), said(Outcome.PENDING)
ABSENT = said(Outcome.ABSENT, provider_reference="")
TIMEOUT = said(Outcome.UNKNOWN, "timeout")
BLOCKED = said(Outcome.FAILED, "payout_blocked")
DECLINED = said(Outcome.FAILED, "card_declined")


def _wallet(**changes: Any) -> Decider:
    """A decider whose wallet has declared something else."""
    return Decider(
        {**CAPABILITIES, "local_wallet": make_capabilities("local_wallet", **changes)}, lambda: 0.0
    )


def _with_event(work: Work, outcome: Outcome, **changes: Any) -> Work:
    return replace(work, inbox=(make_event(attempt_of(work), outcome, **changes),))


# Successes

FINAL_AFTER = timedelta(days=7)


def test_a_completed_payment_is_due_when_its_payout_is_final_unless_it_was_at_once() -> None:
    work = make_work(State.COMPLETED, AttemptState.SUCCEEDED)
    later = replace(work, claimed_at=NOW + FINAL_AFTER - MOMENT)
    at_last = replace(work, claimed_at=NOW + FINAL_AFTER)
    longer = replace(work, claimed_at=NOW + FINAL_AFTER + MOMENT)
    lasting = _wallet(success_final_after=FINAL_AFTER)

    assert (lasting.plan(later).call, lasting.plan(later).change.due_in) == (None, MOMENT)
    assert lasting.plan(at_last).call is lasting.plan(longer).call is Call.LOOK_UP
    assert (DECIDER.plan(later).call, DECIDER.plan(later).change.due_in) == (None, None)
    refunded = replace(later, payment=replace(later.payment, state=State.REFUNDED))
    assert lasting.plan(refunded).change.due_in is None


def test_an_event_about_a_success_is_ignored_unless_it_states_a_failure() -> None:
    work = make_work(State.COMPLETED, AttemptState.SUCCEEDED)

    plan = DECIDER.plan(_with_event(work, Outcome.PENDING))

    assert plan.call is None
    assert [item.result for item in plan.change.closed_events] == [EventResult.IGNORED]
    doubted = DECIDER.plan(_with_event(work, Outcome.FAILED))
    assert (doubted.call, doubted.change.is_nothing) == (Call.LOOK_UP, True)
    gone = Decider({}, lambda: 0.0).plan(_with_event(work, Outcome.FAILED))
    assert [item.result for item in gone.change.closed_events] == [EventResult.IGNORED]


def test_a_part_that_has_been_refunded_waits_for_the_next_one() -> None:
    plan = DECIDER.plan(
        _with_event(make_work(State.PARTLY_REFUNDED, AttemptState.SUCCEEDED), Outcome.PENDING)
    )

    assert (plan.call, plan.change.due_in) == (None, None)
    assert [item.result for item in plan.change.closed_events] == [EventResult.IGNORED]


def test_a_success_that_is_confirmed_is_watched_for_the_time_that_remains() -> None:
    work = _with_event(make_work(State.COMPLETED, AttemptState.SUCCEEDED), Outcome.FAILED)
    work = replace(work, claimed_at=NOW + timedelta(days=3))

    change = _wallet(success_final_after=FINAL_AFTER).settle(work, SUCCEEDED, NOW)

    assert change.due_in == timedelta(days=4)
    assert [item.result for item in change.closed_events] == [EventResult.APPLIED]
    assert DECIDER.settle(work, SUCCEEDED, NOW).due_in is None


@pytest.mark.parametrize(
    ("retry_after", "due_in"),
    [(timedelta(0), LONGEST_RETRY), (timedelta(seconds=200), timedelta(seconds=200))],
)
@pytest.mark.parametrize("answer", [TIMEOUT, PENDING, said(Outcome.FAILED, "solar_flare")])
def test_a_success_of_which_nobody_can_say_more_is_asked_about_again(
    answer: Answer, retry_after: timedelta, due_in: timedelta
) -> None:
    work = _with_event(make_work(State.COMPLETED, AttemptState.SUCCEEDED), Outcome.FAILED)

    change = DECIDER.settle(work, replace(answer, retry_after=retry_after), NOW)

    assert (change.due_in, change.closed_events, change.payment) == (due_in, (), work.payment)


def test_a_success_that_the_provider_does_not_know_is_a_hold_with_or_without_its_id() -> None:
    denied = said(Outcome.UNKNOWN, "reference_unknown", provider_reference="")
    work = make_work(State.COMPLETED, AttemptState.SUCCEEDED)
    named = with_attempt(work, provider_reference="po_1")

    for asked, answer in ((work, ABSENT), (named, ABSENT), (named, denied)):
        change = DECIDER.settle(asked, answer, NOW)
        assert change.payment.hold_reason == HoldReason.PROVIDER_CONTRADICTS
    assert DECIDER.settle(work, denied, NOW).payment.hold_reason is None


@pytest.mark.parametrize(
    ("amount", "before", "moved"),
    [
        (Money(9_900, "USD"), None, Money(9_900, "USD")),
        (None, Money(9_800, "USD"), Money(9_800, "USD")),
        (Money(10_000, "USD"), Money(9_800, "USD"), None),
    ],
)
def test_a_success_of_another_amount_is_known_to_have_moved_what_the_provider_shows(
    amount: Money | None, before: Money | None, moved: Money | None
) -> None:
    work = with_attempt(make_work(State.REFUNDED, AttemptState.SUCCEEDED), moved=before)

    change = DECIDER.settle(work, said(Outcome.UNKNOWN, "amount_mismatch", amount=amount), NOW)

    assert change.payment.hold_reason == HoldReason.AMOUNT_MISMATCH
    assert change.attempt == replace(attempt_of(work), moved=moved)


def test_a_refund_that_came_back_is_not_counted_and_its_events_are_dealt_with() -> None:
    whole = make_work_of(State.REFUNDED, AttemptState.SUCCEEDED, refunded=Money(10_000, "USD"))
    work = _with_event(whole, Outcome.FAILED)

    change = DECIDER.settle(work, DECLINED, NOW)

    assert change.payment.hold_reason == HoldReason.REFUND_REVERSED
    assert (change.payment.state, str(change.payment.refunded)) == (State.PARTLY_REFUNDED, "0.00")
    assert change.attempt == replace(
        attempt_of(work),
        state=AttemptState.REVERSED,
        failure=DECLINED.failure,
        provider_reference=DECLINED.provider_reference,
    )
    assert [item.result for item in change.closed_events] == [EventResult.APPLIED]


# While a hold stands


def _held(reason: HoldReason, state: AttemptState = AttemptState.UNKNOWN, **changes: Any) -> Work:
    work = make_work_of(State.PAYING_OUT, state, hold_reason=reason)
    return with_attempt(work, **changes)


@pytest.mark.parametrize("reason", sorted({*HoldReason} - {HoldReason.DISPUTED}))
@pytest.mark.parametrize("state", AttemptState)
def test_only_a_hold_that_waits_for_its_attempt_is_asked_about(
    reason: HoldReason, state: AttemptState
) -> None:
    waits = {
        HoldReason.AMOUNT_MISMATCH,
        HoldReason.OUTCOME_UNKNOWN,
        HoldReason.UNKNOWN_STATUS,
    }
    work = _held(reason, state)

    plan = DECIDER.plan(work)

    asked = reason in waits and attempt_of(work).is_live
    assert plan.call is (Call.LOOK_UP if asked else None)
    assert (plan.change.events, plan.change.due_in) == ((), None)
    assert plan.change.keeps_lease is asked


def test_a_hold_without_an_attempt_or_without_anybody_to_ask_stays_as_it_is() -> None:
    alone = make_work_of(State.PAYING_OUT, hold_reason=HoldReason.OUTCOME_UNKNOWN)
    work = _held(HoldReason.OUTCOME_UNKNOWN)

    for decider, held in (
        (DECIDER, alone),
        (Decider({}, lambda: 0.0), work),
        (_wallet(look_up=LookUp.NONE), work),
    ):
        plan = decider.plan(held)
        assert (plan.call, plan.change.payment) == (None, held.payment)
        assert (plan.change.due_in, plan.change.keeps_lease) == (None, False)


def test_an_event_ends_no_hold_on_another_amount_but_names_what_to_ask_about() -> None:
    work = _with_event(
        _held(HoldReason.AMOUNT_MISMATCH), Outcome.SUCCEEDED, provider_reference="po_7"
    )

    plan = DECIDER.plan(work)

    assert (plan.call, plan.change.payment) == (Call.LOOK_UP, work.payment)
    assert attempt_of(plan.work).provider_reference == "po_7"


@pytest.mark.parametrize("answer", [ABSENT, TIMEOUT, PENDING])
def test_a_hold_goes_on_for_five_minutes_after_an_answer_that_ends_nothing(answer: Answer) -> None:
    change = DECIDER.settle(_held(HoldReason.OUTCOME_UNKNOWN), answer, NOW)

    assert (change.due_in, change.events) == (HELD_POLL, ())
    assert change.payment.hold_reason == HoldReason.OUTCOME_UNKNOWN


def test_an_amount_that_comes_to_be_known_is_kept_while_the_hold_stands() -> None:
    stated = said(Outcome.UNKNOWN, "amount_mismatch", amount=Money(700, "NGN"))

    change = DECIDER.settle(_held(HoldReason.AMOUNT_MISMATCH), stated, NOW)
    refused = DECIDER.settle(
        _held(HoldReason.AMOUNT_MISMATCH, moved=Money(700, "NGN")), BLOCKED, NOW
    )

    assert change.attempt is not None
    assert change.attempt.moved == Money(700, "NGN")
    assert refused.attempt is not None
    assert (refused.attempt.moved, refused.due_in) == (None, None)


def test_a_refusal_that_ends_a_hold_waits_while_a_request_may_be_on_its_way() -> None:
    change = DECIDER.settle(_held(HoldReason.OUTCOME_UNKNOWN), BLOCKED, NOW)

    assert (change.payment.state, change.payment.hold_reason) == (State.REFUNDING, None)
    assert change.due_in == timedelta(seconds=26)


def test_another_amount_in_a_signed_event_is_on_suspense_at_once() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.ACCEPTED)
    other = _with_event(work, Outcome.SUCCEEDED, amount=Money(700, "NGN"), signed=True)

    plan = DECIDER.plan(other)

    assert (plan.call, plan.change.payment.hold_reason) == (None, HoldReason.AMOUNT_MISMATCH)
    assert [(p.debit, str(p.amount)) for p in plan.change.postings] == [
        ("suspense:local_wallet:NGN", "7.00")
    ]
