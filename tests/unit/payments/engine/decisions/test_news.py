"""Which attempt an event is about: its step, its provider and, where it names one, its key."""

from dataclasses import replace

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import News, NewsFate
from services.payments.engine.decisions.news import (
    closed,
    heard,
    is_about,
    is_decided_by_event,
    named_by_event,
    speaks_of_others,
)
from services.payments.model.attempt import Answer, AttemptState, Outcome, Step
from services.payments.model.payment import State
from tests.makers import CAPABILITIES, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
PAYING = make_work(State.PAYING_OUT, AttemptState.ACCEPTED)


def _news(key: str, **changes: object) -> News:
    answer = Answer(outcome=Outcome.SUCCEEDED, key=key, provider_reference="po_1")
    news = News(provider="local_wallet", event_id="evt_1", step=Step.PAYOUT, answer=answer)
    return replace(news, **changes)  # type: ignore[arg-type]


OWN = f"{PAYING.payment.transaction_id}-payout-1"
OTHER = f"{PAYING.payment.transaction_id}-payout-2"


@pytest.mark.parametrize(
    ("news", "expected"),
    [
        (_news(OWN), True),
        (_news(""), True),
        (_news(OTHER), False),
        (_news(OWN, provider="bank"), False),
        (_news(OWN, step=Step.COLLECTION), False),
    ],
    ids=["its key", "no key", "another key", "another provider", "another step"],
)
def test_an_event_is_about_the_attempt_of_its_step_its_provider_and_its_key(
    news: News, expected: bool
) -> None:
    assert PAYING.attempt is not None
    work = replace(PAYING, news=(news,))

    assert is_about(news, PAYING.attempt) is expected
    assert speaks_of_others(work) is not expected
    assert is_decided_by_event(work, PAYING.attempt) is expected
    assert bool(named_by_event(work, PAYING.attempt).provider_reference) is expected
    (item,) = closed(work, PAYING.attempt)
    assert item.fate is (NewsFate.APPLIED if expected else NewsFate.IGNORED)


@pytest.mark.parametrize(
    ("key", "state"),
    [(OWN, State.COMPLETED), (OTHER, State.PAYING_OUT)],
    ids=["its key", "another key"],
)
def test_a_success_under_another_key_completes_nothing(key: str, state: State) -> None:
    change = DECIDER.plan(replace(PAYING, news=(_news(key),))).change

    assert change.payment.state is state


def test_an_event_that_tells_of_no_end_decides_nothing() -> None:
    assert PAYING.attempt is not None
    pending = _news(OWN, answer=Answer(outcome=Outcome.PENDING, key=OWN))

    assert not is_decided_by_event(replace(PAYING, news=(pending,)), PAYING.attempt)


def test_where_there_is_no_attempt_yet_every_event_may_be_about_another() -> None:
    assert speaks_of_others(replace(PAYING, attempt=None, news=(_news(OWN),)))
    assert not speaks_of_others(replace(PAYING, attempt=None, news=()))


def test_an_event_about_an_attempt_that_is_to_come_stays_and_one_about_ours_is_dealt_with() -> None:
    assert PAYING.attempt is not None
    own, to_come = _news(OWN), _news(OTHER, event_id="evt_2")

    (item,) = heard(replace(PAYING, news=(own, to_come)), PAYING.attempt)

    assert (item.news, item.fate) == (own, NewsFate.APPLIED)
