"""The changes while an outcome is open, and each bound at its very value: how often and how
long a key is tried, when absence is proof, and when a person is called."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Change, EventResult, InboxEvent, Work
from services.payments.engine.decisions.unknowns import is_proven_absent, is_spent
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, LookUp
from services.payments.model.payment import Failure, State
from services.payments.model.quote import Route
from services.payments.model.timing import (
    CACHED_ERRORS,
    HELD_POLL,
    KEYS_MAX,
    LANDED_AFTER,
    NOT_SENT_TRIES,
    SENDS_MAX,
    STATUS_TRIES,
)
from services.shared.money import Money
from tests.history import attempt_of, make_work_of, said, with_attempt
from tests.makers import CAPABILITIES, NOW, make_capabilities, make_case, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
MOMENT = timedelta(microseconds=1)
OLD = NOW - timedelta(minutes=5)
PENDING = said(Outcome.PENDING)
ABSENT = said(Outcome.ABSENT, provider_reference="")
TIMEOUT = said(Outcome.UNKNOWN, "timeout")
DOWN = said(Outcome.NOT_SENT, "down")
ODD = said(Outcome.UNKNOWN, "unknown_status")
DENIED = said(Outcome.UNKNOWN, "reference_unknown", provider_reference="")
FAULT = Failure(code="provider_fault", message="Stripe answered 500")
BOTH = Route(onramps=("stripe", "bank"), offramps=("local_wallet", "bank"))


def _work(state: State = State.PAYING_OUT, **changes: Any) -> Work:
    """An attempt whose outcome nobody knows, sent long enough ago for all of it to have arrived."""
    work = make_work(state, AttemptState.UNKNOWN)
    return with_attempt(
        work, **{"sent_at": OLD, "last_sent_at": OLD, "leaves_until": OLD, **changes}
    )


def _attempt(change: Change) -> Attempt:
    assert change.attempt is not None
    return change.attempt


def _with_event(work: Work) -> Work:
    """The work with an event about its attempt, and one about an attempt that is to come."""
    own = attempt_of(work)
    events = [
        InboxEvent(
            provider=own.provider,
            event_id=event_id,
            step=own.step,
            answer=Answer(outcome=Outcome.PENDING, event_id=event_id, key=key),
        )
        for event_id, key in (("evt_1", own.key), ("evt_2", "k-9"))
    ]
    return replace(work, inbox=tuple(events))


# Accepted


@pytest.mark.parametrize(
    ("state", "sent_before", "sent_at"),
    [
        (State.PAYING_OUT, None, NOW),
        (State.PAYING_OUT, OLD, OLD),
        (State.COLLECTING, None, None),
        (State.REFUNDING, None, None),
    ],
)
def test_an_accepted_attempt_is_asked_about_after_a_quarter_of_its_age(
    state: State, sent_before: Any, sent_at: Any
) -> None:
    work = make_work_of(state, AttemptState.SENT, sent_at=sent_before)
    work = _with_event(with_attempt(work, sent_at=NOW - timedelta(seconds=40)))

    change = DECIDER.settle(work, PENDING, NOW)

    assert _attempt(change) == attempt_of(work).answered(AttemptState.ACCEPTED, PENDING)
    assert change.payment.sent_at == sent_at
    assert change.due_in == timedelta(seconds=10)
    assert [(item.event.event_id, item.result) for item in change.closed_events] == [
        ("evt_1", EventResult.APPLIED)
    ]


def test_an_attempt_that_stays_accepted_changes_nothing() -> None:
    work = _with_event(
        with_attempt(make_work(State.PAYING_OUT, AttemptState.ACCEPTED), sent_at=OLD)
    )

    change = DECIDER.settle(work, PENDING, NOW)

    assert (change.events, change.attempt, change.payment) == ((), None, work.payment)
    assert change.due_in == timedelta(seconds=60)
    assert [item.event.event_id for item in change.closed_events] == ["evt_1"]


# Not sent


def _unsent(state: State = State.COLLECTING, **changes: Any) -> Work:
    work = make_work(state, AttemptState.SENT, first_send=True)
    return with_attempt(work, **changes)


@pytest.mark.parametrize(
    ("answer", "message"), [(DOWN, "down"), (said(Outcome.NOT_SENT), "it was not sent")]
)
@pytest.mark.parametrize("state", [State.COLLECTING, State.PAYING_OUT])
def test_a_payout_that_never_left_goes_to_the_next_provider_with_the_reason(
    state: State, answer: Answer, message: str
) -> None:
    work = _unsent(state)
    work = replace(work, payment=replace(work.payment, route=BOTH))

    change = DECIDER.settle(work, answer, NOW)

    never = Failure(code="never_left", message=message)
    assert _attempt(change) == replace(attempt_of(work), state=AttemptState.FAILED, failure=never)
    served = change.payment.onramp if state is State.COLLECTING else change.payment.offramp
    assert served == "bank"
    assert [event.actor for event in change.events] == ["provider:them"]


@pytest.mark.parametrize("state", [State.COLLECTING, State.REFUNDING])
def test_a_step_with_one_provider_is_tried_again_without_a_limit(state: State) -> None:
    work = _unsent(state, inconclusive_count=NOT_SENT_TRIES + 4)

    change = DECIDER.settle(work, DOWN, NOW)

    attempt = _attempt(change)
    assert (attempt.state, attempt.failure) == (AttemptState.INTENDED, DOWN.failure)
    assert attempt.inconclusive_count == NOT_SENT_TRIES + 5
    assert (change.events, change.payment) == ((), work.payment)
    assert change.due_in == timedelta(seconds=30)


def test_a_payout_that_never_leaves_waits_with_its_route_from_the_fifth_try_on() -> None:
    waits = DECIDER.settle(_unsent(State.PAYING_OUT, inconclusive_count=3), DOWN, NOW)
    rests = DECIDER.settle(_unsent(State.PAYING_OUT, inconclusive_count=4), DOWN, NOW)

    assert _attempt(waits).state is AttemptState.INTENDED
    never = Failure(code="never_left", message="down")
    assert (_attempt(rests).state, _attempt(rests).failure) == (AttemptState.FAILED, never)
    assert [event.cause for event in rests.events] == ["payout_waits"]
    assert rests.events[0].evidence["failure_code"] == "never_left"


def test_the_spread_keeps_tries_apart() -> None:
    work, often = _unsent(), _work(inconclusive_count=2)

    for spread, share in ((0.0, 0.5), (0.5, 0.75)):
        decider = Decider(CAPABILITIES, lambda spread=spread: spread)
        assert decider.settle(work, DOWN, NOW).due_in == timedelta(seconds=0.5) * share
        assert decider.settle(often, TIMEOUT, NOW).due_in == timedelta(seconds=2) * share


# Absent


@pytest.mark.parametrize(
    ("changes", "proven"),
    [
        ({}, True),
        ({"leaves_until": None}, True),
        ({"leaves_until": NOW - LANDED_AFTER}, False),
        ({"leaves_until": NOW - LANDED_AFTER - MOMENT}, True),
        ({"provider_reference": "po_1"}, False),
    ],
)
def test_absence_is_proof_once_nothing_is_on_its_way_and_no_id_was_given(
    changes: dict[str, Any], proven: bool
) -> None:
    case = make_case(_work(**changes), ABSENT)
    blind = {"local_wallet": make_capabilities("local_wallet", look_up=LookUp.NONE)}

    assert is_proven_absent(case) is proven
    assert not is_proven_absent(replace(case, providers=blind))


@pytest.mark.parametrize(
    ("changes", "spent"),
    [
        ({}, True),
        ({"inconclusive_count": CACHED_ERRORS - 1}, False),
        ({"inconclusive_count": CACHED_ERRORS + 1}, True),
        ({"failure": None}, False),
        ({"failure": Failure(code="timeout", message="timeout")}, False),
        ({"provider_reference": "po_1"}, False),
    ],
)
def test_a_key_is_spent_once_an_error_is_its_answer_for_good(
    changes: dict[str, Any], spent: bool
) -> None:
    facts = {"inconclusive_count": CACHED_ERRORS, "failure": FAULT, **changes}
    attempt = attempt_of(_work(**facts))

    assert is_spent(attempt, make_capabilities("local_wallet", caches_errors=True)) is spent
    assert not is_spent(attempt, make_capabilities("local_wallet", caches_errors=False))


@pytest.mark.parametrize(
    ("failure", "message"), [(FAULT, "Stripe answered 500"), (None, "no answer")]
)
def test_a_key_that_was_sent_often_without_success_ends_with_the_last_error(
    failure: Failure | None, message: str
) -> None:
    work = _work(sends=SENDS_MAX, failure=failure)
    work = replace(work, payment=replace(work.payment, route=BOTH))

    change = DECIDER.settle(work, ABSENT, NOW)

    assert change.payment.offramp == "bank"
    assert [event.evidence["failure_code"] for event in change.events] == ["not_accepted"]
    assert [event.evidence["failure_message"] for event in change.events] == [message]
    assert _attempt(change).state is AttemptState.FAILED


@pytest.mark.parametrize(
    "changes",
    [
        {"sends": SENDS_MAX - 1},
        {"sends": SENDS_MAX, "leaves_until": NOW - LANDED_AFTER},
    ],
)
def test_an_attempt_that_may_still_be_taken_is_not_over(changes: dict[str, Any]) -> None:
    change = DECIDER.settle(_work(**changes), ABSENT, NOW)

    assert _attempt(change).state is AttemptState.UNKNOWN


def test_a_spent_key_is_followed_by_another_up_to_the_last_one() -> None:
    spent = {"inconclusive_count": CACHED_ERRORS, "failure": FAULT}

    for number, reason in ((KEYS_MAX - 1, None), (KEYS_MAX, "outcome_unknown")):
        change = DECIDER.settle(_work(State.COLLECTING, number=number, **spent), ABSENT, NOW)
        assert change.payment.hold_reason == reason
    assert _attempt(change).state is AttemptState.UNKNOWN
    assert change.due_in == HELD_POLL


# Unknown


@pytest.mark.parametrize("first_send", [True, False])
def test_an_unknown_outcome_counts_its_tries_from_the_first_send_on(first_send: bool) -> None:
    work = make_work(State.PAYING_OUT, AttemptState.SENT, first_send=first_send)
    work = with_attempt(work, inconclusive_count=3)

    change = DECIDER.settle(work, TIMEOUT, NOW)

    assert _attempt(change).inconclusive_count == (1 if first_send else 4)
    assert _attempt(change).failure == TIMEOUT.failure
    assert [event.cause for event in change.events] == ["payout_unknown"]
    assert change.due_in == timedelta(seconds=2)


def test_an_outcome_that_is_still_unknown_is_no_event() -> None:
    change = DECIDER.settle(_work(), TIMEOUT, NOW)

    assert (change.events, _attempt(change).inconclusive_count) == ((), 1)
    assert _attempt(change).state is AttemptState.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"unknown_since": NOW - timedelta(minutes=30)}, "outcome_unknown"),
        ({"unknown_since": NOW - timedelta(minutes=30) + MOMENT}, None),
        ({"unknown_since": NOW, "sent_at": NOW - timedelta(hours=9)}, None),
        ({"unknown_since": None, "sent_at": NOW - timedelta(minutes=30)}, "outcome_unknown"),
        ({"unknown_since": None, "sent_at": NOW - timedelta(minutes=30) + MOMENT}, None),
        ({"unknown_since": None, "sent_at": None}, None),
    ],
)
def test_a_person_is_called_when_it_has_been_unknown_for_as_long_as_may_be(
    changes: dict[str, Any], reason: str | None
) -> None:
    change = DECIDER.settle(_work(**changes), TIMEOUT, NOW)

    assert change.payment.hold_reason == reason
    if reason is not None:
        assert change.due_in == HELD_POLL
        assert _attempt(change).state is AttemptState.UNKNOWN
        assert _attempt(change).inconclusive_count == 1


def test_a_person_is_called_when_the_key_may_not_be_sent_again() -> None:
    facts = {"unknown_since": NOW, "sent_at": NOW - timedelta(hours=20)}

    change = DECIDER.settle(_work(State.COLLECTING, leaves_until=NOW, **facts), TIMEOUT, NOW)

    assert change.payment.hold_reason == "outcome_unknown"


@pytest.mark.parametrize(
    ("answer", "count", "reason"),
    [
        (ODD, STATUS_TRIES - 2, None),
        (ODD, STATUS_TRIES - 1, "unknown_status"),
        (TIMEOUT, STATUS_TRIES + 9, None),
    ],
)
def test_a_status_that_no_document_names_is_a_persons_after_so_many_tries(
    answer: Answer, count: int, reason: str | None
) -> None:
    change = DECIDER.settle(_work(inconclusive_count=count), answer, NOW)

    assert change.payment.hold_reason == reason


def test_a_status_that_no_document_names_for_too_long_is_a_hold_of_its_own() -> None:
    change = DECIDER.settle(_work(unknown_since=NOW - timedelta(hours=1)), ODD, NOW)

    assert change.payment.hold_reason == "unknown_status"


@pytest.mark.parametrize(
    ("count", "reason"),
    [(CACHED_ERRORS - 1, None), (CACHED_ERRORS, "provider_contradicts_itself")],
)
def test_a_collection_that_a_refund_names_is_denied_so_often_before_a_person_is_called(
    count: int, reason: str | None
) -> None:
    work = _work(State.REFUNDING, inconclusive_count=count)

    assert DECIDER.settle(work, DENIED, NOW).payment.hold_reason == reason
    assert DECIDER.settle(work, TIMEOUT, NOW).payment.hold_reason is None


@pytest.mark.parametrize(
    ("state", "changes", "answer", "reason"),
    [
        (State.PAYING_OUT, {"provider_reference": "po_1"}, DENIED, "provider_contradicts_itself"),
        (State.PAYING_OUT, {"provider_reference": "po_1"}, TIMEOUT, None),
        (State.PAYING_OUT, {}, DENIED, None),
        (State.PAYING_OUT, {"inconclusive_count": CACHED_ERRORS}, DENIED, None),
        (State.COLLECTING, {"provider_reference": "pi_1", "leaves_until": NOW}, DENIED, None),
    ],
)
def test_a_provider_contradicts_itself_where_it_denies_the_id_that_it_gave(
    state: State, changes: dict[str, Any], answer: Answer, reason: str | None
) -> None:
    assert DECIDER.settle(_work(state, **changes), answer, NOW).payment.hold_reason == reason


def test_another_amount_is_held_and_what_has_moved_is_known() -> None:
    other = said(Outcome.UNKNOWN, "amount_mismatch", amount=Money(700, "NGN"))

    change = DECIDER.settle(_work(), other, NOW)

    assert change.payment.hold_reason == "amount_mismatch"
    assert _attempt(change).moved == Money(700, "NGN")
