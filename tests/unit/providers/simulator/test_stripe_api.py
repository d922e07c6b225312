"""Stripe's calls as its SDK meets them: keys that replay, refusals in Stripe's own words, and the
four things that can be done with an intent."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from services.providers.simulator.book import Book, Line
from services.providers.simulator.faults.control import Control
from services.providers.simulator.stripe_api import StripeApi
from services.providers.simulator.webhooks import Sender
from tests.contract.lab import Gateway, serving, simulator_config
from tests.unit.providers.simulator.caller import Caller


async def test_the_same_key_replays_the_first_answer(caller: Caller) -> None:
    status, first, headers = await caller.charge()
    again_status, again, again_headers = await caller.charge()

    assert (status, again_status) == (200, 200)
    assert first == again
    assert "Idempotent-Replayed" not in headers
    assert again_headers["Idempotent-Replayed"] == "true"
    assert again_headers["Request-Id"].startswith("req_")
    assert await caller.effects() == ["charge_succeeded"]


async def test_a_decline_is_replayed_too(caller: Caller) -> None:
    method = "pm_card_visa_chargeDeclinedInsufficientFunds"
    first = await caller.charge(payment_method=method)
    again = await caller.charge(payment_method=method)

    assert (first[0], first[1]) == (again[0], again[1])
    assert first[0] == 402
    error = first[1]["error"]
    assert (error["type"], error["code"], error["decline_code"]) == (
        "card_error",
        "card_declined",
        "insufficient_funds",
    )
    assert error["payment_intent"]["status"] == "requires_payment_method"
    assert await caller.effects() == ["charge_declined"]


async def test_a_key_with_other_parameters_is_refused(caller: Caller) -> None:
    await caller.charge()

    status, body, _ = await caller.charge(amount="10001")

    assert (status, body["error"]["type"]) == (400, "idempotency_error")


async def test_request_refused_before_it_begins_does_not_use_up_its_key(caller: Caller) -> None:
    refused = await caller.charge(amount="1")
    accepted = await caller.charge()

    assert (refused[0], refused[1]["error"]["code"]) == (400, "amount_too_small")
    assert accepted[0] == 200


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": "100000000"}, "amount_too_large"),
        ({"amount": ""}, "parameter_missing"),
        ({"amount": "1.5"}, "parameter_invalid_integer"),
        ({"currency": ""}, "parameter_missing"),
        ({"currency": "usx"}, None),
        ({"amonut": "5"}, "parameter_unknown"),
        ({"payment_method": "pm_nobody"}, "resource_missing"),
        ({"payment_method_types[0]": "card"}, "payment_method_types_no_longer_supported"),
    ],
)
async def test_stripe_refuses_a_malformed_charge(
    caller: Caller, changes: dict[str, str], code: str | None
) -> None:
    status, body, _ = await caller.charge(**changes)

    assert (status, body["error"].get("code")) == (400, code)
    assert await caller.effects() == []


async def test_without_a_key_every_request_is_another(caller: Caller) -> None:
    first, second = await caller.charge(key=""), await caller.charge(key="")

    assert first[1]["id"] != second[1]["id"]
    assert await caller.effects() == ["charge_succeeded"] * 2


class SlowBook(Book):
    """A book whose disk takes its time."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.writing = asyncio.Event()
        self.go_on = asyncio.Event()

    async def write(self, *lines: Line) -> None:
        self.writing.set()
        await self.go_on.wait()
        await super().write(*lines)


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[tuple[Caller, SlowBook]]:
    """A Stripe on a slow book, and its caller."""
    book, sender = SlowBook(tmp_path / "book.jsonl"), Sender()
    api = StripeApi(
        simulator_config("http://127.0.0.1:1", tmp_path / "book.jsonl"),
        book,
        sender,
        Control(book),
    )
    app = web.Application()
    app.add_routes(api.routes())
    async with serving(app) as url, ClientSession() as session:
        yield Caller(session, url), book
    await sender.close()
    await book.close()


async def test_a_key_that_is_still_at_work_is_refused_and_no_answer_leaves_before_the_disk(
    slow: tuple[Caller, SlowBook],
) -> None:
    caller, book = slow
    first = asyncio.create_task(caller.charge())
    await book.writing.wait()

    status, body, _ = await caller.charge()
    answered_early = first.done()
    book.go_on.set()
    done_status, _, _ = await first
    _, _, headers = await caller.charge()

    assert (status, body["error"]["code"]) == (409, "idempotency_key_in_use")
    assert not answered_early
    assert done_status == 200
    assert headers["Idempotent-Replayed"] == "true"


async def test_an_intent_is_read_and_found_as_it_stands(caller: Caller) -> None:
    _, charged, _ = await caller.charge()
    query = "?query=metadata['operation_key']:'pay_1-collection-1'"

    read_status, read, _ = await caller.stripe("GET", f"/{charged['id']}")
    _, found, _ = await caller.stripe("GET", f"/search{query}")
    _, nothing, _ = await caller.stripe("GET", f"/search{query.replace('pay_1', 'pay_2')}")

    assert (read_status, read) == (200, charged)
    assert found["data"] == [charged]
    assert (nothing["data"], nothing["has_more"]) == ([], False)


async def test_an_intent_nobody_made_and_a_search_nobody_understands_are_refused(
    caller: Caller,
) -> None:
    status, body, _ = await caller.stripe("GET", "/pi_nobody")
    search_status, search, _ = await caller.stripe("GET", "/search?query=status:'succeeded'")

    assert (status, body["error"]["code"]) == (404, "resource_missing")
    assert (search_status, search["error"]["code"]) == (400, "search_query_invalid")


async def test_an_intent_that_waits_for_its_payer_can_be_cancelled_once(caller: Caller) -> None:
    _, waiting, _ = await caller.charge(payment_method="pm_card_authenticationRequired")
    path, form = f"/{waiting['id']}/cancel", {"cancellation_reason": "abandoned"}

    status, cancelled, _ = await caller.stripe("POST", path, "key-1-cancel", form)
    again = await caller.stripe("POST", path, "key-1-cancel", form)
    late = await caller.stripe("POST", path, "another-key", form)

    assert (status, cancelled["status"]) == (200, "canceled")
    assert again[:2] == (200, cancelled)
    assert (late[0], late[1]["error"]["code"]) == (400, "payment_intent_unexpected_state")
    assert await caller.effects() == ["action_required", "intent_canceled"]


async def test_an_intent_that_is_not_confirmed_charges_nothing(caller: Caller) -> None:
    status, intent, _ = await caller.charge(confirm="false")

    assert (status, intent["status"]) == (200, "requires_confirmation")
    assert (intent["amount_received"], intent["latest_charge"]) == (0, None)
    assert await caller.effects() == ["intent_created"]


@pytest.mark.parametrize(
    ("method", "event_type"),
    [
        ("pm_card_visa", "payment_intent.succeeded"),
        ("pm_card_visa_chargeDeclined", "payment_intent.payment_failed"),
        ("pm_card_authenticationRequired", "payment_intent.requires_action"),
    ],
)
async def test_an_event_states_its_effect_and_is_signed(
    method: str, event_type: str, caller: Caller, gateway: Gateway
) -> None:
    await caller.charge(payment_method=method)

    webhook = await gateway.next()

    event = json.loads(webhook.body)
    assert event["type"] == event_type
    assert event["data"]["object"]["metadata"]["transaction_id"] == "pay_1"
    assert event["request"]["idempotency_key"] == "key-1"
    assert webhook.headers["stripe-signature"].startswith("t=")


async def test_a_webhook_is_sent_again_until_it_is_taken(caller: Caller, gateway: Gateway) -> None:
    gateway.answers = [500, 301]

    await caller.charge()
    bodies = {(await gateway.next()).body for _ in range(3)}

    assert len(bodies) == 1
