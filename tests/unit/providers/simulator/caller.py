"""A running simulator and somebody who calls it over plain HTTP, with no SDK between them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from services.providers.simulator.app import create_app
from tests.contract.lab import Gateway, serving, simulator_config
from tests.contract.providers.local_wallet import KEY as WALLET_KEY
from tests.contract.providers.stripe import KEY as STRIPE_KEY

FORM = {
    "amount": "10000",
    "currency": "usd",
    "confirm": "true",
    "payment_method": "pm_card_visa",
    "metadata[operation_key]": "pay_1-collection-1",
    "metadata[transaction_id]": "pay_1",
}
PAYOUT = {
    "reference": "pay_1-payout-1",
    "amount_minor": 14_486,
    "currency": "JPY",
    "note": "invoice 17",
    "transaction_id": "pay_1",
    "recipient": {"account": "wallet-0001", "bank_code": "", "name": "Ada Obi"},
}


@dataclass
class Caller:
    """Calls one running simulator."""

    session: ClientSession
    url: str

    async def charge(self, key: str = "key-1", **changes: str) -> tuple[int, Any, dict[str, str]]:
        """Creates an intent under a key and confirms it."""
        return await self.stripe("POST", "", key, {**FORM, **changes})

    async def stripe(
        self, method: str, path: str, key: str = "", form: dict[str, str] | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        """Any call to Stripe's payment intents."""
        headers = {"authorization": f"Bearer {STRIPE_KEY}"}
        if key:
            headers["idempotency-key"] = key
        url = f"{self.url}/v1/payment_intents{path}"
        async with self.session.request(method, url, data=form, headers=headers) as answer:
            return answer.status, await answer.json(), dict(answer.headers)

    async def pay_out(self, **changes: Any) -> tuple[int, Any]:
        """Asks the wallet for a payout."""
        headers = {"authorization": f"Bearer {WALLET_KEY}"}
        url, body = f"{self.url}/v1/payouts", {**PAYOUT, **changes}
        async with self.session.post(url, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def payout(self, reference: str = "pay_1-payout-1") -> tuple[int, Any]:
        """Reads a payout of the wallet."""
        headers = {"authorization": f"Bearer {WALLET_KEY}"}
        url = f"{self.url}/v1/payouts/{reference}"
        async with self.session.get(url, headers=headers) as answer:
            return answer.status, await answer.json()

    async def effects(self) -> list[str]:
        """The effects in the book."""
        return [line["effect"] for line in await self.book()]

    async def book(self) -> list[dict[str, Any]]:
        """The book, as the simulator serves it."""
        async with self.session.get(f"{self.url}/book") as answer:
            lines: list[dict[str, Any]] = await answer.json()
        return lines


@asynccontextmanager
async def simulator(
    book: Path, gateway: Gateway, settle_seconds: str = "0"
) -> AsyncIterator[Caller]:
    """Runs a simulator on this book for the length of a block."""
    async with serving(gateway.app()) as gateway_url:
        app = await create_app(simulator_config(gateway_url, book, settle_seconds))
        async with serving(app) as url, ClientSession() as session:
            yield Caller(session, url)
