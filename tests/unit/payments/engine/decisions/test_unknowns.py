"""An unknown outcome is held for a person after the time that its provider declares, whatever is
sent again; a hold that waits for an outcome alone ends with it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, InboxEvent, Work
from services.payments.engine.decisions.moves import fail
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, Capabilities, LookUp, Step
from services.payments.model.payment import Failure, State
from services.payments.model.quote import Route
from services.payments.model.timing import (
    FIRST_ROUND,
    LANDED_AFTER,
    LONGEST_ROUND,
    LOOKS_AHEAD,
    SENDS_MAX,
    STATUS_TRIES,
    round_in,
)
from tests.makers import CAPABILITIES, NOW, make_attempt, make_capabilities, make_case, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.999)
SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED)
ABSENT = Answer(outcome=Outcome.ABSENT)
HALF_AN_HOUR = timedelta(minutes=30)


def _unknown(code: str) -> Answer:
    return Answer(outcome=Outcome.UNKNOWN, failure=Failure(code=code, message=code))


def _failed(code: str) -> Answer:
    return Answer(outcome=Outcome.FAILED, failure=Failure(code=code, message=code))


def _not_sent() -> Answer:
    failure = Failure(code="provider_unavailable", message="down")
    return Answer(outcome=Outcome.NOT_SENT, failure=failure)


def _attempt(work: Work) -> Attempt:
    assert work.attempt is not None
    return work.attempt


def _since(age: timedelta, state: State = State.PAYING_OUT, **changes: Any) -> Work:
    """An attempt whose outcome nobody has known for so long."""
    work = make_work(state, AttemptState.UNKNOWN)
    since = {
        "unknown_since": NOW - age,
        "sent_at": NOW - age,
        "last_sent_at": NOW - age,
        "leaves_until": NOW - age,
    }
    return replace(work, attempt=replace(_attempt(work), **{**since, **changes}))


OPEN_STEPS = [State.COLLECTING, State.PAYING_OUT, State.REFUNDING]


@pytest.mark.parametrize("state", OPEN_STEPS)
@pytest.mark.parametrize("code", ["timeout", "request_refused", "provider_fault", "rate_limited"])
def test_an_unknown_outcome_is_a_hold_after_the_declared_time_and_still_asked_about(
    state: State, code: str
) -> None:
    before = DECIDER.settle(_since(HALF_AN_HOUR - timedelta(seconds=1), state), _unknown(code), NOW)
    after = DECIDER.settle(_since(HALF_AN_HOUR, state), _unknown(code), NOW)

    assert before.payment.hold_reason is None
    assert after.payment.hold_reason == "outcome_unknown"
    assert after.due_in == timedelta(minutes=5)
    (event,) = after.events
    assert event.evidence["failure_code"] == code
    assert event.evidence["provider"] == _attempt(_since(HALF_AN_HOUR, state)).provider


def test_a_provider_declares_how_long() -> None:
    quick = {"local_wallet": make_capabilities("local_wallet", unknown_hold_after=timedelta(1))}

    change = Decider(quick, lambda: 0.0).settle(_since(HALF_AN_HOUR), _unknown("timeout"), NOW)

    assert change.payment.hold_reason is None


def test_an_attempt_accepted_long_ago_is_unknown_only_since_its_first_open_answer() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.UNKNOWN)
    attempt = replace(
        _attempt(work),
        sent_at=NOW - timedelta(hours=9),
        unknown_since=NOW - timedelta(minutes=1),
    )

    change = DECIDER.settle(replace(work, attempt=attempt), _unknown("timeout"), NOW)

    assert change.payment.hold_reason is None


@pytest.mark.parametrize("state", OPEN_STEPS)
def test_a_status_that_no_document_names_is_looked_up_and_then_a_hold_of_its_own(
    state: State,
) -> None:
    work = make_work(state, AttemptState.SENT)
    odd, causes = _unknown("unknown_status"), list[str]()
    for _ in range(STATUS_TRIES):
        assert work.payment.hold_reason is None
        assert DECIDER.plan(work).call is Call.LOOK_UP
        change = DECIDER.settle(work, odd, NOW)
        causes += [event.cause for event in change.events]
        work = replace(work, payment=change.payment, attempt=change.attempt)

    assert work.payment.hold_reason == "unknown_status"
    assert causes == [f"{_attempt(work).step}_unknown", "held_unknown_status"]


# Sending again is bounded


@pytest.mark.parametrize("state", OPEN_STEPS)
def test_a_key_is_sent_no_more_often_than_that(state: State) -> None:
    seldom = _since(timedelta(minutes=5), state, sends=SENDS_MAX - 1)
    often = _since(timedelta(minutes=5), state, sends=SENDS_MAX)

    assert DECIDER.after_look_up(seldom, ABSENT) is not None
    assert DECIDER.after_look_up(often, ABSENT) is None


def test_a_payout_goes_to_the_next_provider_once_the_first_provably_has_nothing() -> None:
    refused = Failure(code="request_refused", message="answered 400")
    work = _since(timedelta(minutes=5), sends=SENDS_MAX, failure=refused)
    route = Route(onramps=("stripe",), offramps=("local_wallet", "bank"))
    work = replace(work, payment=replace(work.payment, route=route))

    change = DECIDER.settle(work, ABSENT, NOW)

    assert change.payment.offramp == "bank"
    assert change.attempt is not None
    assert (change.attempt.state, change.attempt.code) == (AttemptState.FAILED, "not_accepted")


def test_while_a_request_may_still_arrive_nothing_is_given_up() -> None:
    work = _since(timedelta(minutes=5), sends=SENDS_MAX, leaves_until=NOW - LANDED_AFTER)

    change = DECIDER.settle(work, ABSENT, NOW)

    assert change.attempt is not None
    assert change.attempt.state is AttemptState.UNKNOWN


def test_a_refund_that_is_never_taken_is_a_persons() -> None:
    work = _since(timedelta(minutes=5), State.REFUNDING, sends=SENDS_MAX)

    assert DECIDER.settle(work, ABSENT, NOW).payment.hold_reason == "refund_failed"


def test_keys_whose_errors_are_cached_are_not_followed_by_new_ones_for_ever() -> None:
    spent = {"inconclusive_count": 5, "failure": Failure(code="provider_fault", message="500")}
    tenth = _since(timedelta(minutes=2), State.REFUNDING, number=10, **spent)
    ninth = _since(timedelta(minutes=2), State.REFUNDING, number=9, **spent)

    assert DECIDER.settle(tenth, ABSENT, NOW).payment.hold_reason == "outcome_unknown"
    retired = DECIDER.settle(ninth, ABSENT, NOW)
    assert [event.cause for event in retired.events] == ["refund_key_retired"]


def test_a_provider_that_cannot_be_asked_is_not_sent_the_same_for_ever() -> None:
    silent = {"local_wallet": make_capabilities("local_wallet", look_up=LookUp.NONE)}
    work = _since(timedelta(minutes=5), sends=SENDS_MAX)

    plan = Decider(silent, lambda: 0.0).plan(work)

    assert (plan.call, plan.change.payment.hold_reason) == (None, "outcome_unknown")


# A hold that waits for an outcome


def _held(reason: str = "outcome_unknown") -> Work:
    work = _since(timedelta(hours=1))
    return replace(work, payment=replace(work.payment, hold_reason=reason))


@pytest.mark.parametrize("reason", ["outcome_unknown", "unknown_status"])
def test_the_outcome_that_a_hold_waited_for_ends_it(reason: str) -> None:
    plan = DECIDER.plan(_held(reason))
    assert plan.call is Call.LOOK_UP
    assert DECIDER.after_look_up(plan.work, ABSENT) is None

    paid = DECIDER.settle(plan.work, SUCCEEDED, NOW)
    assert (paid.payment.state, paid.payment.hold_reason) == (State.COMPLETED, None)
    assert [event.cause for event in paid.events] == ["hold_ended_by_outcome", "payout_succeeded"]
    assert paid.before.version == plan.work.payment.version
    assert paid.before.status == "ON_HOLD"
    refused = DECIDER.settle(plan.work, _failed("payout_blocked"), NOW)
    assert (refused.payment.state, refused.payment.hold_reason) == (State.REFUNDING, None)


@pytest.mark.parametrize(
    "answer",
    [ABSENT, _unknown("timeout"), _failed("solar_flare"), Answer(outcome=Outcome.PENDING)],
)
def test_nothing_less_ends_it_and_it_is_asked_again(answer: Answer) -> None:
    change = DECIDER.settle(_held(), answer, NOW)

    assert change.payment.hold_reason == "outcome_unknown"
    assert (change.events, change.attempt) == ((), None)
    assert change.due_in == timedelta(minutes=5)


def test_an_event_that_is_evidence_ends_it_at_once() -> None:
    work = _held()
    answer = Answer(outcome=Outcome.SUCCEEDED, actor="provider:local_wallet", event_id="evt_1")
    reported = InboxEvent(
        provider="local_wallet", event_id="evt_1", step=Step.PAYOUT, answer=answer
    )

    plan = DECIDER.plan(replace(work, inbox=(reported,)))

    assert plan.call is None
    assert plan.change.payment.state is State.COMPLETED
    assert [event.actor for event in plan.change.events] == ["provider:local_wallet"] * 2


def test_no_other_hold_ends_by_itself() -> None:
    plan = DECIDER.plan(_held("payout_unconfirmed"))

    assert (plan.call, plan.change.due_in) == (None, None)


# A route that cannot pay now


def _at_the_last(number: int = 1, **changes: Any) -> Work:
    work = make_work(State.PAYING_OUT, AttemptState.SENT, first_send=True)
    attempt = replace(make_attempt(work.payment, Step.PAYOUT, AttemptState.SENT), number=number)
    return replace(work, attempt=replace(attempt, **changes))


def test_an_empty_balance_at_the_last_offramp_waits_and_begins_with_the_first() -> None:
    work = _at_the_last(number=2, provider="bank")
    route = Route(onramps=("stripe",), offramps=("local_wallet", "bank"))
    work = replace(work, payment=replace(work.payment, route=route, offramp="bank"))

    change = DECIDER.settle(work, _failed("insufficient_balance"), NOW)

    assert change.payment.state is State.PAYING_OUT
    assert change.payment.offramp == "local_wallet"
    assert change.due_in == FIRST_ROUND
    assert [event.cause for event in change.events] == ["payout_waits"]
    following = DECIDER.plan(replace(work, payment=change.payment, attempt=change.attempt))
    assert _attempt(following.work).number == 3
    assert _attempt(following.work).provider == "local_wallet"


def test_a_route_waits_within_its_patience_and_then_the_payer_has_the_money_back() -> None:
    work, waited, number = _at_the_last(), timedelta(0), 1
    while True:
        tried = replace(work, attempt=replace(_attempt(work), number=number))
        change = DECIDER.settle(tried, _failed("insufficient_balance"), NOW)
        if change.payment.state is State.REFUNDING:
            break
        assert change.due_in is not None
        waited, number = waited + change.due_in, number + 1

    patience = work.payment.route.patience
    assert patience - LONGEST_ROUND < waited <= patience
    assert number < 30


def test_a_corridor_without_patience_gives_the_money_back_at_once() -> None:
    work = _at_the_last()
    route = replace(work.payment.route, patience=timedelta(0))
    work = replace(work, payment=replace(work.payment, route=route))

    change = DECIDER.settle(work, _failed("insufficient_balance"), NOW)

    assert change.payment.state is State.REFUNDING


def test_a_refusal_of_the_recipient_waits_for_nothing() -> None:
    change = DECIDER.settle(_at_the_last(), _failed("payout_blocked"), NOW)

    assert change.payment.state is State.REFUNDING


def test_a_provider_that_takes_nothing_for_a_while_is_left_for_a_rest_of_the_route() -> None:
    few = _at_the_last(inconclusive_count=3)
    many = _at_the_last(inconclusive_count=4)

    waits = DECIDER.settle(few, _not_sent(), NOW)
    rests = DECIDER.settle(many, _not_sent(), NOW)

    assert waits.attempt is not None
    assert waits.attempt.state is AttemptState.INTENDED
    assert rests.attempt is not None
    assert (rests.attempt.state, rests.attempt.code) == (AttemptState.FAILED, "never_left")
    assert rests.due_in == FIRST_ROUND


def test_no_rest_is_longer_than_the_list_of_the_overdue_looks_ahead() -> None:
    rests = [round_in(rounds, timedelta(days=1)) for rounds in range(1, 60)]

    assert rests == sorted(rest for rest in rests if rest is not None)
    assert rests[-1] == LONGEST_ROUND < LOOKS_AHEAD


# After a refusal


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("insufficient_balance", "payout_waits"),
        ("never_left", "payout_waits"),
        ("not_accepted", "payout_waits"),
        ("payout_blocked", "payout_failed"),
    ],
)
def test_only_a_no_that_says_nothing_of_the_recipient_lets_the_route_rest(
    code: str, cause: str
) -> None:
    work = make_work(State.PAYING_OUT, AttemptState.ACCEPTED)

    change = fail(make_case(work, _failed(code)))

    assert [event.cause for event in change.events] == [cause]


@pytest.mark.parametrize(
    ("onramp", "reason"),
    [
        ({"stripe": make_capabilities("stripe")}, None),
        ({"stripe": make_capabilities("stripe", refunds=False)}, "payout_failed"),
        ({}, "payout_failed"),
    ],
)
def test_the_payer_gets_the_money_back_only_where_the_onramp_gives_it(
    onramp: dict[str, Capabilities], reason: str | None
) -> None:
    work = make_work(State.PAYING_OUT, AttemptState.ACCEPTED)
    decider = Decider({"local_wallet": CAPABILITIES["local_wallet"], **onramp}, lambda: 0.0)

    change = decider.settle(work, _failed("payout_blocked"), NOW)

    assert change.payment.hold_reason == reason
