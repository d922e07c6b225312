"""Before a refund is sent, the offramps are asked about every payout that was sent: what one of
them says to have paid is held, and nothing else is in the way for ever."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.payments.engine.decisions.before_send import is_due
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, Change, Plan, Work
from services.payments.engine.decisions.returns_and_refunds import refund_on_request
from services.payments.model.answer import SUCCEEDED_LATE, Answer, Outcome
from services.payments.model.attempt import AttemptState, LookUp, Step
from services.payments.model.operator import Operator
from services.payments.model.payment import Failure, State
from services.payments.model.timing import DOUBTED_TRIES
from services.payments.operators.decisions import end_hold
from tests.history import with_attempt
from tests.makers import CAPABILITIES, NOW, make_attempt, make_capabilities, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)


def _failed(code: str) -> Answer:
    return Answer(outcome=Outcome.FAILED, failure=Failure(code=code, message=code))


def _unknown(code: str) -> Answer:
    return Answer(outcome=Outcome.UNKNOWN, failure=Failure(code=code, message=code))


SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="x_1")
ABSENT = Answer(outcome=Outcome.ABSENT)
REFUSED = _failed("payout_blocked")
PENDING = Answer(outcome=Outcome.PENDING)
OPEN = [_unknown("timeout"), _failed("solar_flare")]


def _asked(work: Work, answer: Answer, *, after: timedelta = timedelta(0)) -> tuple[Plan, Change]:
    """The plan, which must be a look-up, and what its answer comes to."""
    plan = DECIDER.plan(work)
    assert plan.call is Call.LOOK_UP
    assert DECIDER.after_look_up(plan.work, answer) is None
    return plan, DECIDER.settle(plan.work, answer, NOW + after)


def _refunding(payout: AttemptState, **changes: object) -> Work:
    work = make_work(State.REFUNDING, AttemptState.INTENDED)
    sent = make_attempt(work.payment, Step.PAYOUT, payout)
    return replace(work, earlier=(replace(sent, **changes),))  # type: ignore[arg-type]


@pytest.mark.parametrize("payout", [AttemptState.FAILED, AttemptState.REVERSED])
@pytest.mark.parametrize("answer", [REFUSED, ABSENT, _unknown("reference_unknown")])
def test_a_refund_is_sent_once_the_provider_agrees_that_the_payout_was_not_paid(
    payout: AttemptState, answer: Answer
) -> None:
    work = _refunding(payout)

    plan = DECIDER.plan(work)

    assert plan.call is Call.LOOK_UP
    assert plan.work.attempt == work.earlier[0]
    following = DECIDER.after_look_up(plan.work, answer)
    assert following is not None
    assert following.call is Call.SEND
    assert following.work.attempt == work.attempt


@pytest.mark.parametrize("answer", [ABSENT, _unknown("reference_unknown")])
def test_a_payout_that_was_shown_to_have_moved_is_not_unpaid_because_it_is_denied(
    answer: Answer,
) -> None:
    work = _refunding(AttemptState.FAILED)
    moved = replace(work.earlier[0], moved=work.earlier[0].amount)

    plan, change = _asked(replace(work, earlier=(moved,)), answer)
    doubted = with_attempt(plan.work, unknown_since=NOW, inconclusive_count=DOUBTED_TRIES)
    late = DECIDER.settle(doubted, answer, NOW + timedelta(minutes=30))

    assert (change.payment.hold_reason, change.postings) == (None, ())
    assert late.payment.hold_reason == "payout_unconfirmed"


@pytest.mark.parametrize("is_proven", [True, False])
def test_a_late_success_that_came_back_is_on_record_before_the_refund_is_sent(
    is_proven: bool,
) -> None:
    work = _refunding(AttemptState.FAILED, failure=Failure(code=SUCCEEDED_LATE, message="late"))
    late = work.earlier[0]
    late = replace(late, moved=late.amount if is_proven else None)

    _, change = _asked(replace(work, earlier=(late,)), REFUSED)

    assert change.attempt == replace(late, moved=None, failure=REFUSED.failure)
    causes = [posting.cause for posting in change.postings]
    assert causes == (["payout_from_suspense"] if is_proven else [])
    assert (change.payment.hold_reason, change.due_in) == (None, timedelta(0))
    plan = DECIDER.plan(replace(work, payment=change.payment, earlier=(change.attempt,)))
    following = DECIDER.after_look_up(plan.work, REFUSED)
    assert following is not None
    assert following.call is Call.SEND


@pytest.mark.parametrize("answer", [SUCCEEDED, REFUSED])
def test_a_refund_that_is_sent_again_asks_about_its_payouts_again(answer: Answer) -> None:
    work = make_work(State.REFUNDING, AttemptState.UNKNOWN)
    paid = make_attempt(work.payment, Step.PAYOUT, AttemptState.FAILED)
    work = replace(work, earlier=(paid,))
    plan = DECIDER.plan(work)
    assert plan.work.attempt == work.attempt

    asked = DECIDER.after_look_up(plan.work, ABSENT)

    assert asked is not None
    assert (asked.call, asked.work.attempt) == (Call.LOOK_UP, paid)
    following = DECIDER.after_look_up(asked.work, answer)
    if answer is REFUSED:
        assert following is not None
        assert (following.call, following.work.attempt) == (Call.SEND, work.attempt)
    else:
        assert following is None
        held = DECIDER.settle(asked.work, answer, NOW)
        assert held.payment.hold_reason == "late_success"


@pytest.mark.parametrize("payout", [AttemptState.FAILED, AttemptState.REVERSED])
def test_a_refund_of_a_payout_that_the_provider_says_is_paid_is_held(
    payout: AttemptState,
) -> None:
    plan, change = _asked(_refunding(payout), SUCCEEDED)

    assert change.payment.hold_reason == "late_success"
    assert change.attempt is not None
    assert change.attempt.step is Step.PAYOUT
    assert plan.work.to_send is not None


def test_a_refund_on_request_asks_as_well() -> None:
    returned = make_work(State.RETURNED, AttemptState.REVERSED)
    assert returned.attempt is not None
    change = refund_on_request(returned, None)

    work = replace(
        returned, payment=change.payment, attempt=change.attempt, earlier=(returned.attempt,)
    )

    assert _asked(work, SUCCEEDED)[1].payment.hold_reason == "late_success"


def test_a_refund_that_begins_by_itself_asks_after_its_intent_is_recorded() -> None:
    work = replace(_refunding(AttemptState.FAILED), attempt=None)

    plan = DECIDER.plan(work)

    assert plan.call is Call.LOOK_UP
    assert [event.cause for event in plan.change.events] == ["refund_intended"]


def test_each_payout_that_was_sent_is_asked_about() -> None:
    work = _refunding(AttemptState.FAILED)
    second = replace(work.earlier[0], number=2, provider="bank", key="k-2")
    unsent = replace(work.earlier[0], number=3, key="k-3", sent_at=None)
    # Also one at a provider that is not in this deployment any more.
    gone = replace(work.earlier[0], number=4, provider="gone", key="k-4")
    work = replace(work, earlier=(*work.earlier, second, unsent, gone))
    plan = DECIDER.plan(work)

    for attempt in (second, gone):
        following = DECIDER.after_look_up(plan.work, ABSENT)
        assert following is not None
        assert (following.call, following.work.attempt) == (Call.LOOK_UP, attempt)
        assert following.change.is_nothing
        plan = following
    last = DECIDER.after_look_up(plan.work, ABSENT)
    assert last is not None
    assert (last.call, last.work.attempt, last.work.to_send) == (Call.SEND, work.attempt, None)
    assert last.change.is_nothing


def test_a_provider_that_cannot_be_asked_is_not() -> None:
    dumb = make_capabilities("local_wallet", look_up=LookUp.NONE)
    decider = Decider({**CAPABILITIES, "local_wallet": dumb}, spread=lambda: 0.0)

    assert decider.plan(_refunding(AttemptState.FAILED)).call is Call.SEND


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (make_work(State.REFUNDING), True),
        (make_work(State.REFUNDING, AttemptState.INTENDED), True),
        (make_work(State.REFUNDING, AttemptState.FAILED), True),
        (make_work(State.REFUNDING, AttemptState.SENT), True),
        (make_work(State.REFUNDING, AttemptState.UNKNOWN), True),
        (make_work(State.REFUNDING, AttemptState.ACCEPTED), False),
        (make_work(State.REFUNDING, AttemptState.SUCCEEDED), True),
        (make_work(State.PARTLY_REFUNDED, AttemptState.SUCCEEDED), False),
        (make_work(State.PAYING_OUT, AttemptState.INTENDED), False),
        (make_work(State.COMPLETED), False),
    ],
)
def test_payouts_are_fetched_where_a_refund_may_be_sent_next(work: Work, expected: bool) -> None:
    assert is_due(work) is expected


def _doubted(work: Work, tries: int = DOUBTED_TRIES) -> Work:
    asked = replace(work.earlier[0], unknown_since=NOW, inconclusive_count=tries)
    return replace(work, earlier=(asked,))


def test_before_a_refund_time_counts_only_while_the_provider_is_asked() -> None:
    work, late = _refunding(AttemptState.FAILED), timedelta(days=9)

    for answer in OPEN:
        for asked in (work, _doubted(work, DOUBTED_TRIES - 1)):
            change = _asked(asked, answer, after=late)[1]
            assert change.payment.hold_reason is None
            assert change.attempt == asked.earlier[0].doubted()
        # Asked about before an earlier refund: that time does not count either.
        old = replace(_doubted(work).earlier[0], unknown_since=NOW - late)
        change = _asked(replace(work, earlier=(old,)), answer, after=timedelta(minutes=29))[1]
        assert change.payment.hold_reason is None


def test_a_refund_waits_for_the_payouts_provider_and_then_for_a_person() -> None:
    work = _refunding(AttemptState.FAILED)

    for answer in OPEN:
        assert _asked(work, answer)[1].due_in is not None
        change = _asked(_doubted(work), answer, after=timedelta(minutes=30))[1]
        assert change.payment.hold_reason == "payout_unconfirmed"
        assert change.events[-1].evidence["key"] == work.earlier[0].key


def test_a_payout_that_is_still_open_is_not_given_back_unless_an_event_ended_it() -> None:
    failed, returned = _refunding(AttemptState.FAILED), _refunding(AttemptState.REVERSED)

    assert DECIDER.after_look_up(DECIDER.plan(failed).work, PENDING) is not None
    assert _asked(returned, PENDING)[1].due_in is not None
    assert _asked(_refunding(AttemptState.FAILED, provider="stripe"), PENDING)[1].due_in is not None


def test_released_by_a_person_a_refund_is_sent_unless_the_payout_is_paid_or_under_way() -> None:
    work = _refunding(AttemptState.FAILED)
    held = replace(work, payment=replace(work.payment, hold_reason="payout_unconfirmed"))
    change = end_hold(held, Operator(name="ada"))
    released = replace(work, payment=change.payment, attempt=change.attempt)

    plan = DECIDER.plan(released)

    assert DECIDER.after_look_up(plan.work, _unknown("timeout")) is not None
    for answer in (SUCCEEDED, PENDING):
        assert DECIDER.after_look_up(plan.work, answer) is None


def test_a_payment_whose_payout_never_left_is_refunded_without_a_question() -> None:
    never = Failure(code="never_left", message="provider_unavailable")

    assert DECIDER.plan(_refunding(AttemptState.FAILED, failure=never)).call is Call.SEND
    assert DECIDER.plan(make_work(State.REFUNDING, AttemptState.INTENDED)).call is Call.SEND
