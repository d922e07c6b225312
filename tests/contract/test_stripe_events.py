"""Stripe's list of events: what only a webhook would bring is found in it, under the webhook's own
id, page by page and whatever one of its events is; the simulator filters as strictly as Stripe."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import stripe
from aiohttp import ClientSession, web

from services.providers.adapters.stripe import Stripe, events
from services.providers.domain import DisputeStatus, EventPage, WebhookEvent
from services.shared.errors import Invalid, Unavailable
from services.shared.money import Money
from tests.contract.cases import CASES, send
from tests.contract.lab import Lab, answering, running_lab
from tests.contract.providers.stripe import KEY


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with running_lab(tmp_path / "book.jsonl") as lab:
        yield lab


def stripe_of(lab: Lab) -> Stripe:
    return cast(Stripe, lab.adapters["stripe"])


async def at_stripe(lab: Lab, path: str, **body: Any) -> Any:
    url = f"{lab.url}/control/stripe/{path}"
    async with ClientSession() as session, session.post(url, json=body) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def charged(lab: Lab) -> str:
    """The intent of a charge."""
    return (await send(stripe_of(lab), CASES["stripe"].operation())).provider_reference


async def listed(lab: Lab, **query: Any) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {KEY}"}
    async with (
        ClientSession(headers=headers) as session,
        session.get(f"{lab.url}/v1/events", params=query["pairs"]) as answer,
    ):
        return answer.status, await answer.json()


def read(page: EventPage) -> list[WebhookEvent]:
    return [one.read for one in page.events if isinstance(one.read, WebhookEvent)]


async def test_a_dispute_is_listed_as_its_webhooks_say_it(lab: Lab) -> None:
    intent = await charged(lab)
    dispute = await at_stripe(lab, "disputes", transaction_id=intent)
    await at_stripe(lab, f"disputes/{dispute['id']}", status="lost")

    page = await stripe_of(lab).list_events(None, "")

    webhooks = {}
    for _ in range(4):
        webhook = await lab.gateway.next()
        event = stripe_of(lab).read_webhook(webhook)
        webhooks[event.event_id] = event
    found = read(page)
    assert [one.event_type for one in found] == [
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.created",
    ]
    assert all(webhooks[one.event_id] == one for one in found)
    assert found[0].dispute is not None
    assert found[0].dispute.status is DisputeStatus.LOST
    assert found[0].collection_reference == intent
    assert page.next_page == ""


async def test_each_type_that_only_a_webhook_brings_is_listed(lab: Lab) -> None:
    intent = await charged(lab)
    await at_stripe(lab, "warnings", transaction_id=intent)
    review = await at_stripe(lab, "reviews", transaction_id=intent)
    await at_stripe(lab, f"reviews/{review['id']}")
    await at_stripe(lab, "refunds", transaction_id=intent, amount=100)

    found = {one.event_type for one in read(await stripe_of(lab).list_events(None, ""))}

    assert found == {
        "radar.early_fraud_warning.created",
        "review.opened",
        "review.closed",
        "refund.created",
    }


async def test_pages_follow_each_other_and_have_each_event_once(lab: Lab) -> None:
    intent = await charged(lab)
    for _ in range(events.PAGE + 5):
        await at_stripe(lab, "warnings", transaction_id=intent)

    first = await stripe_of(lab).list_events(None, "")
    second = await stripe_of(lab).list_events(None, first.next_page)

    ids = [one.event_id for one in (*read(first), *read(second))]
    assert len(ids) == len(set(ids)) == events.PAGE + 5
    assert (len(first.events), second.next_page) == (events.PAGE, "")


async def test_only_events_since_then_are_listed(lab: Lab) -> None:
    intent = await charged(lab)
    await at_stripe(lab, "warnings", transaction_id=intent)
    now = datetime.now(UTC)

    before = await stripe_of(lab).list_events(now - timedelta(minutes=1), "")
    after = await stripe_of(lab).list_events(now + timedelta(minutes=1), "")

    assert (len(before.events), len(after.events)) == (1, 0)
    assert abs(cast(datetime, before.events[0].created_at) - now) < timedelta(minutes=1)


async def test_a_page_after_an_event_that_is_kept_no_more_is_refused(lab: Lab) -> None:
    with pytest.raises(Invalid):
        await stripe_of(lab).list_events(None, "evt_of_last_year")


async def test_the_events_are_listed_by_a_simulator_that_was_started_again(tmp_path: Path) -> None:
    async with running_lab(tmp_path / "book.jsonl") as before:
        await at_stripe(before, "disputes", transaction_id=await charged(before))
        known = read(await stripe_of(before).list_events(None, ""))
    async with running_lab(tmp_path / "book.jsonl") as after:
        assert read(await stripe_of(after).list_events(None, "")) == known
    assert len(known) == 2


GOOD = {"id": "evt_1", "object": "event", "created": 1764400000, "type": "review.opened"}
GOOD["data"] = {"object": {"id": "prv_1", "payment_intent": "pi_1", "open": True}}
STRANGE = {
    "no object": 7,
    "no id": {**GOOD, "id": None},
    "no type": {**GOOD, "id": "evt_2", "type": 3},
    "half a character": {**GOOD, "id": "evt_3", "data": "\ud800"},
    "no number": {**GOOD, "id": "evt_4", "data": float("nan")},
}


async def _page_of(body: str) -> EventPage:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    async with answering(answer) as adapters:
        return await cast(Stripe, adapters["stripe"]).list_events(None, "")


@pytest.mark.parametrize("strange", STRANGE)
async def test_an_event_that_cannot_be_read_does_not_stop_the_others(strange: str) -> None:
    data = [STRANGE[strange], GOOD]

    page = await _page_of(json.dumps({"object": "list", "has_more": False, "data": data}))

    refused, good = page.events
    assert isinstance(refused.read, Invalid)
    assert isinstance(good.read, WebhookEvent)
    assert good.read.event_id == "evt_1"


NO_LISTS = {
    "no list": {"object": "list"},
    "no word of an end": {"data": [GOOD]},
    "more after nothing": {"data": [], "has_more": True},
    "more after an event without an id": {"data": [{**GOOD, "id": ""}], "has_more": True},
}


@pytest.mark.parametrize("answer", NO_LISTS)
async def test_an_answer_that_is_no_list_is_no_answer(answer: str) -> None:
    with pytest.raises(Unavailable):
        await _page_of(json.dumps(NO_LISTS[answer]))


@pytest.mark.parametrize("status", [401, 403, 429, 500])
async def test_a_refused_question_is_no_answer(status: int) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"error": {"type": "api_error", "message": "No."}}, status=status)

    async with answering(answer) as adapters:
        with pytest.raises(Unavailable):
            await cast(Stripe, adapters["stripe"]).list_events(None, "evt_1")


def test_stripe_filters_by_as_many_types() -> None:
    assert len(events.LISTED) == len(set(events.LISTED)) <= events.TYPES_MAX


REFUSED = {
    "an unknown parameter": [("since", "5")],
    "a type and types": [("type", "review.opened"), ("types[]", "review.closed")],
    "types that are no list": [("types", "review.opened")],
    "too many types": [("types[]", f"review.{number}") for number in range(21)],
    "a limit above the longest": [("limit", "101")],
    "a time that is none": [("created[gte]", "now")],
}


@pytest.mark.parametrize("query", REFUSED)
async def test_the_simulator_refuses_what_stripe_refuses(lab: Lab, query: str) -> None:
    status, body = await listed(lab, pairs=REFUSED[query])

    assert (status, body["error"]["type"]) == (400, "invalid_request_error")


async def test_a_type_may_have_a_star_and_types_are_whole_names(lab: Lab) -> None:
    intent = await charged(lab)
    await at_stripe(lab, "disputes", transaction_id=intent)

    starred = await listed(lab, pairs=[("type", "charge.dispute.*")])
    whole = await listed(lab, pairs=[("types[]", "charge.dispute.*"), ("types[]", "review.opened")])

    assert [len(body["data"]) for _, body in (starred, whole)] == [2, 0]


async def test_the_official_sdk_reads_each_event_of_the_list(lab: Lab) -> None:
    intent = await charged(lab)
    for _ in range(3):
        await at_stripe(lab, "warnings", transaction_id=intent)
    transport = stripe.AIOHTTPClient()
    client = stripe.StripeClient(KEY, base_addresses={"api": lab.url}, http_client=transport)

    page = await client.v1.events.list_async(
        {"types": ["radar.early_fraud_warning.created"], "limit": 2, "created": {"gte": 1}}
    )
    found = [one async for one in page.auto_paging_iter()]

    assert [type(one) for one in found] == [stripe.Event] * 3
    assert {one.data.object["payment_intent"] for one in found} == {intent}
    await transport.close_async()


async def test_a_dispute_is_looked_up_as_it_stands_now(lab: Lab) -> None:
    intent = await charged(lab)
    dispute = await at_stripe(lab, "disputes", transaction_id=intent)
    taken = await stripe_of(lab).look_up_dispute(dispute["id"])
    await at_stripe(lab, f"disputes/{dispute['id']}", status="won")
    won = await stripe_of(lab).look_up_dispute(dispute["id"])

    assert taken is not None and won is not None
    assert taken.withdrawn == taken.amount
    assert taken.status is DisputeStatus.NEEDS_RESPONSE
    assert (won.status, won.withdrawn) == (DisputeStatus.WON, Money(0, "USD"))
    assert await stripe_of(lab).look_up_dispute("du_nobody") is None


DISPUTE: dict[str, Any] = {
    "id": "du_1",
    "object": "dispute",
    "amount": 10_000,
    "currency": "usd",
    "status": "lost",
    "balance_transactions": [{"amount": -10_000, "currency": "usd"}],
}
NO_DISPUTES: list[tuple[int, Any]] = [
    (200, {**DISPUTE, "id": "du_2"}),
    (200, {**DISPUTE, "object": "charge"}),
    (200, {name: value for name, value in DISPUTE.items() if name != "balance_transactions"}),
    (200, {**DISPUTE, "amount": "10000"}),
    (200, {**DISPUTE, "currency": None}),
    (200, {**DISPUTE, "balance_transactions": [{"amount": -1.5, "currency": "usd"}]}),
    (200, {**DISPUTE, "balance_transactions": [{"amount": 5, "currency": "usd"}]}),
    (200, []),
    (403, {"error": {"type": "invalid_request_error", "message": "no permission"}}),
    (429, {"error": {"type": "rate_limit_error"}}),
    (500, {"error": {"type": "api_error"}}),
    (404, "not found"),
    (404, {"error": {"type": "invalid_request_error", "message": "no such route"}}),
]


@pytest.mark.parametrize(("status", "body"), NO_DISPUTES)
async def test_an_answer_that_does_not_say_how_it_stands_is_none(status: int, body: Any) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    async with answering(answer) as adapters:
        with pytest.raises(Unavailable):
            await cast(Stripe, adapters["stripe"]).look_up_dispute("du_1")
