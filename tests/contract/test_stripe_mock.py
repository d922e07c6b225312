"""Our requests to Stripe in front of stripe-mock, which refuses with 400 whatever Stripe's own
OpenAPI does not allow. It has no state and believes anything, so what its answers mean is tested
elsewhere."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import ClientSession, web

from services.providers.domain import Kind, Operation
from services.providers.ports import Adapter, Onramp, Refunder
from tests.contract.cases import CASES
from tests.contract.lab import adapters_at, serving
from tests.tools import go_tool

# Pinned: a newer one knows a newer API.
STRIPE_MOCK = "github.com/stripe/stripe-mock@v0.203.0"
START_SECONDS = 60
# It takes no key that has more to it than this.
KEY = "sk_test_123"
_ADDRESS = re.compile(rb"Listening for HTTP at address: (\S+)")

Exchange = tuple[str, str, int]


@pytest.fixture(scope="module")
async def stripe_mock() -> AsyncIterator[str]:
    """A running stripe-mock's address."""
    tool = go_tool(STRIPE_MOCK)
    process = await asyncio.create_subprocess_exec(
        tool, "-http-addr", "127.0.0.1:0", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            while not (listening := _ADDRESS.search(await process.stdout.readline())):
                assert not process.stdout.at_eof(), "stripe-mock ended"
        yield f"http://{listening[1].decode()}"
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def adapter_before(
    mock: str, **replaced: object
) -> AsyncIterator[tuple[Adapter, list[Exchange]]]:
    """The adapter, and each request of its with the status that stripe-mock gave it; `replaced`
    are fields that replace those of its answers."""
    seen: list[Exchange] = []

    async def pass_on(request: web.Request) -> web.Response:
        headers = {name: request.headers[name] for name in request.headers if name != "Host"}
        headers["Authorization"] = f"Bearer {KEY}"
        async with session.request(
            request.method, f"{mock}{request.path_qs}", headers=headers, data=await request.read()
        ) as answer:
            body = await answer.json()
        seen.append((request.method, request.path, answer.status))
        # Its whole words are in the report of a test that fails.
        print(request.method, request.path_qs, answer.status, json.dumps(body)[:500])  # noqa: T201
        return web.json_response({**body, **replaced}, status=answer.status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", pass_on)
    async with ClientSession() as session, serving(app) as url, adapters_at(url) as adapters:
        yield adapters["stripe"], seen


def charge(**changes: str) -> Operation:
    return CASES["stripe"].operation(**changes)


async def test_a_charge_is_as_stripes_openapi_has_it(stripe_mock: str) -> None:
    async with adapter_before(stripe_mock) as (adapter, seen):
        assert isinstance(adapter, Onramp)
        await adapter.start_collection(charge(payment_method="pm_card_visa"))

    assert seen[0] == ("POST", "/v1/payment_intents", 200)


async def test_a_cancel_is_as_stripes_openapi_has_it(stripe_mock: str) -> None:
    operation = charge()
    asks_payer = {"status": "requires_action", "metadata": {"operation_key": operation.key}}
    async with adapter_before(stripe_mock, **asks_payer) as (adapter, seen):
        assert isinstance(adapter, Onramp)
        await adapter.start_collection(operation)

    method, path, status = seen[1]
    assert (method, path.rpartition("/")[2], status) == ("POST", "cancel", 200)


async def test_both_look_ups_are_as_stripes_openapi_has_them(stripe_mock: str) -> None:
    async with adapter_before(stripe_mock) as (adapter, seen):
        await adapter.look_up(charge())
        await adapter.look_up(charge(provider_reference="pi_123"))

    assert seen[0] == ("GET", "/v1/payment_intents/search", 200)
    assert seen[-1] == ("GET", "/v1/payment_intents/pi_123", 200)
    assert {status for _, _, status in seen} == {200}


async def test_a_refund_is_as_stripes_openapi_has_it(stripe_mock: str) -> None:
    async with adapter_before(stripe_mock) as (adapter, seen):
        assert isinstance(adapter, Refunder)
        await adapter.refund(replace(charge(), kind=Kind.REFUND, collection_reference="pi_123"))

    assert seen[0] == ("POST", "/v1/refunds", 200)


async def test_a_request_that_stripe_does_not_know_would_be_refused(stripe_mock: str) -> None:
    async with (
        ClientSession() as session,
        session.post(
            f"{stripe_mock}/v1/payment_intents",
            data={"amount": "100", "currency": "usd", "zebra": "crossing"},
            headers={"authorization": f"Bearer {KEY}"},
        ) as answer,
    ):
        assert answer.status == 400
