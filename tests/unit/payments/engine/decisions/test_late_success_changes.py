"""All that an answer about a late success changes besides the payment's state: who serves the step,
when it goes on, which events are dealt with, and that every attempt is read where one matters."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import EventResult, Work
from services.payments.engine.decisions.late_success import needs_all_attempts
from services.payments.model.answer import SUCCEEDED_LATE, Answer, Outcome
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.payment import Failure, State
from services.payments.model.quote import Route
from services.payments.model.timing import LANDED_AFTER, LONGEST_RETRY
from tests.history import attempt_of, make_late_work, said, with_attempt
from tests.makers import CAPABILITIES, NOW, make_attempt, make_capabilities, make_event, make_work

FINAL_AFTER = timedelta(days=7)
DECIDER = Decider(
    {
        **CAPABILITIES,
        "bank": make_capabilities("bank", refunds=True, success_final_after=FINAL_AFTER),
    },
    spread=lambda: 0.0,
)
OLD = NOW - timedelta(minutes=10)
SUCCEEDED, ABSENT, TIMEOUT = (
    said(Outcome.SUCCEEDED),
    said(Outcome.ABSENT, provider_reference=""),
    said(Outcome.UNKNOWN, "timeout"),
)
DENIED = said(Outcome.UNKNOWN, "reference_unknown")
DECLINED = said(Outcome.FAILED, "card_declined")
TWO = Route(onramps=("stripe", "bank"), offramps=("local_wallet", "bank"))


def _asked_late(step: Step, state: State, **changes: Any) -> Work:
    """The work of asking about an attempt that succeeded late, the only one of its step."""
    work = make_late_work(step, state, AttemptState.FAILED)
    late = replace(work.earlier[0], **changes)
    return replace(work, attempt=late, earlier=())


# Which attempts must be read


def _read(state: State, attempt: AttemptState | None, **changes: Any) -> Work:
    work = make_work(state, attempt)
    return with_attempt(work, **changes) if changes else work


@pytest.mark.parametrize(
    ("work", "needed"),
    [
        (_read(State.COLLECTING, None), False),
        (_read(State.COLLECTING, AttemptState.SENT), False),
        (_read(State.COMPLETED, AttemptState.SUCCEEDED), True),
        (_read(State.ACTION_REQUIRED, AttemptState.FAILED), True),
        (_read(State.COLLECTING, AttemptState.SENT, number=2), True),
        (_read(State.EXPIRED, None), True),
        (_read(State.RETURNED, AttemptState.REVERSED), True),
        (_read(State.REFUNDING, AttemptState.INTENDED), True),
    ],
)
def test_the_other_attempts_are_read_where_one_of_them_may_matter(work: Work, needed: bool) -> None:
    assert needs_all_attempts(work) is needed


def test_the_other_attempts_are_read_where_an_event_may_be_about_one_of_them() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.SENT)
    own = make_event(attempt_of(work))
    other = make_event(replace(attempt_of(work), key="k-9"))

    assert not needs_all_attempts(replace(work, inbox=(own,)))
    assert needs_all_attempts(replace(work, inbox=(own, other)))


# Confirmed successes


def test_a_late_payout_is_served_by_its_own_provider_and_looked_at_again_when_it_is_final() -> None:
    work = _asked_late(Step.PAYOUT, State.PAYING_OUT, provider="bank")
    work = replace(work, payment=replace(work.payment, route=TWO))

    change = DECIDER.settle(work, SUCCEEDED, NOW)

    assert change.payment.state is State.COMPLETED
    assert (change.payment.onramp, change.payment.offramp) == ("stripe", "bank")
    assert change.due_in == FINAL_AFTER
    assert {p.credit for p in change.postings} >= {"offramp:bank:NGN"}
    assert change.attempt is not None
    assert (change.attempt.state, change.attempt.code) == (AttemptState.SUCCEEDED, SUCCEEDED_LATE)


@pytest.mark.parametrize(
    ("state", "leads_to"),
    [(State.COLLECTING, State.CONVERTED), (State.EXPIRED, State.REFUNDING)],
)
def test_a_late_collection_is_served_by_its_own_provider(state: State, leads_to: State) -> None:
    work = _asked_late(Step.COLLECTION, state, provider="bank")
    work = replace(work, payment=replace(work.payment, route=TWO))

    change = DECIDER.settle(work, SUCCEEDED, NOW)

    assert change.payment.state is leads_to
    assert (change.payment.onramp, change.payment.offramp) == ("bank", "local_wallet")
    assert {p.debit for p in change.postings} >= {"onramp:bank:USD"}


def test_a_late_refund_leaves_both_providers_as_they_are() -> None:
    work = _asked_late(Step.REFUND, State.REFUNDING)

    change = DECIDER.settle(work, SUCCEEDED, NOW)

    assert change.payment.state is State.REFUNDED
    assert (change.payment.onramp, change.payment.offramp) == ("stripe", "local_wallet")


def test_money_that_is_refunded_after_the_end_closes_the_events_about_it() -> None:
    work = _asked_late(Step.COLLECTION, State.EXPIRED)
    other = make_event(replace(attempt_of(work), key="k-9"), event_id="evt_2")

    change = DECIDER.settle(
        replace(work, inbox=(make_event(attempt_of(work)), other)), SUCCEEDED, NOW
    )

    assert change.due_in == timedelta(0)
    assert [item.result for item in change.closed_events] == [
        EventResult.APPLIED,
        EventResult.UNMATCHED,
    ]


# Failed ones, and unknown ones


def test_after_a_failed_late_success_the_step_goes_on_at_once_unless_the_payment_is_over() -> None:
    going_on = _asked_late(Step.COLLECTION, State.COLLECTING)
    over = _asked_late(Step.COLLECTION, State.EXPIRED)

    for work, due_in, closed in ((going_on, timedelta(0), 0), (over, None, 1)):
        reported = replace(work, inbox=(make_event(attempt_of(work)),))
        change = DECIDER.settle(reported, DECLINED, NOW)
        assert change.due_in == due_in
        assert len(change.closed_events) == closed
        assert all(item.result is EventResult.IGNORED for item in change.closed_events)
        assert change.attempt is not None
        assert (change.attempt.state, change.attempt.moved) == (AttemptState.FAILED, None)


def test_a_step_that_goes_on_waits_a_minute_for_an_answer_and_keeps_its_events() -> None:
    work = _asked_late(Step.PAYOUT, State.PAYING_OUT)

    change = DECIDER.settle(replace(work, inbox=(make_event(attempt_of(work)),)), TIMEOUT, NOW)

    assert (change.due_in, change.closed_events) == (LONGEST_RETRY, ())


@pytest.mark.parametrize("answer", [ABSENT, DENIED])
def test_a_success_by_an_event_alone_is_dropped_for_a_look_up_that_has_nothing(
    answer: Answer,
) -> None:
    reported = _asked_late(Step.COLLECTION, State.EXPIRED, moved=None, leaves_until=OLD)
    reported = replace(reported, inbox=(make_event(attempt_of(reported)),))
    shown = _asked_late(Step.COLLECTION, State.EXPIRED, leaves_until=OLD)

    dropped = DECIDER.settle(reported, answer, NOW)

    assert (dropped.payment, dropped.events, dropped.due_in) == (reported.payment, (), None)
    assert [item.result for item in dropped.closed_events] == [EventResult.IGNORED]
    assert DECIDER.settle(shown, answer, NOW).payment.hold_reason == "late_success"
    nobody_knows = DECIDER.settle(reported, TIMEOUT, NOW)
    assert nobody_knows.payment.hold_reason == "late_success"


# An attempt beside it


def _beside(second: AttemptState = AttemptState.UNKNOWN, **changes: Any) -> Work:
    work = make_late_work(Step.PAYOUT, State.PAYING_OUT, second)
    return with_attempt(
        work, **{"sent_at": OLD, "last_sent_at": OLD, "leaves_until": OLD, **changes}
    )


def test_an_attempt_that_is_withdrawn_says_why_it_never_left() -> None:
    change = DECIDER.plan(
        _beside(AttemptState.INTENDED, sent_at=None, last_sent_at=None, leaves_until=None)
    ).change

    assert change.attempt is not None
    assert change.attempt.failure == Failure(
        code="never_left", message="an attempt before it succeeded late"
    )


def test_an_attempt_beside_a_late_success_is_not_given_up_while_it_may_have_moved_money() -> None:
    fresh = _beside(leaves_until=NOW - LANDED_AFTER)

    for work, answer in ((_beside(), TIMEOUT), (fresh, ABSENT)):
        change = DECIDER.settle(work, answer, NOW)
        assert change.attempt is not None
        assert change.attempt.state is AttemptState.UNKNOWN
        assert change.payment == work.payment
        assert change.due_in == timedelta(seconds=0.25)


def test_an_attempt_that_is_given_up_deals_with_its_events_but_for_a_success() -> None:
    work = _beside()
    own = attempt_of(work)
    pending, done = make_event(own), make_event(own, Outcome.SUCCEEDED, "evt_2")
    to_come = make_event(replace(own, key="k-9"), event_id="evt_3")

    change = DECIDER.settle(replace(work, inbox=(pending, done, to_come)), DECLINED, NOW)

    assert [(item.event, item.result) for item in change.closed_events] == [
        (pending, EventResult.APPLIED)
    ]
    assert change.due_in == timedelta(0)


def test_an_attempt_that_the_provider_has_nothing_of_was_not_accepted() -> None:
    change = DECIDER.settle(_beside(), ABSENT, NOW)

    assert change.attempt is not None
    assert change.attempt.failure == Failure(
        code="not_accepted", message="the provider has nothing under the key"
    )


def test_only_a_success_of_another_attempt_holds_the_one_that_is_taken() -> None:
    work = _beside(AttemptState.ACCEPTED)
    failed = make_attempt(work.payment, Step.PAYOUT, AttemptState.FAILED, key="k-0")

    alone = DECIDER.settle(replace(work, earlier=(failed,)), SUCCEEDED, NOW)

    assert (alone.payment.state, alone.payment.hold_reason) == (State.COMPLETED, None)
