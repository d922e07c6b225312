"""The history of late successes, returns, refunds and operators' verbs."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import InboxEvent
from services.payments.engine.decisions.returns_and_refunds import (
    cancel_or_expire,
    refund_on_request,
    refund_the_rest,
)
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.operator import Operator
from services.payments.model.payment import Failure, State
from services.payments.operators.decisions import end_hold, honour_locked_rate, resolve, take_over
from services.shared.money import Money
from tests.history import attempt_of, check, facts, make_late_work, make_work_of, said, with_attempt
from tests.makers import CAPABILITIES, NOW, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
ADA = Operator(name="ada")
OLD = NOW - timedelta(minutes=31)
SUCCEEDED = said(Outcome.SUCCEEDED)
BLOCKED = said(Outcome.FAILED, "payout_blocked")
TIMEOUT = said(Outcome.UNKNOWN, "timeout")
ABSENT = said(Outcome.ABSENT, provider_reference="")


# Late successes


@pytest.mark.parametrize(
    ("step", "state"), [(Step.COLLECTION, State.COLLECTING), (Step.PAYOUT, State.PAYING_OUT)]
)
def test_an_attempt_that_is_withdrawn_names_the_one_that_succeeded_late(
    step: Step, state: State
) -> None:
    work = make_late_work(step, state, AttemptState.INTENDED)

    plan = DECIDER.plan(work)

    check(
        plan.change,
        (f"{step}_withdrawn", "worker", facts(work, succeeded_late=work.earlier[0].key)),
    )
    assert plan.work.payment == plan.change.payment
    assert plan.change.keeps_lease


@pytest.mark.parametrize(
    ("answer", "reported"),
    [
        (BLOCKED, BLOCKED),
        (
            ABSENT,
            replace(
                ABSENT,
                failure=Failure(
                    code="not_accepted", message="the provider has nothing under the key"
                ),
            ),
        ),
    ],
    ids=["refused", "absent"],
)
def test_an_attempt_beside_a_late_success_is_given_up_with_its_last_answer(
    answer: Answer, reported: Answer
) -> None:
    work = make_late_work(Step.PAYOUT, State.PAYING_OUT, AttemptState.UNKNOWN)
    work = with_attempt(work, last_sent_at=OLD, leaves_until=OLD, sent_at=OLD)

    check(
        DECIDER.settle(work, answer, NOW),
        ("payout_given_up", "provider:them", facts(work, reported)),
    )


def test_a_step_that_has_succeeded_twice_is_held_with_both_keys() -> None:
    work = make_late_work(Step.PAYOUT, State.PAYING_OUT, AttemptState.ACCEPTED)
    work = with_attempt(work, provider_reference="x_2")
    answer = replace(SUCCEEDED, provider_reference="")
    first = work.earlier[0].key

    check(
        DECIDER.settle(work, answer, NOW),
        (
            "payout_succeeded",
            "provider:them",
            facts(work, answer, provider_reference="x_2"),
        ),
        (
            "held_late_success",
            "worker",
            facts(work, provider_reference="x_2", also_succeeded=first),
        ),
    )


def test_money_taken_after_the_end_goes_back_with_the_facts_of_its_collection() -> None:
    work = make_late_work(Step.COLLECTION, State.EXPIRED, AttemptState.FAILED)
    plan = DECIDER.plan(work)

    check(
        DECIDER.settle(plan.work, SUCCEEDED, NOW),
        ("collected_after_the_end", "provider:them", facts(plan.work, SUCCEEDED)),
    )


def test_a_late_success_that_is_not_confirmed_is_held_again_with_the_answer() -> None:
    plan = DECIDER.plan(make_late_work(Step.COLLECTION, State.EXPIRED, AttemptState.FAILED))

    check(
        DECIDER.settle(plan.work, TIMEOUT, NOW),
        ("held_late_success", "worker", facts(plan.work, TIMEOUT)),
    )


@pytest.mark.parametrize("held", [None, "payout_failed"])
def test_a_success_against_the_record_names_the_step_its_state_and_the_hold_before(
    held: str | None,
) -> None:
    work = make_work_of(State.COMPLETED, AttemptState.SUCCEEDED, hold_reason=held)
    failed = replace(attempt_of(work), state=AttemptState.FAILED, key="k-0", number=0)
    answer = said(Outcome.SUCCEEDED, key="k-0")
    event = InboxEvent(provider="local_wallet", event_id="evt_1", step=Step.PAYOUT, answer=answer)
    plan = DECIDER.plan(replace(work, earlier=(failed,), inbox=(event,)))
    payout = f"{work.payment.terms.payout} NGN"
    others = {
        "step": "payout",
        "state_before": "FAILED",
        "held_before": held or "",
        "expected": payout,
        "also_succeeded": attempt_of(work).key,
    }

    check(
        DECIDER.settle(plan.work, SUCCEEDED, NOW),
        ("held_late_success", "worker", facts(plan.work, SUCCEEDED, **others)),
    )


# Returns and refunds


@pytest.mark.parametrize(
    ("requested_at", "cause", "actor"),
    [(NOW, "cancelled", "merchant"), (None, "expired", "worker")],
)
def test_a_payment_is_cancelled_by_its_merchant_or_else_expires(
    requested_at: Any, cause: str, actor: str
) -> None:
    check(
        cancel_or_expire(make_work_of(State.CREATED, cancel_requested_at=requested_at)),
        (cause, actor, {}),
    )


@pytest.mark.parametrize("state", [State.FUNDED, State.CONVERTED])
def test_a_payment_that_is_cancelled_before_its_payout_is_refunded_at_its_own_rate(
    state: State,
) -> None:
    work = make_work_of(state, cancel_requested_at=NOW)
    rate = {"refund_rate": str(work.payment.terms.rate)}

    check(DECIDER.plan(work).change, ("cancelled_before_payout", "merchant", rate))


def test_a_refund_names_its_amount_its_key_and_at_its_beginning_the_rate() -> None:
    begun = make_work(State.RETURNED, AttemptState.REVERSED)
    following = make_work(State.PARTLY_REFUNDED, AttemptState.SUCCEEDED)
    rate = {"refund_rate": str(begun.payment.terms.rate)}

    for work, number, others in ((begun, 1, rate), (following, 2, {})):
        key = f"{work.payment.transaction_id}-refund-{number}"
        part = {"amount_usd": "40.00", "key": key, **others}
        rest = {**part, "amount_usd": "100.00"}
        asked = refund_on_request(work, Money(4_000, "USD"), ends_payout=True)
        check(asked, ("refund_requested", "merchant", part))
        check(refund_the_rest(work), ("deadline_passed", "worker", rest))


# Operators' verbs


def test_an_operators_verb_names_the_operator_and_the_hold() -> None:
    held = make_work_of(State.FUNDED, hold_reason="late_funds")
    terms = held.payment.terms
    ended = ("hold_released", "operator:ada", {"hold_reason": "late_funds"})
    rate = {"rate": str(terms.rate), "payout": f"{terms.payout} NGN"}

    check(end_hold(held, ADA), ended)
    check(take_over(held, ADA), ("held_discarded_by_operator", "operator:ada", {}))
    check(honour_locked_rate(held, ADA), ended, ("exchanged_at_locked_rate", "operator:ada", rate))


@pytest.mark.parametrize(
    ("amount", "moved"), [(None, {}), (Money(100, "NGN"), {"moved": "1.00 NGN"})]
)
def test_a_resolved_attempt_names_the_outcome_the_evidence_and_what_has_moved(
    amount: Money | None, moved: dict[str, str]
) -> None:
    work = make_work_of(State.PAYING_OUT, AttemptState.UNKNOWN, hold_reason="step_failed")
    stated = Answer(outcome=Outcome.SUCCEEDED, amount=amount, actor=ADA.actor)
    resolved = {"hold_reason": "step_failed", "outcome": "SUCCEEDED", "evidence": "line 12"}
    resolved |= {"provider_answer": "not asked"}

    check(
        resolve(work, DECIDER, ADA, stated, evidence="line 12", provider_answer="not asked"),
        ("attempt_resolved", "operator:ada", resolved | moved),
        ("payout_succeeded", "operator:ada", facts(work, stated)),
    )
