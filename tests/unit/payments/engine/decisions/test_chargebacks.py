"""Claims in the decider: asked about and noted before anything else, once, and in the way of a
first send only."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, ClaimAnswers, ClaimEvent, Work
from services.payments.engine.decisions.returns_and_refunds import refund_on_request
from services.payments.model.attempt import AttemptState
from services.payments.model.causes import Cause
from services.payments.model.dispute import (
    DisputeKind,
    DisputeStatus,
    PaymentDisputed,
    new_dispute,
    with_dispute,
)
from services.payments.model.holds import HoldReason
from services.payments.model.operator import Operator
from services.payments.model.payment import State
from services.payments.model.timing import (
    CLAIM_PATIENCE,
    DOUBTED_TRIES,
    FIRST_POLL,
    LOOK_UP_BEHIND_EVENT,
)
from services.payments.operators.decisions import end_hold
from services.shared.money import Money
from tests.history import make_work_of
from tests.makers import CAPABILITIES, NOW
from tests.unit.payments.model.test_dispute import LOST, OPENED, REINSTATED, WITHDRAWN

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.5)


def _claimed(work: Work, *, kind: DisputeKind = DisputeKind.DISPUTE) -> Work:
    claim = new_dispute(work.payment, work.payment.onramp, replace(WITHDRAWN, kind=kind), NOW)
    return replace(work, payment=with_dispute(work.payment, claim))


def _events(work: Work, *reports: tuple[str, object]) -> Work:
    provider = work.payment.onramp
    claims = tuple(
        ClaimEvent(
            provider=provider,
            event_id=name,
            report=report,  # type: ignore[arg-type]
            stated_at=NOW + timedelta(seconds=number),
        )
        for number, (name, report) in enumerate(reports)
    )
    return replace(work, claims=claims)


@pytest.mark.parametrize("reason", [None, *HoldReason])
@pytest.mark.parametrize("state", [State.CONVERTED, State.COMPLETED, State.REFUNDED])
def test_claims_are_noted_on_hold_and_at_rest(state: State, reason: HoldReason | None) -> None:
    work = _events(make_work_of(state, hold_reason=reason), ("evt_1", OPENED), ("evt_2", WITHDRAWN))

    plan = DECIDER.plan(work)

    assert (plan.call, plan.change.due_in) == (None, timedelta(0))
    assert [event.cause for event in plan.change.events] == [
        Cause.DISPUTE_OPENED,
        Cause.DISPUTE_UPDATED,
    ]
    assert plan.change.closed_claims == work.claims
    (posting,) = plan.change.postings
    assert (posting.debit, posting.credit) == (
        "chargebacks:USD",
        f"onramp:{work.payment.onramp}:USD",
    )
    assert (plan.change.payment.state, plan.change.payment.hold_reason) == (state, reason)


def test_money_that_comes_back_is_posted_back_and_an_older_event_changes_nothing() -> None:
    work = _claimed(make_work_of(State.COMPLETED))

    won = DECIDER.plan(_events(work, ("evt_3", REINSTATED))).change
    (posting,) = won.postings
    assert posting.credit == "chargebacks:USD"
    assert [event.cause for event in won.events] == [Cause.DISPUTE_CLOSED]
    late = _events(replace(work, payment=won.payment), ("evt_1", OPENED))
    repeated = DECIDER.plan(
        replace(late, claims=tuple(replace(c, stated_at=NOW - timedelta(1)) for c in late.claims))
    ).change
    assert (repeated.events, repeated.postings) == ((), ())
    assert repeated.closed_claims


def test_a_payout_that_was_not_sent_is_held_and_one_that_has_left_goes_on() -> None:
    unsent = DECIDER.plan(_claimed(make_work_of(State.CONVERTED)))
    intended = DECIDER.plan(_claimed(make_work_of(State.PAYING_OUT, AttemptState.INTENDED)))
    sent = DECIDER.plan(_claimed(make_work_of(State.PAYING_OUT, AttemptState.SENT)))

    for plan, state in ((unsent, State.CONVERTED), (intended, State.PAYING_OUT)):
        assert plan.call is None
        assert plan.change.attempt is None
        assert plan.change.payment.hold_reason is HoldReason.DISPUTED
        assert plan.change.payment.state is state
    assert sent.call is Call.LOOK_UP


def test_the_hold_ends_with_the_claim_or_by_a_person() -> None:
    held = _claimed(make_work_of(State.CONVERTED, hold_reason=HoldReason.DISPUTED))
    assert DECIDER.plan(held).change.events == ()

    change = end_hold(held, Operator(name="ann", note="known"))
    goes_on = replace(held, payment=change.payment)
    assert change.payment.hold_reason is None
    assert DECIDER.plan(goes_on).call is Call.SEND

    (claim,) = held.payment.disputes
    over = with_dispute(held.payment, replace(claim, status=DisputeStatus.WON))
    ended = DECIDER.plan(replace(held, payment=over)).change
    assert [event.cause for event in ended.events] == [Cause.HOLD_RELEASED]
    assert (ended.payment.hold_reason, ended.due_in) == (None, timedelta(0))


@pytest.mark.parametrize("report", [WITHDRAWN, LOST])
def test_claimed_money_is_not_refunded(report: object) -> None:
    work = make_work_of(State.RETURNED)
    claim = new_dispute(work.payment, work.payment.onramp, report, NOW)  # type: ignore[arg-type]
    work = replace(work, payment=with_dispute(work.payment, claim))

    with pytest.raises(PaymentDisputed) as refused:
        refund_on_request(work, None)

    assert refused.value.metadata == {"dispute_id": claim.dispute_id}


def test_a_warning_is_answered_by_a_refund() -> None:
    work = make_work_of(State.CONVERTED, hold_reason=HoldReason.DISPUTED)
    work = _claimed(work, kind=DisputeKind.FRAUD_WARNING)

    assert refund_on_request(work, None).payment.state is State.REFUNDING


@pytest.mark.parametrize("state", [State.RETURNED, State.ACTION_REQUIRED, State.PARTLY_REFUNDED])
def test_a_release_at_the_deadline_is_another_term_for_the_merchant(state: State) -> None:
    past, ahead = NOW - timedelta(seconds=1), NOW + timedelta(days=30)
    held = _claimed(make_work_of(state))
    held = replace(held, payment=replace(held.payment, deadline_at=past))
    first = DECIDER.plan(held).change.payment
    assert first.hold_reason is HoldReason.DISPUTED

    released = end_hold(replace(held, payment=first), Operator(name="ann", note="asked")).payment
    waits = replace(held, payment=replace(released, deadline_at=ahead))
    change = DECIDER.plan(waits).change
    assert (change.payment.state, change.payment.hold_reason, change.events) == (state, None, ())

    again = DECIDER.plan(replace(waits, payment=replace(released, deadline_at=past))).change
    assert again.payment.hold_reason is HoldReason.DISPUTED
    # It stands, whatever wakes it, until the claim is over.
    assert DECIDER.plan(replace(held, payment=again.payment)).change.events == ()
    (claim,) = again.payment.disputes
    over = with_dispute(again.payment, replace(claim, status=DisputeStatus.WON))
    ended = DECIDER.plan(replace(held, payment=over)).change
    assert [event.cause for event in ended.events] == [Cause.HOLD_RELEASED]


def test_a_refund_that_was_held_is_sent_after_the_release() -> None:
    work = _claimed(make_work_of(State.REFUNDING, AttemptState.INTENDED))
    held = DECIDER.plan(work).change.payment
    assert held.hold_reason is HoldReason.DISPUTED
    assert DECIDER.plan(replace(work, payment=held)).change.events == ()

    released = end_hold(replace(work, payment=held), Operator(name="ann", note="asked")).payment

    assert DECIDER.plan(replace(work, payment=released)).call is not None


ASKED = Decider(
    {**CAPABILITIES, "stripe": replace(CAPABILITIES["stripe"], looks_up_disputes=True)},
    spread=lambda: 0.5,
)
CLAIM = ("stripe", "du_1")
LIE = replace(WITHDRAWN, withdrawn=Money(10_001, "USD"))


def test_a_dispute_is_asked_about_before_its_event_counts() -> None:
    work = _events(make_work_of(State.COMPLETED), ("evt_1", LIE), ("evt_2", LIE))

    plan = ASKED.plan(work)
    assert plan.call is Call.LOOK_UP_CLAIMS
    assert plan.change.is_nothing
    assert ASKED.claims_to_ask(work) == {CLAIM}

    change = ASKED.note_claims(work, ClaimAnswers(reports={CLAIM: WITHDRAWN}), NOW)
    (posting,) = change.postings
    assert posting.amount == WITHDRAWN.withdrawn
    assert change.closed_claims == work.claims
    assert [event.cause for event in change.events] == [Cause.DISPUTE_OPENED]


@pytest.mark.parametrize("kind", [DisputeKind.FRAUD_WARNING, DisputeKind.REVIEW])
def test_a_claim_that_takes_no_money_counts_as_its_event_says(kind: DisputeKind) -> None:
    work = _events(make_work_of(State.COMPLETED), ("evt_1", replace(OPENED, kind=kind)))

    plan = ASKED.plan(work)

    assert plan.call is None
    assert plan.change.closed_claims == work.claims


def test_an_answer_stands_against_events_of_any_age() -> None:
    work = _events(_claimed(make_work_of(State.COMPLETED)), ("evt_1", LIE))
    older = replace(work.claims[0], stated_at=NOW - timedelta(days=1))
    work = replace(work, claims=(older,))

    change = ASKED.note_claims(work, ClaimAnswers(reports={CLAIM: REINSTATED}), NOW)

    (claim,) = change.payment.disputes
    assert (claim.status, claim.withdrawn) == (DisputeStatus.WON, REINSTATED.withdrawn)
    assert claim.stated_at == NOW
    (posting,) = change.postings
    assert posting.credit == "chargebacks:USD"


@pytest.mark.parametrize(
    ("answers", "patience"),
    [
        (ClaimAnswers(reports={}), CLAIM_PATIENCE),
        (ClaimAnswers(reports={CLAIM: None}), LOOK_UP_BEHIND_EVENT),
    ],
)
def test_without_an_answer_the_event_waits_and_counts_in_the_end(
    answers: ClaimAnswers, patience: timedelta
) -> None:
    work = _events(make_work_of(State.CONVERTED), ("evt_1", WITHDRAWN))
    (event,) = work.claims

    first = ASKED.note_claims(work, answers, NOW)
    assert (first.asked_claims, first.closed_claims, first.events) == ((event,), (), ())
    assert first.due_in == FIRST_POLL

    for asked, later in ((DOUBTED_TRIES, patience - timedelta(seconds=1)), (9, patience)):
        again = replace(event, asked_since=NOW, asked=asked)
        waits = ASKED.note_claims(replace(work, claims=(again,)), answers, NOW + later)
        assert (waits.asked_claims, waits.postings) == ((again,), ())

    last = replace(event, asked_since=NOW, asked=DOUBTED_TRIES)
    counts = ASKED.note_claims(replace(work, claims=(last,)), answers, NOW + patience)
    assert (counts.asked_claims, counts.closed_claims) == ((), (last,))
    assert [event.cause for event in counts.events] == [Cause.DISPUTE_OPENED]
    assert len(counts.postings) == 1


def test_a_claim_without_an_answer_keeps_no_other_one_waiting() -> None:
    other = replace(WITHDRAWN, provider_reference="du_2")
    work = _events(make_work_of(State.COMPLETED), ("evt_1", WITHDRAWN), ("evt_2", other))

    change = ASKED.note_claims(work, ClaimAnswers(reports={("stripe", "du_2"): other}), NOW)

    assert [event.event_id for event in change.closed_claims] == ["evt_2"]
    assert [event.event_id for event in change.asked_claims] == ["evt_1"]
    assert [claim.provider_reference for claim in change.payment.disputes] == ["du_2"]
