"""Which attempt an event is about: its step, its provider and, where it names one, its key."""

from dataclasses import replace

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import EventResult, InboxEvent
from services.payments.engine.decisions.inbox_events import (
    closed,
    closed_known,
    is_about,
    mentions_other_attempts,
    named_by_event,
    without_recipients,
)
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.payment import Failure, State
from services.shared.recipients import Wallet
from tests.makers import CAPABILITIES, make_event, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
PAYING = make_work(State.PAYING_OUT, AttemptState.ACCEPTED)


def _event(key: str, **changes: object) -> InboxEvent:
    answer = Answer(outcome=Outcome.SUCCEEDED, key=key, provider_reference="po_1")
    event = InboxEvent(provider="local_wallet", event_id="evt_1", step=Step.PAYOUT, answer=answer)
    return replace(event, **changes)  # type: ignore[arg-type]


OWN = f"{PAYING.payment.transaction_id}-payout-1"
OTHER = f"{PAYING.payment.transaction_id}-payout-2"


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (_event(OWN), True),
        (_event(""), True),
        (_event(OTHER), False),
        (_event(OWN, provider="bank"), False),
        (_event(OWN, step=Step.COLLECTION), False),
    ],
    ids=["its key", "no key", "another key", "another provider", "another step"],
)
def test_an_event_is_about_the_attempt_of_its_step_its_provider_and_its_key(
    event: InboxEvent, expected: bool
) -> None:
    assert PAYING.attempt is not None
    work = replace(PAYING, inbox=(event,))

    assert is_about(event, PAYING.attempt) is expected
    assert mentions_other_attempts(work) is not expected
    assert bool(named_by_event(work, PAYING.attempt).provider_reference) is expected
    (item,) = closed(work, PAYING.attempt)
    assert item.result is (EventResult.APPLIED if expected else EventResult.UNMATCHED)


@pytest.mark.parametrize(
    ("key", "state"),
    [(OWN, State.COMPLETED), (OTHER, State.PAYING_OUT)],
    ids=["its key", "another key"],
)
def test_a_success_under_another_key_completes_nothing(key: str, state: State) -> None:
    change = DECIDER.plan(replace(PAYING, inbox=(_event(key),))).change

    assert change.payment.state is state


def test_where_there_is_no_attempt_yet_every_event_may_be_about_another() -> None:
    assert mentions_other_attempts(replace(PAYING, attempt=None, inbox=(_event(OWN),)))
    assert not mentions_other_attempts(replace(PAYING, attempt=None, inbox=()))


def test_an_event_about_an_attempt_that_is_to_come_stays_and_one_about_ours_is_dealt_with() -> None:
    assert PAYING.attempt is not None
    own, to_come = _event(OWN), _event(OTHER, event_id="evt_2")

    (item,) = closed_known(replace(PAYING, inbox=(own, to_come)), PAYING.attempt)

    assert (item.event, item.result) == (own, EventResult.APPLIED)


def test_words_of_an_event_are_masked_for_the_recipient_of_each_attempt() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.ACCEPTED)
    assert work.attempt is not None
    before = Wallet(holder_name="Bo Diaz", wallet_id="wallet-0009")
    failure = Failure(code="recipient_invalid", message="wallet-0001 of Ada, wallet-0009 of BO")
    event = make_event(work.attempt, Outcome.FAILED, failure=failure)
    work = replace(work, inbox=(event,), earlier=(replace(work.attempt, recipient=before),))

    (shown,) = without_recipients(work).inbox

    assert shown.answer.failure is not None
    assert shown.answer.failure.message == "****0001 of A***, ****0009 of B***"
