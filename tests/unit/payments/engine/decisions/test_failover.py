"""Another provider, or another key, only where nothing of the first can still pay: after a
definitive failure, proof that nothing was sent, or a key whose error is cached for good."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, InboxEvent, Work
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, LookUp, Step
from services.payments.model.payment import Failure, State
from services.payments.model.quote import Route
from services.payments.model.timing import CLOCK_SKEW
from tests.makers import CAPABILITIES, NOW, make_attempt, make_capabilities, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
REFUSED = Answer(outcome=Outcome.FAILED, failure=Failure(code="payout_blocked", message="blocked"))
NOT_SENT = Answer(
    outcome=Outcome.NOT_SENT, failure=Failure(code="provider_unavailable", message="down")
)
ABSENT = Answer(outcome=Outcome.ABSENT)


def _work(state: AttemptState = AttemptState.SENT, *, first_send: bool = True) -> Work:
    """A payout at the first of two offramps."""
    work = make_work(State.PAYING_OUT, state)
    route = Route(onramps=("stripe",), offramps=("local_wallet", "bank"))
    payment = replace(work.payment, route=route, sent_at=NOW)
    return replace(work, payment=payment, first_send=first_send)


def _attempt(work: Work) -> Attempt:
    assert work.attempt is not None
    return work.attempt


def test_a_definitive_refusal_goes_to_the_next_offramp() -> None:
    change = DECIDER.settle(_work(), REFUSED, NOW)

    assert change.attempt is not None
    assert change.attempt.state is AttemptState.FAILED
    assert (change.payment.offramp, change.payment.sent_at) == ("bank", None)
    assert change.payment.hold_reason is None
    assert [event.cause for event in change.events] == ["payout_failed_over"]
    assert change.due_in == timedelta(0)


def test_the_next_attempt_has_the_next_number_and_a_key_of_its_own() -> None:
    work = _work(AttemptState.FAILED)
    moved = replace(work, payment=replace(work.payment, offramp="bank"))

    plan = DECIDER.plan(moved)

    assert plan.call is Call.SEND
    attempt = _attempt(plan.work)
    assert (attempt.number, attempt.provider, attempt.state) == (2, "bank", AttemptState.INTENDED)
    assert attempt.key.endswith("-payout-2")
    assert plan.change.payment.state is State.PAYING_OUT


def _at_the_last(work: Work) -> Work:
    return replace(
        work,
        payment=replace(work.payment, offramp="bank"),
        attempt=replace(_attempt(work), provider="bank"),
    )


def test_the_last_offramps_refusal_gives_the_sender_the_money_back() -> None:
    change = DECIDER.settle(_at_the_last(_work()), REFUSED, NOW)

    assert change.payment.state is State.REFUNDING
    assert change.payment.failure == REFUSED.failure
    assert {posting.cause for posting in change.postings} >= {"refund_exchange_bought"}
    assert change.due_in == timedelta(0)


def test_a_refund_waits_while_the_refused_payout_may_still_arrive() -> None:
    late = _at_the_last(_work(AttemptState.UNKNOWN, first_send=False))

    assert DECIDER.settle(late, REFUSED, NOW).due_in == timedelta(seconds=26)


def test_a_refund_begins_at_once_where_the_payout_was_sent_once_and_answered() -> None:
    answered = _at_the_last(_work(AttemptState.ACCEPTED, first_send=False))

    assert DECIDER.settle(answered, REFUSED, NOW).due_in == timedelta(0)


def test_where_the_onramp_cannot_refund_a_person_must_see_to_it() -> None:
    final = {**CAPABILITIES, "stripe": replace(CAPABILITIES["stripe"], refunds=False)}

    change = Decider(final, lambda: 0.0).settle(_at_the_last(_work()), REFUSED, NOW)

    assert change.payment.state is State.PAYING_OUT
    assert change.payment.hold_reason == "payout_failed"


def test_a_refund_begins_at_the_onramp_with_a_key_of_its_own() -> None:
    plan = DECIDER.plan(make_work(State.REFUNDING))

    attempt = _attempt(plan.work)
    assert plan.call is Call.SEND
    assert (attempt.provider, str(attempt.amount)) == ("stripe", "100.00")
    assert attempt.key.endswith("-refund-1")
    assert [event.cause for event in plan.change.events] == ["refund_intended"]


def test_a_refund_that_succeeded_ends_the_payment() -> None:
    work = make_work(State.REFUNDING, AttemptState.SENT)

    change = DECIDER.settle(work, Answer(outcome=Outcome.SUCCEEDED), NOW)

    assert change.payment.state is State.REFUNDED
    assert [posting.cause for posting in change.postings] == ["refunded"]
    assert change.payment.refundable.amount_minor == 0
    assert change.due_in is None


def test_a_refused_refund_is_held_and_keeps_the_reason_of_the_payout() -> None:
    work = make_work(State.REFUNDING, AttemptState.SENT)
    why = Failure(code="payout_blocked", message="blocked")
    work = replace(work, payment=replace(work.payment, failure=why))
    declined = Answer(outcome=Outcome.FAILED, failure=Failure(code="card_declined", message="no"))

    change = DECIDER.settle(work, declined, NOW)

    assert change.payment.hold_reason == "refund_failed"
    assert change.payment.failure == why


def test_an_event_about_a_payout_during_its_refund_is_a_hold() -> None:
    event = InboxEvent(
        provider="local_wallet",
        event_id="evt_1",
        step=Step.PAYOUT,
        answer=Answer(outcome=Outcome.SUCCEEDED),
    )

    work = make_work(State.REFUNDING, AttemptState.SENT, inbox=(event,))
    failed = make_attempt(work.payment, Step.PAYOUT, AttemptState.FAILED)
    plan = DECIDER.plan(replace(work, earlier=(failed,)))

    assert plan.call is Call.LOOK_UP
    assert plan.work.attempt == failed
    change = DECIDER.settle(plan.work, Answer(outcome=Outcome.SUCCEEDED), NOW)
    assert change.payment.hold_reason == "late_success"


@pytest.mark.parametrize(
    "work",
    [
        _work(AttemptState.FAILED),
        _work(AttemptState.INTENDED),
        make_work(State.CONVERTED),
        make_work(State.REFUNDING),
    ],
)
def test_nothing_is_sent_before_the_end_of_a_rest_whatever_wakes_the_payment(work: Work) -> None:
    for left in (timedelta(seconds=9), timedelta(microseconds=1)):
        resting = replace(work, payment=replace(work.payment, rests_until=NOW + left))
        plan = DECIDER.plan(resting)
        assert (plan.call, plan.change.due_in, plan.change.events) == (None, left, ())
        assert (plan.change.payment, plan.change.keeps_lease) == (resting.payment, False)

    rested = replace(work, payment=replace(work.payment, rests_until=NOW))
    assert DECIDER.plan(rested).call is Call.SEND


def test_a_rest_of_the_payment_hinders_no_question() -> None:
    work = _work(AttemptState.SENT)

    resting = replace(work, payment=replace(work.payment, rests_until=NOW + timedelta(seconds=9)))

    assert DECIDER.plan(resting).call is Call.LOOK_UP


def test_the_next_attempt_waits_while_an_earlier_request_may_still_arrive() -> None:
    change = DECIDER.settle(_work(AttemptState.UNKNOWN, first_send=False), REFUSED, NOW)

    assert (change.due_in, change.rest) == (timedelta(seconds=26), timedelta(seconds=26))


def test_a_failure_code_that_the_provider_did_not_declare_is_unknown() -> None:
    odd = Answer(outcome=Outcome.FAILED, failure=Failure(code="solar_flare", message="?"))

    change = DECIDER.settle(_work(), odd, NOW)

    assert change.attempt is not None
    assert change.attempt.state is AttemptState.UNKNOWN
    assert change.payment.offramp == "local_wallet"


def test_a_payout_that_provably_never_left_goes_to_the_next_provider_at_once() -> None:
    change = DECIDER.settle(_work(), NOT_SENT, NOW)

    assert change.payment.offramp == "bank"
    assert change.due_in == timedelta(0)


def test_without_another_provider_what_never_left_waits_as_intended() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.SENT, first_send=True)

    first = DECIDER.settle(work, NOT_SENT, NOW)
    waiting = replace(work, attempt=first.attempt)
    second = DECIDER.settle(waiting, NOT_SENT, NOW)

    assert first.attempt is not None
    assert first.attempt.state is AttemptState.INTENDED
    assert [event.cause for event in first.events] == ["payout_not_sent"]
    assert second.events == ()
    assert first.due_in is not None
    assert second.due_in is not None
    assert second.due_in > first.due_in
    assert (first.rest, second.rest) == (first.due_in, second.due_in)
    assert first.payment.hold_reason is None


@pytest.mark.parametrize("state", [AttemptState.UNKNOWN, AttemptState.SENT])
def test_not_sent_says_nothing_about_an_earlier_try(state: AttemptState) -> None:
    change = DECIDER.settle(_work(state, first_send=False), NOT_SENT, NOW)

    assert change.attempt is not None
    assert change.attempt.state is AttemptState.UNKNOWN
    assert change.payment.offramp == "local_wallet"


def test_an_unknown_payout_never_goes_to_another_provider() -> None:
    change = DECIDER.settle(_work(), Answer(outcome=Outcome.UNKNOWN), NOW)

    assert change.payment.offramp == "local_wallet"


def test_a_declined_card_is_the_payers_and_no_reason_for_another_onramp() -> None:
    work = make_work(State.COLLECTING, AttemptState.SENT, first_send=True)
    route = Route(onramps=("stripe", "bank"), offramps=("local_wallet",))
    declined = Answer(
        outcome=Outcome.FAILED, failure=Failure(code="card_declined", message="declined")
    )

    change = DECIDER.settle(
        replace(work, payment=replace(work.payment, route=route)), declined, NOW
    )

    assert change.payment.state is State.FAILED


def _cached(count: int, code: str = "provider_fault", *, is_absence_evidence: bool) -> Work:
    work = make_work(State.COLLECTING)
    lag = CLOCK_SKEW + CAPABILITIES["stripe"].look_up_lag
    left = NOW - lag - timedelta(microseconds=is_absence_evidence)
    attempt = make_attempt(
        work.payment,
        Step.COLLECTION,
        AttemptState.UNKNOWN,
        sent_at=left,
        leaves_until=left,
        inconclusive_count=count,
        failure=Failure(code=code, message="Stripe answered 500"),
    )
    return replace(work, attempt=attempt)


def test_a_key_whose_error_is_cached_is_retired_once_absence_is_evidence() -> None:
    work = _cached(5, is_absence_evidence=True)

    assert not DECIDER.after_look_up(work, ABSENT)
    change = DECIDER.settle(work, ABSENT, NOW)

    assert change.attempt is not None
    assert change.attempt.state is AttemptState.FAILED
    assert change.payment.onramp == "stripe"
    assert [event.cause for event in change.events] == ["collection_key_retired"]
    retired = replace(work, payment=change.payment, attempt=change.attempt)
    assert _attempt(DECIDER.plan(retired).work).number == 2


def test_a_spent_key_is_neither_sent_nor_retired_before_absence_is_evidence() -> None:
    work = _cached(5, is_absence_evidence=False)

    assert not DECIDER.after_look_up(work, ABSENT)
    change = DECIDER.settle(work, ABSENT, NOW)
    assert change.attempt is not None
    assert change.attempt.state is AttemptState.UNKNOWN
    # The last error is still recorded, so that the key stays spent.
    assert not DECIDER.after_look_up(replace(work, attempt=change.attempt), ABSENT)


@pytest.mark.parametrize(("count", "code"), [(4, "provider_fault"), (9, "no_answer")])
def test_a_key_is_sent_again_while_its_error_may_pass(count: int, code: str) -> None:
    """Nobody's answer is no cached error, however often it came."""
    assert DECIDER.after_look_up(_cached(count, code, is_absence_evidence=True), ABSENT)


def test_a_send_that_our_own_protection_refuses_is_no_answer_of_the_provider() -> None:
    work = _cached(4, is_absence_evidence=True)
    refused = Answer(
        outcome=Outcome.NOT_SENT, failure=Failure(code="provider_unavailable", message="open")
    )

    attempt = DECIDER.settle(work, refused, NOW).attempt

    assert attempt is not None
    assert (attempt.inconclusive_count, attempt.failure) == (4, _attempt(work).failure)
    assert DECIDER.after_look_up(replace(work, attempt=attempt), ABSENT)


def test_tries_that_never_left_do_not_count_once_one_has_left() -> None:
    work = make_work(State.COLLECTING, AttemptState.SENT, first_send=True)
    refused_before = replace(work, attempt=replace(_attempt(work), inconclusive_count=9))
    fault = Answer(outcome=Outcome.UNKNOWN, failure=Failure(code="provider_fault", message="500"))

    attempt = DECIDER.settle(refused_before, fault, NOW).attempt

    assert attempt is not None
    assert attempt.inconclusive_count == 1


def test_after_its_lifetime_a_key_is_sent_only_where_the_reference_is_a_second_fence() -> None:
    old = {
        "sent_at": NOW - timedelta(days=2),
        "last_sent_at": NOW - timedelta(days=2),
        "leaves_until": NOW - timedelta(days=2),
    }
    attempt = make_attempt(_work().payment, Step.PAYOUT, AttemptState.UNKNOWN, **old)

    fenced = make_capabilities("local_wallet", repeats_forgotten=False)
    open_ = make_capabilities("local_wallet", repeats_forgotten=True)

    assert fenced.may_send_again(attempt, NOW)
    assert not open_.may_send_again(attempt, NOW)
    assert not replace(fenced, look_up=LookUp.NONE).may_send_again(attempt, NOW)


def test_a_provider_that_can_neither_be_asked_nor_repeated_is_held_at_once() -> None:
    without_events = make_capabilities(
        "local_wallet", look_up=LookUp.NONE, key_lifetime=timedelta(0)
    )

    plan = Decider({"local_wallet": without_events}, lambda: 0.0).plan(_work(AttemptState.SENT))

    assert plan.call is None
    assert plan.change.payment.hold_reason == "outcome_unknown"


def test_a_late_success_of_a_failed_attempt_is_a_hold() -> None:
    work = _work(AttemptState.ACCEPTED)
    second = replace(_attempt(work), number=2, provider="bank", key="k-2")
    late = InboxEvent(
        provider="local_wallet",
        event_id="evt_1",
        step=Step.PAYOUT,
        answer=Answer(outcome=Outcome.SUCCEEDED, key=_attempt(work).key),
    )

    first = replace(_attempt(work), state=AttemptState.FAILED)
    plan = DECIDER.plan(replace(work, attempt=second, earlier=(first,), inbox=(late,)))

    assert plan.call is Call.LOOK_UP
    assert plan.work.attempt == first
    change = DECIDER.settle(plan.work, Answer(outcome=Outcome.SUCCEEDED), NOW)
    assert change.payment.hold_reason == "late_success"
