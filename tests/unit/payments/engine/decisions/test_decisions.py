"""The decisions of the engine: intent before effect, look-up before a second send, a hold before a
guess."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, EventResult, InboxEvent, Work
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, LookUp, Step
from services.payments.model.payment import Failure, State
from services.shared.money import Money
from tests.makers import CAPABILITIES, NOW, make_attempt, make_capabilities, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.999)
SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="x_1")
PENDING = Answer(outcome=Outcome.PENDING, provider_reference="x_1")
UNKNOWN = Answer(
    outcome=Outcome.UNKNOWN, failure=Failure(code="timeout", message="no answer in 10 s")
)
ABSENT = Answer(outcome=Outcome.ABSENT)
DENIED = Answer(
    outcome=Outcome.UNKNOWN, failure=Failure(code="reference_unknown", message="no such id")
)
DECLINED = Answer(outcome=Outcome.FAILED, failure=Failure(code="card_declined", message="declined"))


def _attempt(work: Work) -> Attempt:
    assert work.attempt is not None
    return work.attempt


def _event(
    outcome: Outcome, step: Step = Step.PAYOUT, provider: str = "local_wallet"
) -> InboxEvent:
    answer = Answer(outcome=outcome, actor=f"provider:{provider}", event_id="evt_1")
    return InboxEvent(provider=provider, event_id="evt_1", step=step, answer=answer)


@pytest.mark.parametrize(
    ("state", "step", "leads_to"),
    [
        (State.CREATED, Step.COLLECTION, State.COLLECTING),
        (State.CONVERTED, Step.PAYOUT, State.PAYING_OUT),
    ],
)
def test_a_step_begins_with_its_recorded_intent(state: State, step: Step, leads_to: State) -> None:
    plan = DECIDER.plan(make_work(state))

    assert plan.call is Call.SEND
    assert plan.change.keeps_lease
    assert plan.change.payment.state is leads_to
    assert plan.change.attempt is not None
    assert (plan.change.attempt.step, plan.change.attempt.state) == (step, AttemptState.INTENDED)
    assert [event.cause for event in plan.change.events] == [f"{step}_intended"]


def test_before_a_question_there_is_nothing_to_write_and_before_a_first_send_there_is() -> None:
    assert DECIDER.plan(make_work(State.PAYING_OUT, AttemptState.SENT)).change.is_nothing
    assert not DECIDER.plan(make_work(State.CREATED)).change.is_nothing


def _collected(**changes: object) -> Work:
    return replace(make_work(State.COLLECTING, AttemptState.SENT), **changes)  # type: ignore[arg-type]


def test_a_payout_follows_its_collection_with_its_intent_in_the_same_change() -> None:
    work = _collected()
    change = DECIDER.settle(work, SUCCEEDED, NOW)
    plan = DECIDER.follow(work, change)

    assert plan is not None
    assert plan.call is Call.SEND
    assert (plan.work.payment, plan.work.attempt) == (plan.change.payment, plan.change.following)
    assert plan.change.keeps_lease
    assert [event.to_state for event in plan.change.events] == [
        State.FUNDED,
        State.CONVERTED,
        State.PAYING_OUT,
    ]
    assert (plan.change.attempt, plan.change.postings) == (change.attempt, change.postings)
    assert plan.change.posted_at == change.payment.version == plan.change.payment.version - 1
    assert plan.change.before.version == work.payment.version
    assert plan.change.following is not None
    assert plan.change.following.key == f"{work.payment.transaction_id}-payout-1"


def test_nothing_follows_what_is_no_funded_payment_in_its_currency() -> None:
    work = _collected()
    for answer in (PENDING, UNKNOWN, DECLINED):
        assert DECIDER.follow(work, DECIDER.settle(work, answer, NOW)) is None
    late = work.payment.last_moment + timedelta(seconds=1)
    taken_late = replace(SUCCEEDED, occurred_at=late)
    assert DECIDER.follow(work, DECIDER.settle(work, taken_late, late)) is None
    unwanted = replace(work, payment=replace(work.payment, cancel_requested_at=NOW))
    assert DECIDER.follow(unwanted, DECIDER.settle(unwanted, SUCCEEDED, NOW)) is None


def test_an_event_that_is_not_closed_comes_before_the_payout() -> None:
    early = _collected(inbox=(_event(Outcome.SUCCEEDED),))
    dealt_with = _collected(inbox=(_event(Outcome.SUCCEEDED, Step.COLLECTION, "stripe"),))

    assert DECIDER.follow(early, DECIDER.settle(early, SUCCEEDED, NOW)) is None
    assert DECIDER.follow(dealt_with, DECIDER.settle(dealt_with, SUCCEEDED, NOW)) is not None


def test_an_intent_that_was_never_sent_is_sent() -> None:
    assert DECIDER.plan(make_work(State.PAYING_OUT, AttemptState.INTENDED)).call is Call.SEND


@pytest.mark.parametrize("state", [AttemptState.SENT, AttemptState.UNKNOWN, AttemptState.ACCEPTED])
def test_an_attempt_that_may_have_been_sent_is_looked_up_first(state: AttemptState) -> None:
    assert DECIDER.plan(make_work(State.PAYING_OUT, state)).call is Call.LOOK_UP


def test_a_provider_without_look_up_is_sent_the_same_key_again() -> None:
    without_events = make_capabilities("local_wallet", look_up=LookUp.NONE)
    work = make_work(State.PAYING_OUT, AttemptState.UNKNOWN)

    plan = Decider({"local_wallet": without_events}, lambda: 0.0).plan(work)

    assert plan.call is Call.SEND
    assert _attempt(plan.work).key == _attempt(work).key


def test_an_absent_operation_may_be_sent_under_the_same_key() -> None:
    assert DECIDER.after_look_up(make_work(State.PAYING_OUT, AttemptState.UNKNOWN), ABSENT)


@pytest.mark.parametrize("answer", [UNKNOWN, PENDING, SUCCEEDED, DECLINED])
def test_nothing_but_absence_allows_a_second_send(answer: Answer) -> None:
    work = make_work(State.PAYING_OUT, AttemptState.UNKNOWN)

    assert not DECIDER.after_look_up(work, answer)


def test_an_absent_operation_that_the_provider_once_named_is_a_hold() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.ACCEPTED)
    named = replace(work, attempt=replace(_attempt(work), provider_reference="po_1"))

    assert not DECIDER.after_look_up(named, ABSENT)
    change = DECIDER.settle(named, ABSENT, NOW)
    assert change.payment.hold_reason == "provider_contradicts_itself"
    assert change.due_in is None


@pytest.mark.parametrize("answer", [ABSENT, DENIED])
def test_a_denial_within_the_lag_is_no_contradiction_yet(answer: Answer) -> None:
    work = make_work(State.COLLECTING, AttemptState.ACCEPTED)
    named = replace(work, attempt=replace(_attempt(work), provider_reference="pi_1"))

    assert DECIDER.settle(named, answer, NOW).payment.hold_reason is None
    later = NOW + timedelta(minutes=2)
    assert DECIDER.settle(named, answer, later).payment.hold_reason is None
    late = DECIDER.settle(replace(named, claimed_at=later), answer, later)
    assert late.payment.hold_reason == "provider_contradicts_itself"


def test_a_refund_of_a_collection_that_the_provider_denies_is_a_hold() -> None:
    work = make_work(State.REFUNDING, AttemptState.UNKNOWN)
    often = replace(work, attempt=replace(_attempt(work), inconclusive_count=5))

    assert DECIDER.settle(work, DENIED, NOW).payment.hold_reason is None
    change = DECIDER.settle(often, DENIED, NOW)
    assert change.payment.hold_reason == "provider_contradicts_itself"


@pytest.mark.parametrize("requested_at", [None, NOW])
def test_an_attempt_that_an_event_has_named_is_never_sent_again_nor_cancelled(
    requested_at: datetime | None,
) -> None:
    """The answer was lost, and then the provider forgot: its event is all that is left."""
    event = _event(Outcome.SUCCEEDED, Step.COLLECTION, "stripe")
    event = replace(event, answer=replace(event.answer, provider_reference="pi_1"))
    work = make_work(State.COLLECTING, AttemptState.UNKNOWN, inbox=(event,))
    work = replace(work, payment=replace(work.payment, cancel_requested_at=requested_at))

    plan = DECIDER.plan(work)

    assert plan.call is Call.LOOK_UP
    assert not DECIDER.after_look_up(plan.work, ABSENT)
    assert DECIDER.settle(plan.work, ABSENT, NOW).payment.state is State.COLLECTING
    later = NOW + timedelta(minutes=2)
    late = DECIDER.settle(replace(plan.work, claimed_at=later), ABSENT, later)
    assert late.payment.hold_reason == "provider_contradicts_itself"


@pytest.mark.parametrize("code", ["amount_mismatch", "reference_mismatch"])
def test_another_operation_than_ours_is_a_hold_also_while_it_is_open(code: str) -> None:
    other = Answer(outcome=Outcome.UNKNOWN, failure=Failure(code=code, message="see pi_1"))

    change = DECIDER.settle(make_work(State.COLLECTING, AttemptState.SENT), other, NOW)

    assert change.payment.hold_reason == "amount_mismatch"


def test_a_key_past_its_lifetime_is_never_sent_and_held() -> None:
    work = make_work(State.COLLECTING)
    old = make_attempt(
        work.payment,
        Step.COLLECTION,
        AttemptState.UNKNOWN,
        sent_at=NOW - timedelta(hours=20),
    )

    assert not DECIDER.after_look_up(replace(work, attempt=old), ABSENT)
    change = DECIDER.settle(replace(work, attempt=old), UNKNOWN, NOW)
    assert change.payment.hold_reason == "outcome_unknown"


def test_a_timeout_is_unknown_and_never_a_failure() -> None:
    change = DECIDER.settle(make_work(State.PAYING_OUT, AttemptState.SENT), UNKNOWN, NOW)

    assert change.payment.state is State.PAYING_OUT
    assert change.attempt is not None
    assert change.attempt.state is AttemptState.UNKNOWN
    assert change.due_in is not None
    assert [event.cause for event in change.events] == ["payout_unknown"]


def test_repeated_unknowns_wait_longer_up_to_a_minute_and_add_no_events() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.UNKNOWN)
    delays = []
    for count in range(12):
        counted = replace(work, attempt=replace(_attempt(work), inconclusive_count=count))
        change = DECIDER.settle(counted, UNKNOWN, NOW)
        assert change.events == ()
        assert change.due_in is not None
        delays.append(change.due_in)

    assert delays == sorted(delays)
    assert timedelta(seconds=59) < delays[-1] <= timedelta(seconds=60)


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.NOT_SENT, Outcome.ABSENT])
@pytest.mark.parametrize("first_send", [True, False])
def test_nothing_is_tried_again_before_the_provider_wants_it(
    outcome: Outcome, first_send: bool
) -> None:
    answer = Answer(
        outcome=outcome,
        failure=Failure(code="rate_limited", message="429"),
        retry_after=timedelta(seconds=200),
    )
    attempt_state = AttemptState.SENT if first_send else AttemptState.UNKNOWN
    work = make_work(State.PAYING_OUT, attempt_state, first_send=first_send)
    completed = make_work(State.COMPLETED, AttemptState.SUCCEEDED)

    for asked in (work, completed) if outcome is Outcome.UNKNOWN else (work,):
        due_in = DECIDER.settle(asked, answer, NOW).due_in
        assert due_in is not None
        assert due_in >= timedelta(seconds=200)


def test_a_retry_does_not_come_much_later_than_the_provider_asked() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.UNKNOWN)
    often = replace(work, attempt=replace(_attempt(work), inconclusive_count=20))
    reported = replace(UNKNOWN, retry_after=timedelta(seconds=5))

    due_in = DECIDER.settle(often, reported, NOW).due_in

    assert due_in is not None
    assert timedelta(seconds=5) < due_in <= timedelta(seconds=15)


def test_collected_funds_are_exchanged_in_the_same_change() -> None:
    change = DECIDER.settle(make_work(State.COLLECTING, AttemptState.SENT), SUCCEEDED, NOW)

    assert change.payment.state is State.CONVERTED
    assert [event.to_state for event in change.events] == [State.FUNDED, State.CONVERTED]
    assert {posting.cause for posting in change.postings} >= {
        "funds_collected",
        "fee_flat",
        "exchange_sold",
        "exchange_bought",
    }
    assert change.due_in == timedelta(0)


def test_a_payout_that_succeeded_completes_the_payment() -> None:
    change = DECIDER.settle(make_work(State.PAYING_OUT, AttemptState.ACCEPTED), SUCCEEDED, NOW)

    assert change.payment.state is State.COMPLETED
    assert [posting.cause for posting in change.postings] == ["paid_out"]
    assert change.due_in is None


def test_a_success_over_another_amount_is_a_hold_and_its_money_is_on_suspense() -> None:
    wrong = replace(SUCCEEDED, amount=Money(14_845_337, "NGN"))

    change = DECIDER.settle(make_work(State.PAYING_OUT, AttemptState.ACCEPTED), wrong, NOW)

    assert change.payment.hold_reason == "amount_mismatch"
    assert [(p.debit, p.credit, str(p.amount)) for p in change.postings] == [
        ("suspense:local_wallet:NGN", "offramp:local_wallet:NGN", "148453.37")
    ]


def test_an_accepted_payout_shows_as_sent_and_is_asked_about_again() -> None:
    change = DECIDER.settle(make_work(State.PAYING_OUT, AttemptState.SENT), PENDING, NOW)

    assert change.payment.sent_at == NOW
    assert change.attempt is not None
    assert change.attempt.state is AttemptState.ACCEPTED
    assert change.due_in == timedelta(seconds=1)


def test_a_payout_that_is_still_pending_is_no_event() -> None:
    change = DECIDER.settle(make_work(State.PAYING_OUT, AttemptState.ACCEPTED), PENDING, NOW)

    assert change.events == ()
    assert change.due_in is not None


def test_a_declined_collection_fails_the_payment_and_posts_nothing() -> None:
    change = DECIDER.settle(make_work(State.COLLECTING, AttemptState.SENT), DECLINED, NOW)

    assert change.payment.state is State.FAILED
    assert change.payment.failure == DECLINED.failure
    assert change.postings == ()
    assert change.due_in is None


def test_an_event_that_is_evidence_settles_without_asking() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.ACCEPTED, inbox=(_event(Outcome.SUCCEEDED),))

    plan = DECIDER.plan(work)

    assert plan.call is None
    assert plan.change.payment.state is State.COMPLETED
    assert plan.change.events[0].actor == "provider:local_wallet"
    assert [closed.result for closed in plan.change.closed_events] == [EventResult.APPLIED]


def test_an_event_that_is_only_a_hint_leads_to_a_look_up() -> None:
    hint = _event(Outcome.SUCCEEDED, Step.COLLECTION, "stripe")
    work = make_work(State.COLLECTING, AttemptState.SENT, inbox=(hint,))

    plan = DECIDER.plan(work)

    assert plan.call is Call.LOOK_UP
    assert plan.change.payment.state is State.COLLECTING
    assert plan.change.closed_events == ()
    answered = DECIDER.settle(plan.work, SUCCEEDED, NOW)
    assert [closed.event for closed in answered.closed_events] == [hint]


def test_an_event_from_another_provider_than_the_attempts_is_no_evidence() -> None:
    foreign = _event(Outcome.SUCCEEDED, Step.PAYOUT, "stripe")
    work = make_work(State.PAYING_OUT, AttemptState.ACCEPTED, inbox=(foreign,))

    assert DECIDER.plan(work).call is Call.LOOK_UP


def test_an_event_about_the_payout_waits_until_the_payout_is_open() -> None:
    early = _event(Outcome.SUCCEEDED)

    begun = DECIDER.plan(make_work(State.CREATED, inbox=(early,)))
    collected = DECIDER.settle(
        make_work(State.COLLECTING, AttemptState.SENT, inbox=(early,)), SUCCEEDED, NOW
    )

    assert begun.change.closed_events == ()
    assert collected.closed_events == ()
    assert DECIDER.plan(make_work(State.CONVERTED, inbox=(early,))).change.closed_events == ()


def test_an_event_about_a_settled_payment_changes_nothing() -> None:
    plan = DECIDER.plan(make_work(State.COMPLETED, inbox=(_event(Outcome.FAILED),)))

    assert plan.call is None
    assert plan.change.events == ()
    assert [closed.result for closed in plan.change.closed_events] == [EventResult.IGNORED]


def test_a_held_payment_takes_no_step_and_keeps_its_events() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.UNKNOWN, inbox=(_event(Outcome.SUCCEEDED),))
    held = replace(work, payment=replace(work.payment, hold_reason="late_success"))

    plan = DECIDER.plan(held)

    assert plan.call is None
    assert plan.change.events == ()
    assert plan.change.closed_events == ()


def test_an_attempt_at_a_provider_that_is_gone_is_a_hold() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.SENT)

    plan = Decider({}, lambda: 0.0).plan(work)

    assert plan.call is None
    assert plan.change.payment.hold_reason == "provider_unknown"
