"""The history says of all that the engine does who did it, why, and what it rests on: each kind of
change, and the very words of its events."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Work
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, LookUp, Step
from services.payments.model.holds import HoldReason
from services.payments.model.payment import Failure, State
from services.payments.model.quote import Route
from services.shared.money import Money
from tests.history import attempt_of, check, facts, make_late_work, make_work_of, said, with_attempt
from tests.makers import CAPABILITIES, NOW, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
BOTH = Route(onramps=("stripe",), offramps=("local_wallet", "bank"))
OLD = NOW - timedelta(minutes=31)
SUCCEEDED, PENDING = said(Outcome.SUCCEEDED), said(Outcome.PENDING)
BLOCKED = said(Outcome.FAILED, "payout_blocked")
DECLINED = said(Outcome.FAILED, "card_declined")
EMPTY = said(Outcome.FAILED, "insufficient_balance")
TIMEOUT = said(Outcome.UNKNOWN, "timeout")
ABSENT = said(Outcome.ABSENT, provider_reference="")
OTHER_AMOUNT = said(Outcome.UNKNOWN, "amount_mismatch", amount=Money(9_900, "USD"))
DOWN = said(Outcome.NOT_SENT, "down")


def _payout(number: int = 1, **changes: Any) -> Work:
    """A payout that was sent to the first of two offramps, or to the last."""
    work = make_work_of(State.PAYING_OUT, AttemptState.SENT, route=BOTH)
    if number == 2:
        changes |= {"number": 2, "provider": "bank"}
    return with_attempt(work, **changes)


@pytest.mark.parametrize("state", [State.CREATED, State.CONVERTED, State.REFUNDING])
def test_an_intent_names_the_provider_and_the_key(state: State) -> None:
    plan = DECIDER.plan(make_work(state))

    check(plan.change, (f"{attempt_of(plan.work).step}_intended", "worker", facts(plan.work)))


def test_a_collection_names_when_it_was_taken_and_the_exchange_its_rate() -> None:
    work = make_work(State.COLLECTING, AttemptState.SENT)
    terms = work.payment.terms

    check(
        DECIDER.settle(work, replace(SUCCEEDED, occurred_at=NOW), NOW),
        (
            "collection_succeeded",
            "provider:them",
            facts(work, SUCCEEDED, taken_at="2026-11-23T12:00:00+00:00"),
        ),
        (
            "exchanged_at_locked_rate",
            "worker",
            {"rate": str(terms.rate), "payout": f"{terms.payout} NGN"},
        ),
    )


def test_a_cancelled_collection_names_the_merchant() -> None:
    work = make_work_of(State.COLLECTING, AttemptState.SENT, cancel_requested_at=NOW)

    collected, back = DECIDER.settle(work, SUCCEEDED, NOW).events

    assert (collected.cause, collected.actor) == ("collection_succeeded", "provider:them")
    rate = {"refund_rate": str(work.payment.terms.rate)}
    assert (back.cause, back.actor, back.evidence) == (
        "cancelled_after_collection",
        "merchant",
        rate,
    )


def _answered(work: Work, answer: Answer, cause: str, **others: str) -> Any:
    """A case: this answer to this work leaves this one event, with its facts and some others."""
    return pytest.param(work, answer, cause, others, id=cause)


@pytest.mark.parametrize(
    ("work", "answer", "cause", "others"),
    [
        _answered(_payout(), SUCCEEDED, "payout_succeeded"),
        _answered(_payout(), PENDING, "payout_accepted"),
        _answered(_payout(), TIMEOUT, "payout_unknown"),
        _answered(_payout(), BLOCKED, "payout_failed_over"),
        _answered(_payout(2), EMPTY, "payout_waits"),
        _answered(
            make_work_of(State.REFUNDING, AttemptState.SENT),
            SUCCEEDED,
            "refund_succeeded",
            amount_usd="100.00",
        ),
        _answered(
            with_attempt(
                make_work_of(State.REFUNDING, AttemptState.SENT), amount=Money(4_000, "USD")
            ),
            SUCCEEDED,
            "refund_succeeded",
            amount_usd="40.00",
        ),
        _answered(make_work_of(State.COLLECTING, AttemptState.SENT), DECLINED, "collection_failed"),
        _answered(make_work_of(State.REFUNDING, AttemptState.SENT), DECLINED, "held_refund_failed"),
        _answered(
            make_work_of(State.COLLECTING, AttemptState.SENT),
            OTHER_AMOUNT,
            "held_amount_mismatch",
            expected="100.00 USD",
            stated="99.00 USD",
        ),
        _answered(
            make_work_of(State.COMPLETED, AttemptState.SUCCEEDED), BLOCKED, "payout_returned"
        ),
        _answered(
            make_work_of(State.COMPLETED, AttemptState.SUCCEEDED),
            ABSENT,
            "held_provider_contradicts_itself",
        ),
    ],
)
def test_an_answer_leaves_one_event_that_names_the_operation_and_the_failure(
    work: Work, answer: Answer, cause: str, others: dict[str, str]
) -> None:
    actor = "worker" if cause.startswith("held_") and cause != "held_refund_failed" else None

    check(
        DECIDER.settle(work, answer, NOW),
        (cause, actor or "provider:them", facts(work, answer, **others)),
    )


def test_a_refund_that_came_back_leaves_an_event_of_its_own_before_the_hold() -> None:
    whole = Money(10_000, "USD")
    work = make_work_of(State.REFUNDED, AttemptState.SUCCEEDED, refunded=whole)
    evidence = facts(work, DECLINED, amount_usd="100.00")

    check(
        DECIDER.settle(work, DECLINED, NOW),
        ("refund_returned", "provider:them", evidence),
        ("held_refund_reversed", "worker", evidence),
    )


def test_a_hold_after_another_amount_of_what_had_succeeded_names_both_amounts() -> None:
    work = make_work(State.REFUNDED, AttemptState.SUCCEEDED)
    amounts = {"expected": "100.00 USD", "stated": "99.00 USD"}

    check(
        DECIDER.settle(work, OTHER_AMOUNT, NOW),
        ("held_amount_mismatch", "worker", facts(work, OTHER_AMOUNT, **amounts)),
    )


def test_a_refused_payout_that_goes_back_names_the_refusal_and_the_rate() -> None:
    work = _payout(2)
    rate = str(work.payment.terms.rate)

    check(
        DECIDER.settle(work, BLOCKED, NOW),
        ("payout_failed", "provider:them", facts(work, BLOCKED, refund_rate=rate)),
    )


def test_an_attempt_that_was_not_sent_has_the_worker_as_actor() -> None:
    work = replace(make_work(State.COLLECTING, AttemptState.SENT), first_send=True)

    check(DECIDER.settle(work, DOWN, NOW), ("collection_not_sent", "worker", facts(work, DOWN)))


def test_a_key_that_is_retired_says_that_its_error_is_for_good() -> None:
    fault = Failure(code="provider_fault", message="500")
    work = with_attempt(
        make_work(State.COLLECTING, AttemptState.UNKNOWN),
        inconclusive_count=5,
        failure=fault,
        leaves_until=OLD,
    )
    why = {
        "failure_code": "error_cached",
        "failure_message": "the key's error is cached for good",
    }

    check(
        DECIDER.settle(work, ABSENT, NOW), ("collection_key_retired", "worker", facts(work) | why)
    )


def test_an_outcome_that_nobody_knows_in_time_is_held_with_the_last_answer() -> None:
    work = with_attempt(_payout(), state=AttemptState.UNKNOWN, unknown_since=OLD)

    check(
        DECIDER.settle(work, TIMEOUT, NOW),
        ("held_outcome_unknown", "worker", facts(work, TIMEOUT)),
    )


def test_a_provider_that_denies_its_own_id_is_held_with_the_id() -> None:
    work = with_attempt(_payout(), provider_reference="po_1")

    check(
        DECIDER.settle(work, ABSENT, NOW),
        (
            "held_provider_contradicts_itself",
            "worker",
            facts(work, ABSENT, provider_reference="po_1"),
        ),
    )


def test_a_hold_for_a_provider_that_is_gone_names_it() -> None:
    work = _payout()

    check(
        Decider({}, lambda: 0.0).plan(work).change,
        ("held_provider_unknown", "worker", {"provider": "local_wallet"}),
    )
    late = make_late_work(Step.PAYOUT, State.PAYING_OUT, AttemptState.INTENDED)
    check(
        Decider({}, lambda: 0.0).plan(late).change,
        ("held_provider_unknown", "worker", {"provider": "local_wallet"}),
    )


def test_a_hold_for_what_can_neither_be_asked_about_nor_sent_names_the_provider() -> None:
    silent = replace(CAPABILITIES["local_wallet"], look_up=LookUp.NONE, key_lifetime=timedelta(0))
    work = _payout()

    check(
        Decider({"local_wallet": silent}, lambda: 0.0).plan(work).change,
        ("held_outcome_unknown", "worker", {"provider": "local_wallet"}),
    )


def test_a_hold_that_an_outcome_ends_says_so_before_the_outcome() -> None:
    work = _payout()
    work = replace(work, payment=replace(work.payment, hold_reason=HoldReason.OUTCOME_UNKNOWN))

    check(
        DECIDER.settle(work, SUCCEEDED, NOW),
        ("hold_ended_by_outcome", "provider:them", {"hold_reason": "outcome_unknown"}),
        ("payout_succeeded", "provider:them", facts(work, SUCCEEDED)),
    )
