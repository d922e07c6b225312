"""Stripe's calls beside those of a charge, over plain HTTP: captures, customers, lists and their
pages, objects in place of ids, and refusals as Stripe's own."""

from typing import Any

import pytest

from tests.contract.providers.stripe import KEY
from tests.unit.providers.simulator.caller import Caller

Json = dict[str, Any]


async def ask(
    caller: Caller, method: str, path: str, key: str = KEY, **form: str
) -> tuple[int, Json]:
    """Any call; a GET takes the form as its query."""
    sent = {"params": form} if method == "GET" else {"data": form}
    headers = {"authorization": f"Bearer {key}"}
    url = f"{caller.url}{path}"
    async with caller.session.request(method, url, headers=headers, **sent) as answer:
        return answer.status, await answer.json()


async def charged(caller: Caller, **changes: str) -> Json:
    form = {"amount": "2000", "currency": "usd", "payment_method": "pm_card_visa"}
    _, intent = await ask(
        caller, "POST", "/v1/payment_intents", **{**form, "confirm": "true", **changes}
    )
    return intent


async def test_a_manual_capture_waits_until_it_is_captured(caller: Caller) -> None:
    held = await charged(caller, capture_method="manual")
    path = f"/v1/payment_intents/{held['id']}/capture"

    more, _ = await ask(caller, "POST", path, amount_to_capture="2001")
    status, captured = await ask(caller, "POST", path, amount_to_capture="1200")
    again, _ = await ask(caller, "POST", path)

    assert (held["status"], held["amount_capturable"], held["amount_received"]) == (
        "requires_capture",
        2000,
        0,
    )
    assert (more, status, again) == (400, 200, 400)
    assert (captured["status"], captured["amount_received"]) == ("succeeded", 1200)
    assert await caller.effects() == ["charge_authorized", "charge_succeeded"]
    assert [line["amount_minor"] for line in await caller.book()] == [2000, 1200]


async def test_a_confirmation_charges_what_was_only_created(caller: Caller) -> None:
    made = await charged(caller, confirm="false")
    path = f"/v1/payment_intents/{made['id']}/confirm"

    declined, error = await ask(caller, "POST", path, payment_method="pm_card_visa_chargeDeclined")
    status, paid = await ask(caller, "POST", path, payment_method="pm_card_visa")

    assert (declined, error["error"]["payment_intent"]["id"]) == (402, made["id"])
    assert (status, paid["status"]) == (200, "succeeded")
    assert await caller.effects() == ["intent_created", "charge_declined", "charge_succeeded"]


async def test_a_list_has_pages_newest_first_both_ways(caller: Caller) -> None:
    made = [(await charged(caller))["id"] for _ in range(3)]
    newest_first = made[::-1]

    async def listed(**query: str) -> tuple[list[str], bool]:
        _, found = await ask(caller, "GET", "/v1/payment_intents", **query)
        return [one["id"] for one in found["data"]], found["has_more"]

    assert await listed(limit="2") == (newest_first[:2], True)
    assert await listed(limit="2", starting_after=newest_first[1]) == (newest_first[2:], False)
    assert await listed(limit="2", ending_before=newest_first[2]) == (newest_first[:2], False)
    assert (await listed(**{"created[gt]": "1"}))[0] == newest_first
    assert (await listed(**{"created[lt]": "1"}))[0] == []


async def test_an_object_comes_in_place_of_its_id(caller: Caller) -> None:
    paid = await charged(caller, **{"expand[]": "latest_charge.balance_transaction"})
    refused, error = await ask(
        caller, "GET", f"/v1/payment_intents/{paid['id']}", **{"expand[0]": "amount"}
    )

    transaction = paid["latest_charge"]["balance_transaction"]
    assert (transaction["amount"], transaction["fee"], transaction["net"]) == (2000, 88, 1912)
    assert (refused, error["error"]["param"]) == (400, "expand[]")


async def test_a_customer_is_made_changed_and_charged(caller: Caller) -> None:
    _, made = await ask(caller, "POST", "/v1/customers", email="ada@example.com")
    path = f"/v1/customers/{made['id']}"
    _, changed = await ask(caller, "POST", path, name="Ada", **{"metadata[tier]": "1"})
    paid = await charged(caller, customer=made["id"])
    nobody, _ = await ask(caller, "GET", "/v1/customers/cus_nobody")

    assert (changed["email"], changed["name"]) == ("ada@example.com", "Ada")
    assert (await ask(caller, "GET", path))[1] == changed
    assert (paid["customer"], nobody) == (made["id"], 404)
    assert "error" in await charged(caller, customer="cus_nobody")


async def test_the_balance_has_what_charges_brought_and_refunds_took(caller: Caller) -> None:
    paid = await charged(caller)
    await ask(caller, "POST", "/v1/refunds", charge=paid["latest_charge"], amount="500")

    _, listed = await ask(caller, "GET", "/v1/balance_transactions")
    _, balance = await ask(caller, "GET", "/v1/balance")

    assert sorted(one["net"] for one in listed["data"]) == [-500, 1912]
    assert balance["pending"] == [{"amount": 1412, "currency": "usd"}]


@pytest.mark.parametrize(
    ("call", "form", "refusal"),
    [
        ("GET /v1/payment_intents", {"amonut": "1"}, (400, "parameter_unknown", "amonut")),
        ("POST /v1/payment_intents", {"transfer_data[x]": "1"}, (400, None, "transfer_data")),
        ("POST /v1/payment_intents", {"confirm": "yes"}, (400, None, "confirm")),
        ("GET /v1/payment_intents", {"limit": "101"}, (400, "parameter_invalid_integer", "limit")),
        (
            "GET /v1/charges",
            {"starting_after": "ch_0"},
            (400, "resource_missing", "starting_after"),
        ),
        ("GET /v1/charges/ch_nobody", {}, (404, "resource_missing", "id")),
        ("GET /v1/events/evt_nobody", {}, (404, "resource_missing", "id")),
        ("GET /v1/nothing_of_ours", {}, (404, None, None)),
        ("DELETE /v1/payment_intents", {}, (404, None, None)),
    ],
)
async def test_a_refusal_is_stripe_s_in_json_and_names_its_parameter(
    caller: Caller, call: str, form: dict[str, str], refusal: tuple[int, str | None, str | None]
) -> None:
    method, path = call.split()
    required = {"amount": "2000", "currency": "usd", "payment_method": "pm_card_visa"}
    sent = {**required, **form} if method == "POST" else form

    status, body = await ask(caller, method, path, **sent)

    error = body["error"]
    assert error["type"] == "invalid_request_error"
    assert (status, error.get("code"), error.get("param")) == refusal


@pytest.mark.parametrize("path", ["/v1/balance", "/v1/nothing_of_ours"])
async def test_a_key_that_nobody_has_is_refused_first(caller: Caller, path: str) -> None:
    status, body = await ask(caller, "GET", path, key="sk_test_nobody")

    assert (status, body["error"]["type"]) == (401, "invalid_request_error")


async def test_older_clients_may_still_name_types_of_payment_methods(caller: Caller) -> None:
    form = {"amount": "2000", "currency": "usd", "payment_method_types[0]": "card"}
    headers = {"authorization": f"Bearer {KEY}", "stripe-version": "2024-06-20"}
    url = f"{caller.url}/v1/payment_intents"

    async with caller.session.post(url, data=form, headers=headers) as answer:
        assert answer.status == 200


async def test_events_can_be_asked_for(caller: Caller) -> None:
    await charged(caller)

    _, listed = await ask(caller, "GET", "/v1/events", type="payment_intent.succeeded")
    _, found = await ask(caller, "GET", f"/v1/events/{listed['data'][0]['id']}")

    assert found == listed["data"][0]
    assert found["data"]["object"]["object"] == "payment_intent"


async def test_a_call_to_nobody_is_refused_in_json(caller: Caller) -> None:
    async with caller.session.get(f"{caller.url}/nothing") as answer:
        assert (answer.status, answer.content_type) == (404, "application/json")
