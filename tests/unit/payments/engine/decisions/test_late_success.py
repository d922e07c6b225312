"""Once a person has ended the hold on a late success: nothing more is sent for the step, what its
provider confirms is taken, a second success is held again, and money that was taken although the
payment is over goes back to the payer."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, Change, InboxEvent, Work
from services.payments.engine.decisions.returns_and_refunds import is_untouched
from services.payments.engine.decisions.waiting import live
from services.payments.model.answer import NEVER_LEFT, NOT_ACCEPTED, SUCCEEDED_LATE, Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, LookUp, Step
from services.payments.model.ledger import Posting, suspense_postings
from services.payments.model.operator import Operator
from services.payments.model.payment import Failure, State
from services.payments.operators.decisions import end_hold
from services.shared.money import Money
from tests.makers import CAPABILITIES, NOW, make_attempt, make_capabilities, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
ADA = Operator(name="ada")
SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="x_1")
ABSENT = Answer(outcome=Outcome.ABSENT)
TIMEOUT = Answer(outcome=Outcome.UNKNOWN, failure=Failure(code="timeout", message="timeout"))
LATE = Failure(code=SUCCEEDED_LATE, message="late")
LONG_AGO = NOW - timedelta(minutes=10)
OUT = [AttemptState.SENT, AttemptState.ACCEPTED, AttemptState.UNKNOWN]
IN_STATE = {
    Step.COLLECTION: State.COLLECTING,
    Step.PAYOUT: State.PAYING_OUT,
    Step.REFUND: State.REFUNDING,
}
DONE = {
    Step.COLLECTION: State.CONVERTED,
    Step.PAYOUT: State.COMPLETED,
    Step.REFUND: State.REFUNDED,
}
ENDS = [State.EXPIRED, State.CANCELLED, State.FAILED]


def _refused(code: str = "card_declined") -> Answer:
    return Answer(outcome=Outcome.FAILED, failure=Failure(code=code, message=code))


def _released(step: Step, second: AttemptState) -> Work:
    """Attempt 1 was over and has succeeded late, attempt 2 is in this state; the hold has ended."""
    work = make_work(IN_STATE[step])
    late = make_attempt(work.payment, step, AttemptState.FAILED, failure=LATE)
    late = late.known_to_have_moved(late.amount)
    times = {} if second is AttemptState.INTENDED else {"sent_at": LONG_AGO}
    attempt = make_attempt(
        work.payment,
        step,
        second,
        number=2,
        key=f"{work.payment.transaction_id}-{step}-2",
        **times,
        last_sent_at=times.get("sent_at"),
        leaves_until=times.get("sent_at"),
    )
    held = replace(work.payment, hold_reason="late_success")
    change = end_hold(replace(work, payment=held, attempt=attempt, earlier=(late,)), ADA)
    return replace(work, payment=change.payment, attempt=attempt, earlier=(late,))


def _late(work: Work) -> Attempt:
    return next(a for a in (work.attempt, *work.earlier) if a is not None and a.succeeded_late)


def _after(work: Work, change: Change) -> Work:
    """The work as it is claimed next."""
    known = {a.key: a for a in (*work.earlier, work.attempt, change.attempt) if a is not None}
    last = max((a.number for a in known.values()), default=0)
    attempt = next(a for a in known.values() if a.number == last)
    others = tuple(a for a in known.values() if a is not attempt)
    return replace(work, payment=change.payment, attempt=attempt, earlier=others)


def _balances(postings: Iterable[Posting]) -> dict[str, int]:
    sums = Counter[str]()
    for posting in postings:
        sums[posting.debit] += posting.amount.amount_minor
        sums[posting.credit] -= posting.amount.amount_minor
    return {account: balance for account, balance in sums.items() if balance}


def _suspended(late: Attempt) -> tuple[Posting, ...]:
    return suspense_postings(replace(late, moved=None), late)


@pytest.mark.parametrize("step", Step)
def test_a_next_attempt_that_has_not_left_never_does(step: Step) -> None:
    work = _released(step, AttemptState.INTENDED)
    late = _late(work)

    plan = DECIDER.plan(work)

    assert plan.call is Call.LOOK_UP
    assert plan.work.attempt == late
    withdrawn = plan.change.attempt
    assert withdrawn is not None
    assert (withdrawn.number, withdrawn.state, withdrawn.code) == (
        2,
        AttemptState.FAILED,
        NEVER_LEFT,
    )
    taken = DECIDER.settle(plan.work, SUCCEEDED, NOW)
    assert taken.payment.state is DONE[step]
    assert taken.payment.hold_reason is None
    assert taken.attempt is not None
    assert (taken.attempt.number, taken.attempt.state) == (1, AttemptState.SUCCEEDED)
    assert not any(
        account.startswith("suspense")
        for account in _balances((*_suspended(late), *taken.postings))
    )


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("answer", [ABSENT, TIMEOUT, Answer(outcome=Outcome.PENDING)])
def test_while_the_provider_does_not_say_nothing_is_sent(step: Step, answer: Answer) -> None:
    plan = DECIDER.plan(_released(step, AttemptState.INTENDED))

    assert DECIDER.after_look_up(plan.work, answer) is None
    change = DECIDER.settle(plan.work, answer, NOW)
    assert change.attempt is not None
    assert change.attempt == live(plan.work).doubted()
    assert change.due_in is not None
    again = DECIDER.plan(_after(plan.work, change))
    assert again.call is Call.LOOK_UP
    assert again.work.attempt is not None
    assert again.work.attempt.number == 1


@pytest.mark.parametrize("step", [Step.COLLECTION, Step.PAYOUT])
def test_a_late_success_that_has_failed_is_tried_again(step: Step) -> None:
    plan = DECIDER.plan(_released(step, AttemptState.INTENDED))

    change = DECIDER.settle(plan.work, _refused(), NOW)
    following = DECIDER.plan(_after(plan.work, change))

    assert change.attempt is not None
    assert (change.attempt.moved, change.attempt.code) == (None, "card_declined")
    assert following.call is Call.SEND
    assert following.work.attempt is not None
    assert following.work.attempt.number == 3


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("second", OUT)
def test_a_next_attempt_that_is_out_is_asked_about_and_never_sent_again(
    step: Step, second: AttemptState
) -> None:
    plan = DECIDER.plan(_released(step, second))

    assert plan.call is Call.LOOK_UP
    assert plan.work.attempt is not None
    assert plan.work.attempt.number == 2
    assert DECIDER.after_look_up(plan.work, ABSENT) is None
    silent = {
        name: replace(known, look_up=LookUp.NONE, event_is_evidence=False)
        for name, known in CAPABILITIES.items()
    }
    unasked = Decider(silent, lambda: 0.0).plan(_released(step, second))
    assert (unasked.call, unasked.change.payment.hold_reason) == (None, "outcome_unknown")


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("second", OUT)
@pytest.mark.parametrize("answer", [_refused(), ABSENT])
def test_when_the_next_attempt_has_moved_nothing_the_late_one_is_taken(
    step: Step, second: AttemptState, answer: Answer
) -> None:
    plan = DECIDER.plan(_released(step, second))

    over = DECIDER.settle(plan.work, answer, NOW)

    assert over.payment.state is IN_STATE[step]
    assert over.payment.hold_reason is None
    assert over.attempt is not None
    assert over.attempt.state is AttemptState.FAILED
    assert over.attempt.code in ("card_declined", NOT_ACCEPTED)
    following = DECIDER.plan(_after(plan.work, over))
    assert following.call is Call.LOOK_UP
    taken = DECIDER.settle(following.work, SUCCEEDED, NOW)
    assert taken.payment.state is DONE[step]
    assert taken.payment.hold_reason is None


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("second", OUT)
def test_when_both_have_succeeded_the_other_stays_on_suspense_and_the_hold_says_so(
    step: Step, second: AttemptState
) -> None:
    work = _released(step, second)
    late = _late(work)
    plan = DECIDER.plan(work)

    taken = DECIDER.settle(plan.work, SUCCEEDED, NOW)

    assert taken.payment.state is DONE[step]
    assert taken.payment.hold_reason == "late_success"
    assert taken.due_in is None
    assert taken.events[-1].evidence["also_succeeded"] == late.key
    assert taken.attempt is not None
    assert (taken.attempt.number, taken.attempt.state) == (2, AttemptState.SUCCEEDED)
    provider = f"{late.provider}:{late.amount.currency}"
    assert f"suspense:{provider}" in _balances((*_suspended(late), *taken.postings))


@pytest.mark.parametrize("step", [Step.COLLECTION, Step.PAYOUT])
def test_a_late_success_beside_one_in_time_is_on_suspense_and_the_hold_says_so(
    step: Step,
) -> None:
    work = make_work(State.COMPLETED)
    first = make_attempt(work.payment, step, AttemptState.FAILED)
    second = replace(first, number=2, key="k-2", state=AttemptState.SUCCEEDED)
    reported = Answer(outcome=Outcome.SUCCEEDED, event_id="evt_1", key=first.key, signed=True)
    event = InboxEvent(provider=first.provider, event_id="evt_1", step=step, answer=reported)
    plan = DECIDER.plan(replace(work, attempt=second, earlier=(first,), inbox=(event,)))

    change = DECIDER.settle(plan.work, SUCCEEDED, NOW)

    assert change.payment.hold_reason == "late_success"
    assert change.events[-1].evidence["also_succeeded"] == "k-2"
    assert _balances(change.postings) == _balances(
        _suspended(first.known_to_have_moved(first.amount))
    )
    released = end_hold(replace(work, payment=change.payment, attempt=second), ADA)
    goes_on = replace(work, payment=released.payment, attempt=second, earlier=(change.attempt,))  # type: ignore[arg-type]
    assert DECIDER.plan(goes_on).call is None


def test_a_cancelled_payment_is_not_over_while_a_late_success_stands() -> None:
    work = _released(Step.COLLECTION, AttemptState.INTENDED)
    work = replace(work, payment=replace(work.payment, cancel_requested_at=NOW))

    assert not is_untouched(work)
    plan = DECIDER.plan(work)
    assert plan.call is Call.LOOK_UP
    taken = DECIDER.settle(plan.work, SUCCEEDED, NOW)
    assert taken.payment.state is State.REFUNDING
    nothing = DECIDER.settle(plan.work, _refused(), NOW)
    assert DECIDER.plan(_after(plan.work, nothing)).change.payment.state is State.CANCELLED


def test_a_refund_that_is_more_than_what_is_left_is_held_again() -> None:
    plan = DECIDER.plan(_released(Step.REFUND, AttemptState.INTENDED))
    part = replace(plan.work.payment, refunded=Money(4_000, "USD"))

    change = DECIDER.settle(replace(plan.work, payment=part), SUCCEEDED, NOW)

    assert change.payment.hold_reason == "late_success"
    assert change.payment.refunded == Money(4_000, "USD")
    assert change.closed_events == ()


def test_another_amount_is_held_again() -> None:
    plan = DECIDER.plan(_released(Step.COLLECTION, AttemptState.INTENDED))

    change = DECIDER.settle(plan.work, replace(SUCCEEDED, amount=Money(9_900, "USD")), NOW)

    assert change.payment.hold_reason == "late_success"
    assert change.attempt is not None
    assert change.attempt.moved == Money(9_900, "USD")
    assert (change.events[-1].evidence["expected"], change.events[-1].evidence["stated"]) == (
        "100.00 USD",
        "99.00 USD",
    )


# A payment that is over


def _over(state: State, **changes: object) -> Work:
    """The hold on money that was taken although the payment is over has been ended."""
    work = make_work(state)
    late = make_attempt(work.payment, Step.COLLECTION, AttemptState.FAILED, failure=LATE)
    late = late.known_to_have_moved(late.amount)
    return replace(work, earlier=(replace(late, **changes),))  # type: ignore[arg-type]


@pytest.mark.parametrize("state", ENDS)
def test_money_that_was_taken_after_the_end_goes_back_to_the_payer(state: State) -> None:
    work = _over(state)
    late = work.earlier[0]

    plan = DECIDER.plan(work)
    assert plan.call is Call.LOOK_UP
    back = DECIDER.settle(plan.work, SUCCEEDED, NOW)

    assert back.payment.state is State.REFUNDING
    assert back.payment.collection_reference == "x_1"
    assert back.due_in == timedelta(0)
    assert _balances((*_suspended(late), *back.postings)) == {
        "onramp:stripe:USD": 10_000,
        "payments:USD": -10_000,
    }
    refund = DECIDER.plan(replace(work, payment=back.payment, earlier=(back.attempt,)))  # type: ignore[arg-type]
    assert refund.call is Call.SEND
    assert refund.work.attempt is not None
    assert (refund.work.attempt.step, refund.work.attempt.amount) == (
        Step.REFUND,
        Money(10_000, "USD"),
    )
    done = DECIDER.settle(refund.work, SUCCEEDED, NOW)
    assert done.payment.state is State.REFUNDED
    everything = (*_suspended(late), *back.postings, *done.postings)
    assert _balances(everything) == {}


@pytest.mark.parametrize("state", ENDS)
def test_a_late_success_that_has_failed_leaves_nothing_on_suspense_of_an_ended_payment(
    state: State,
) -> None:
    work = _over(state)

    change = DECIDER.settle(DECIDER.plan(work).work, _refused(), NOW)

    assert (change.payment.state, change.payment.hold_reason) == (state, None)
    assert change.due_in is None
    assert _balances((*_suspended(work.earlier[0]), *change.postings)) == {}


@pytest.mark.parametrize("state", ENDS)
@pytest.mark.parametrize("answer", [TIMEOUT, ABSENT, Answer(outcome=Outcome.PENDING)])
def test_a_late_success_that_is_not_confirmed_is_held_again(state: State, answer: Answer) -> None:
    change = DECIDER.settle(DECIDER.plan(_over(state)).work, answer, NOW)

    assert (change.payment.state, change.payment.hold_reason) == (state, "late_success")


def test_an_event_that_the_look_up_does_not_bear_out_gives_nothing_back() -> None:
    work = _over(State.EXPIRED, moved=None, leaves_until=LONG_AGO)

    change = DECIDER.settle(DECIDER.plan(work).work, ABSENT, NOW)

    assert change.payment == work.payment
    assert change.due_in is None


@pytest.mark.parametrize(
    "changes", [{"provider": "bank"}, {"amount": Money(9_900, "USD")}], ids=["route", "amount"]
)
def test_money_that_the_payment_cannot_count_stays_on_suspense(changes: dict[str, object]) -> None:
    change = DECIDER.settle(DECIDER.plan(_over(State.EXPIRED, **changes)).work, SUCCEEDED, NOW)

    assert (change.payment.state, change.payment.hold_reason) == (State.EXPIRED, "late_success")


def test_an_onramp_that_gives_nothing_back_leaves_it_to_a_person() -> None:
    keeping = {"stripe": make_capabilities("stripe", refunds=False)}
    decider = Decider(keeping, lambda: 0.0)

    change = decider.settle(decider.plan(_over(State.EXPIRED)).work, SUCCEEDED, NOW)

    assert (change.payment.state, change.payment.hold_reason) == (State.EXPIRED, "late_success")


def test_a_provider_that_is_not_in_this_deployment_is_named() -> None:
    change = Decider({}, lambda: 0.0).plan(_over(State.EXPIRED)).change

    assert change.payment.hold_reason == "provider_unknown"
