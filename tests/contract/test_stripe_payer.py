"""A card that asks for its payer. Where none is there the charge is declined at once, as at Stripe;
where one is, it waits for as long as the caller says, and then is ended, because while it lives
somebody could still pay it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from services.providers.domain import Operation, OperationResult, Outcome
from services.providers.ports import Adapter
from tests.contract.cases import CASES, send
from tests.contract.lab import Lab, running_lab

NOW = datetime.now(UTC)
SOON, PAST = NOW + timedelta(hours=1), NOW - timedelta(seconds=1)
ASKS = "pm_card_authenticationRequired"


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with running_lab(tmp_path / "book.jsonl") as lab:
        yield lab


def charge(**changes: Any) -> Operation:
    return CASES["stripe"].operation(**{"payment_method": ASKS, "payer_until": SOON, **changes})


async def payer(lab: Lab, operation: Operation, does: str) -> int:
    url = f"{lab.url}/control/stripe/payer/{operation.key}"
    async with ClientSession() as session, session.post(url, json={"does": does}) as answer:
        return answer.status


def stripe(lab: Lab) -> Adapter:
    return lab.adapters["stripe"]


def said(result: OperationResult) -> tuple[Outcome, str]:
    return result.outcome, result.code


async def test_without_a_payer_it_is_declined_at_the_first_answer(lab: Lab) -> None:
    operation = charge(payer_until=None)

    result = await send(stripe(lab), operation)

    assert said(result) == (Outcome.FAILED, "authentication_required")
    assert (await stripe(lab).look_up(operation)).outcome is Outcome.FAILED


async def test_a_payer_who_is_there_is_asked_and_the_intent_waits(lab: Lab) -> None:
    operation = charge()

    sent = await send(stripe(lab), operation)
    asked = await stripe(lab).look_up(operation)

    assert (sent, sent.outcome) == (asked, Outcome.PENDING)
    assert sent.next_action
    assert (sent.next_action.kind, sent.next_action.url) == ("use_sdk", "")
    assert sent.next_action.client_secret.startswith(f"{sent.provider_reference}_secret_")
    assert sent.next_action.client_secret not in repr(sent)
    assert [line["effect"] for line in await lab.book(operation.key)] == ["action_required"]


async def test_a_payer_with_an_address_to_come_back_to_is_sent_away(lab: Lab) -> None:
    result = await send(stripe(lab), charge(return_url="https://shop.example/back"))

    assert result.next_action
    assert result.next_action.kind == "redirect"
    async with ClientSession() as session, session.get(result.next_action.url) as page:
        assert "Authenticate" in await page.text()


@pytest.mark.parametrize(
    ("does", "outcome", "code"),
    [
        ("authenticate", Outcome.SUCCEEDED, ""),
        ("fail", Outcome.FAILED, "authentication_failed"),
    ],
)
async def test_payer_s_act_decides(lab: Lab, does: str, outcome: Outcome, code: str) -> None:
    operation = charge()
    await send(stripe(lab), operation)

    assert await payer(lab, operation, does) == 200
    result = await stripe(lab).look_up(operation)

    assert said(result) == (outcome, code)
    assert (result.amount == operation.amount) == (outcome is Outcome.SUCCEEDED)
    assert await payer(lab, operation, does) == 400


@pytest.mark.parametrize(
    ("word", "outcome"),
    [("payer_authenticates", Outcome.SUCCEEDED), ("payer_fails", Outcome.FAILED)],
)
async def test_the_merchants_words_play_the_payer(lab: Lab, word: str, outcome: Outcome) -> None:
    operation = charge(reference=f"sim:{word}=0")
    await send(stripe(lab), operation)
    events = [stripe(lab).read_webhook(await lab.gateway.next()) for _ in range(2)]

    assert operation.key in {event.key for event in events}
    assert (await stripe(lab).look_up(operation)).outcome is outcome


async def test_a_failed_payer_can_use_no_other_card(lab: Lab) -> None:
    operation = charge()
    sent = await send(stripe(lab), operation)
    await payer(lab, operation, "fail")

    await stripe(lab).look_up(operation)

    effects = [line["effect"] for line in await lab.book(sent.provider_reference)]
    book = [line["effect"] for line in await lab.book(f"{operation.key}-cancel")]
    assert (effects, book) == ([], ["intent_canceled"])


async def test_an_intent_whose_payer_walked_away_is_cancelled_by_the_look_up(lab: Lab) -> None:
    operation = charge()
    await send(stripe(lab), operation)
    late = charge(key=operation.key, amount=operation.amount, payer_until=PAST)

    result = await stripe(lab).look_up(late)

    assert said(result) == (Outcome.FAILED, "requires_action")
    assert await payer(lab, operation, "authenticate") == 400
    assert (await stripe(lab).look_up(late)).outcome is Outcome.FAILED


async def test_a_lost_answer_to_the_cancellation_leaves_it_open(lab: Lab) -> None:
    operation = charge(reference="sim:500_after", payer_until=PAST)

    answers = [await send(stripe(lab), operation)]
    # The simulator loses the answer to the cancellation as well, and no later one.
    answers += [await stripe(lab).look_up(operation) for _ in range(3)]

    outcomes = [answer.outcome for answer in answers]
    assert outcomes == [Outcome.UNKNOWN, Outcome.UNKNOWN, Outcome.FAILED, Outcome.FAILED]
