"""Which attempt an event stands against, what is put on record once it is confirmed, and until when
its provider is asked."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.disputes import (
    also_succeeded,
    confirm,
    disputed,
    wait_for_proof,
)
from services.payments.engine.decisions.facts import Call, EventResult, InboxEvent, Work
from services.payments.model.answer import SUCCEEDED_LATE, Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, LookUp, Step
from services.payments.model.payment import Failure, State
from services.payments.model.timing import DOUBTED_TRIES, LOOK_UP_BEHIND_EVENT
from services.shared.money import Money
from tests.history import attempt_of, make_work_of, said
from tests.makers import CAPABILITIES, NOW, make_attempt, make_capabilities, make_case, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
SUCCEEDED, ABSENT = said(Outcome.SUCCEEDED), said(Outcome.ABSENT)
TIMEOUT = said(Outcome.UNKNOWN, "timeout")
LATE = Failure(code=SUCCEEDED_LATE, message="succeeded after all, by the provider's word")
PART = Money(123, "NGN")
MOMENT = timedelta(microseconds=1)


def _event(attempt: Attempt, event_id: str = "evt_1", **changes: Any) -> InboxEvent:
    """An event of the attempt's success."""
    facts: dict[str, Any] = {"key": attempt.key, "signed": True, **changes}
    answer = Answer(outcome=Outcome.SUCCEEDED, event_id=event_id, **facts)
    return InboxEvent(
        provider=attempt.provider,
        event_id=event_id,
        step=attempt.step,
        answer=answer,
        asked_since=NOW,
        asked=DOUBTED_TRIES,
    )


def _failed(number: int = 1, **changes: Any) -> Work:
    """A payment that is refunded, with a failed payout and an event of its success."""
    work = make_work(State.REFUNDED, AttemptState.SUCCEEDED)
    facts = {"number": number, "key": f"k-{number}", "provider_reference": "po_1"} | changes
    failed = make_attempt(work.payment, Step.PAYOUT, AttemptState.FAILED, **facts)
    return replace(work, earlier=(failed,), inbox=(_event(failed),))


def _asked(work: Work) -> Work:
    found = disputed(work)
    assert found is not None
    return found


# Which attempt


def test_the_first_event_against_the_record_is_asked_about_and_all_other_attempts_are_kept() -> (
    None
):
    work = _failed()
    (failed,) = work.earlier
    second = replace(failed, number=2, key="k-2")
    harmless = replace(_event(failed), answer=Answer(outcome=Outcome.FAILED, key="k-1"))
    first, last = _event(second, "evt_2"), _event(failed, "evt_3")
    work = replace(work, earlier=(failed, second), inbox=(harmless, first, last))

    asked = _asked(work)

    assert (asked.attempt, asked.disputed) == (second, first)
    assert asked.earlier == (attempt_of(work), failed)


def test_an_event_that_names_no_key_is_about_the_last_attempt_that_is_not_known_yet() -> None:
    work = _failed()
    (failed,) = work.earlier
    second = replace(failed, number=2, key="k-2")
    known = replace(failed, number=3, key="k-3", failure=LATE)
    reported = replace(work, inbox=(_event(failed, key=""),))

    assert attempt_of(_asked(replace(reported, earlier=(failed, second, known)))) == second
    assert disputed(replace(reported, earlier=(known,))) is None


def test_an_event_is_against_no_record_while_one_that_it_may_be_about_is_open() -> None:
    work = _failed()
    (failed,) = work.earlier
    live = replace(failed, number=2, key="k-2", state=AttemptState.SENT)
    reported = replace(work, inbox=(_event(failed, key=""),))

    assert disputed(replace(reported, earlier=(failed, live))) is None


def test_the_id_that_the_event_names_is_asked_about_or_else_the_one_on_record() -> None:
    work = _failed()
    other = replace(work, inbox=(_event(work.earlier[0], provider_reference="po_2"),))

    assert attempt_of(_asked(work)).provider_reference == "po_1"
    assert attempt_of(_asked(other)).provider_reference == "po_2"


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("state", State)
def test_a_success_of_no_attempt_is_against_the_record_once_the_step_can_no_longer_begin(
    step: Step, state: State
) -> None:
    begins = {
        Step.COLLECTION: {State.CREATED, State.COLLECTING},
        Step.PAYOUT: {
            State.CREATED,
            State.COLLECTING,
            State.FUNDED,
            State.CONVERTED,
            State.PAYING_OUT,
        },
        Step.REFUND: {State.REFUNDING},
    }
    work = make_work(state)
    stranger = make_attempt(work.payment, step, AttemptState.FAILED)

    found = disputed(replace(work, inbox=(_event(stranger),)))

    assert (found is None) is (state in begins[step])


@pytest.mark.parametrize(
    ("step", "stated", "amount"),
    [
        (Step.REFUND, Money(700, "USD"), Money(700, "USD")),
        (Step.REFUND, None, Money(10_000, "USD")),
        (Step.COLLECTION, Money(700, "USD"), Money(10_000, "USD")),
    ],
)
def test_an_unknown_attempt_has_the_payments_own_amount_or_a_part_of_it_for_a_refund(
    step: Step, stated: Money | None, amount: Money
) -> None:
    work = make_work_of(State.REFUNDED, AttemptState.SUCCEEDED, refunded=Money(10_000, "USD"))
    stranger = make_attempt(work.payment, step, AttemptState.FAILED, provider="bank", number=4)
    event = _event(stranger, amount=stated)

    supposed = attempt_of(_asked(replace(work, inbox=(event,))))

    assert (supposed.amount, supposed.provider, supposed.key) == (amount, "bank", stranger.key)
    assert (supposed.state, supposed.sent_at) == (AttemptState.FAILED, None)
    # After the refund that is on record, or as the first of its step.
    assert supposed.number == (2 if step is Step.REFUND else 1)


def test_an_unknown_attempt_without_a_key_gets_the_next_one() -> None:
    work = make_work(State.REFUNDED)
    event = _event(make_attempt(work.payment, Step.PAYOUT, AttemptState.FAILED), key="")

    supposed = attempt_of(_asked(replace(work, inbox=(event,))))

    assert supposed.key == f"{work.payment.transaction_id}-payout-1"


# The record of a late success


def test_a_confirmed_success_is_marked_and_its_events_are_closed() -> None:
    work = _asked(_failed())

    change = DECIDER.settle(work, SUCCEEDED, NOW)

    attempt = attempt_of(work)
    assert change.attempt == replace(attempt, failure=LATE, moved=attempt.amount)
    assert [(item.event, item.result) for item in change.closed_events] == [
        (work.disputed, EventResult.APPLIED)
    ]
    assert change.due_in is None


@pytest.mark.parametrize(
    ("answer", "before", "moved"),
    [
        (SUCCEEDED, None, make_work(State.PAYING_OUT).payment.terms.payout),
        (replace(SUCCEEDED, amount=PART), None, PART),
        (said(Outcome.UNKNOWN, "amount_mismatch", amount=PART), None, PART),
        (said(Outcome.UNKNOWN, "amount_mismatch"), None, None),
        (said(Outcome.UNKNOWN, "amount_mismatch"), PART, PART),
    ],
)
def test_the_money_that_the_provider_shows_to_have_moved_is_recorded(
    answer: Answer, before: Money | None, moved: Money | None
) -> None:
    work = _asked(_failed(moved=before))

    change = confirm(make_case(work, answer))

    assert change.attempt is not None
    assert change.attempt.moved == moved


@pytest.mark.parametrize("before", [None, PART])
def test_an_event_alone_shows_nothing_to_have_moved(before: Money | None) -> None:
    work = _asked(_failed(moved=before))

    change = DECIDER.settle(work, ABSENT, NOW + LOOK_UP_BEHIND_EVENT)

    assert change.payment.hold_reason == "late_success"
    assert change.attempt is not None
    assert (change.attempt.failure, change.attempt.moved) == (LATE, before)


def test_a_key_that_another_attempt_has_is_held_and_not_put_on_record_twice() -> None:
    work = _failed()
    work = replace(work, earlier=(*work.earlier, replace(work.earlier[0], number=2)))

    change = DECIDER.settle(_asked(work), SUCCEEDED, NOW)

    assert (change.payment.hold_reason, change.attempt) == ("late_success", None)


def test_every_other_attempt_of_the_step_that_has_moved_money_is_named() -> None:
    payment = make_work(State.COMPLETED).payment
    states = {"a": AttemptState.SUCCEEDED, "b": AttemptState.FAILED, "c": AttemptState.FAILED}
    tried = {
        key: make_attempt(payment, Step.PAYOUT, state, key=key) for key, state in states.items()
    }
    shown = replace(tried["b"], failure=LATE, moved=PART)
    reported = replace(tried["c"], failure=LATE)
    refunds = make_attempt(payment, Step.REFUND, AttemptState.SUCCEEDED, key="d")
    work = replace(make_work(State.COMPLETED), earlier=(tried["a"], shown, reported, refunds))

    own = make_attempt(payment, Step.PAYOUT, AttemptState.FAILED, key="e")
    assert also_succeeded(work, own) == {"also_succeeded": "a, b"}
    assert also_succeeded(work, tried["a"]) == {"also_succeeded": "b"}
    # Refunds may be in parts, so that several of them succeed.
    assert also_succeeded(work, replace(refunds, key="f")) == {}


# How long it is asked about


@pytest.mark.parametrize(
    ("age", "due_in"),
    [(40, timedelta(seconds=10)), (0, timedelta(seconds=1)), (None, timedelta(seconds=1))],
)
def test_it_is_asked_about_again_after_a_quarter_of_its_age(
    age: int | None, due_in: timedelta
) -> None:
    work = _failed()
    since = None if age is None else NOW - timedelta(seconds=age)
    work = replace(work, inbox=(replace(work.inbox[0], asked_since=since, asked=DOUBTED_TRIES),))

    change = DECIDER.settle(_asked(work), TIMEOUT, NOW)

    assert (change.due_in, change.closed_events) == (due_in, ())


@pytest.mark.parametrize("denial", [ABSENT, said(Outcome.UNKNOWN, "reference_unknown")])
def test_a_look_up_may_lag_behind_a_signed_success(denial: Answer) -> None:
    work = _asked(_failed())

    for after in (timedelta(0), LOOK_UP_BEHIND_EVENT - MOMENT):
        change = DECIDER.settle(work, denial, NOW + after)
        assert (change.payment, change.attempt) == (work.payment, None)
        assert change.closed_events == ()
        assert change.due_in is not None
    change = DECIDER.settle(work, denial, NOW + LOOK_UP_BEHIND_EVENT)
    assert change.payment.hold_reason == "late_success"


def test_a_look_up_of_a_provider_that_declares_a_longer_lag_is_given_it() -> None:
    lag = LOOK_UP_BEHIND_EVENT * 2
    slow = make_capabilities("local_wallet", look_up=LookUp.EVENTUAL, look_up_lag=lag)
    decider = Decider({"local_wallet": slow}, lambda: 0.0)

    for after, held in ((lag - MOMENT, None), (lag, "late_success")):
        change = decider.settle(_asked(_failed()), ABSENT, NOW + after)
        assert change.payment.hold_reason == held


def test_a_person_is_called_at_the_very_end_of_the_time_that_the_provider_declares() -> None:
    work = _asked(_failed())

    for after, held in (
        (timedelta(minutes=30) - MOMENT, None),
        (timedelta(minutes=30), "late_success"),
    ):
        change = DECIDER.settle(work, TIMEOUT, NOW + after)
        assert change.payment.hold_reason == held
    assert change.attempt is not None
    assert (change.attempt.failure, change.attempt.moved) == (LATE, None)


def test_the_word_of_a_provider_that_signs_nothing_is_older_than_its_look_up() -> None:
    work = _asked(_failed())
    unsigned = make_capabilities("local_wallet", signs_events=False)

    change = Decider({"local_wallet": unsigned}, lambda: 0.0).settle(work, ABSENT, NOW)

    assert (change.payment, change.due_in) == (work.payment, timedelta(0))
    assert [item.result for item in change.closed_events] == [EventResult.IGNORED]
    late = NOW + LOOK_UP_BEHIND_EVENT
    assert DECIDER.settle(work, ABSENT, late).payment.hold_reason == "late_success"


def test_where_the_provider_is_gone_the_event_is_all_there_is() -> None:
    work = _asked(_failed())

    for answer in (ABSENT, TIMEOUT):
        change = Decider({}, lambda: 0.0).settle(work, answer, NOW)
        assert change.payment.hold_reason == "late_success"
        assert change.events[0].evidence["event_id"] == "evt_1"
        assert "failure_code" not in change.events[0].evidence


def test_a_question_that_nobody_asked_has_no_answer() -> None:
    work = make_work(State.COMPLETED, AttemptState.SUCCEEDED)

    with pytest.raises(ValueError, match=work.payment.transaction_id):
        wait_for_proof(make_case(work, TIMEOUT))


def test_the_event_is_asked_about_before_anything_else_is_done() -> None:
    work = _failed()

    plan = DECIDER.plan(work)

    assert (plan.call, plan.change.is_nothing) == (Call.LOOK_UP, True)
    assert plan.work == _asked(work)
