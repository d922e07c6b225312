"""Secrets are rotated while operations and webhooks go on, and nobody notices."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import web
from caravel.providers.v1 import providers_pb2

from services.providers.simulator.local_wallet_api import standard_headers
from services.providers.simulator.stripe_api import stripe_headers
from tests.contract.cases import CASES
from tests.contract.lab import serving as http_serving
from tests.contract.providers.local_wallet import KEY as WALLET_KEY
from tests.contract.providers.stripe import KEY as STRIPE_KEY
from tests.polling import until
from tests.wire.providers.service import execute, read_webhook, serving

OLD, NEW = "whsec_b2xkLXNlY3JldC1vbGQtc2VjcmV0", "whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0"
DONE = {providers_pb2.Outcome.SUCCEEDED, providers_pb2.Outcome.PENDING}


@dataclass
class Provider:
    """Takes every well-formed operation that comes with a key which is valid now."""

    valid: set[str]
    used: list[str] = field(default_factory=list)
    # Set whenever a key that a test waits for is used.
    seen: dict[str, asyncio.Event] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.Response:
        key = request.headers["authorization"].removeprefix("Bearer ")
        self.used.append(key)
        self.seen.setdefault(key, asyncio.Event()).set()
        if key not in self.valid:
            return web.json_response({"error": {"type": "invalid_request_error"}}, status=401)
        if request.path == "/v1/payouts":
            body = await request.json()
            return web.json_response({**body, "id": "lwp_1", "status": "accepted"}, status=201)
        form = await request.post()
        amount = int(str(form["amount"]))
        return web.json_response(
            {
                "id": "pi_1",
                "status": "succeeded",
                "amount": amount,
                "amount_received": amount,
                "currency": form["currency"],
                "metadata": {"operation_key": form["metadata[operation_key]"]},
            }
        )

    async def saw(self, key: str) -> None:
        await asyncio.wait_for(self.seen.setdefault(key, asyncio.Event()).wait(), 10)


def replace_file(path: Path, text: str) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.replace(path)


@asynccontextmanager
async def traffic(stub: Any, provider: str) -> AsyncIterator[list[Any]]:
    """Operations without a pause for the length of the block, the last of them finished at its end;
    yields their results so far."""
    results: list[Any] = []
    over = asyncio.Event()

    async def go_on() -> None:
        while not over.is_set():
            batch = [CASES[provider].operation() for _ in range(3)]
            results.extend((await execute(stub, batch)).values())

    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(go_on())
        yield results
        over.set()


@pytest.mark.parametrize("provider", ["stripe", "local_wallet"])
async def test_an_api_key_is_rotated_under_traffic(tmp_path: Path, provider: str) -> None:
    file = tmp_path / "key"
    file.write_text("sk_test_old")
    stand_in = Provider({"sk_test_old", "sk_test_new"})
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stand_in.answer)
    variable = f"{provider.upper()}_API_KEY"
    variables = {variable: "", f"{variable}_FILE": str(file)}
    async with http_serving(app) as url, serving(url, variables=variables) as stub:
        async with traffic(stub, provider) as results:
            await stand_in.saw("sk_test_old")
            replace_file(file, "sk_test_new")
            await stand_in.saw("sk_test_new")
        before = len(stand_in.used)
        # The old key is switched off at the provider, and nothing uses it any more.
        stand_in.valid = {"sk_test_new"}
        after = await execute(stub, [CASES[provider].operation() for _ in range(3)])

    assert results
    assert {result.outcome for result in [*results, *after.values()]} <= DONE
    assert set(stand_in.used[before:]) == {"sk_test_new"}


Sign = Callable[[bytes, str, int], dict[str, str]]
WEBHOOKS: dict[str, tuple[Sign, bytes]] = {
    "stripe": (stripe_headers, b'{"id": "evt_1", "type": "payment_intent.succeeded"}'),
    "local_wallet": (
        lambda body, secret, at: standard_headers(body, secret, at, "msg_1"),
        b'{"transaction_id": "pay_1", "event_type": "payment_completed"}',
    ),
}


@pytest.mark.parametrize("provider", list(WEBHOOKS))
async def test_webhook_secrets_are_rotated_under_traffic(tmp_path: Path, provider: str) -> None:
    file = tmp_path / "secrets"
    file.write_text(OLD)
    sign, body = WEBHOOKS[provider]
    stand_in = Provider({STRIPE_KEY, WALLET_KEY})
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stand_in.answer)
    variable = f"{provider.upper()}_WEBHOOK_SECRETS"
    variables = {variable: "", f"{variable}_FILE": str(file)}

    async def accepts(stub: Any, secret: str) -> bool:
        headers = sign(body, secret, int(datetime.now(UTC).timestamp()))
        result = await read_webhook(stub, provider, body, headers)
        if result.HasField("error"):
            assert result.error.code == grpc.StatusCode.UNAUTHENTICATED.value[0]
        return bool(result.read.signed)

    async with (
        http_serving(app) as url,
        serving(url, variables=variables) as stub,
        traffic(stub, provider) as results,
    ):
        assert [await accepts(stub, OLD), await accepts(stub, NEW)] == [True, False]
        # Both at first, until the provider has changed over; then the old one goes.
        replace_file(file, f"{OLD},{NEW}")
        await until(lambda: accepts(stub, NEW), bool)
        assert await accepts(stub, OLD)
        replace_file(file, NEW)
        await until(lambda: accepts(stub, OLD), lambda taken: not taken)
        assert await accepts(stub, NEW)
    assert {result.outcome for result in results} <= DONE
