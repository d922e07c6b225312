"""Calls the simulator's Flutterwave over plain HTTP, for whoever tests a part of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from services.providers.simulator.app import create_app
from tests.contract.lab import Gateway, serving, simulator_config
from tests.contract.providers.flutterwave import KEY as FLUTTERWAVE_KEY

TRANSFER = {
    "account_bank": "044",
    "account_number": "0690000031",
    "amount": 148453.38,
    "currency": "NGN",
    "debit_currency": "NGN",
    "reference": "pay_1-payout-1",
    "narration": "invoice 17",
    "meta": {"transaction_id": "pay_1"},
}


@dataclass
class Caller:
    """One running simulator's caller."""

    session: ClientSession
    url: str

    async def create(self, **changes: Any) -> tuple[int, Any]:
        body = {**TRANSFER, **changes}
        async with self.session.post(f"{self.url}/v3/transfers", json=body) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.session.get(f"{self.url}/v3{path}") as answer:
            return answer.status, await answer.json()

    async def balance(self) -> Any:
        return (await self.get("/balances/NGN"))[1]["data"]["available_balance"]


@asynccontextmanager
async def simulator(
    book: Path, gateway: Gateway, *, key: str = FLUTTERWAVE_KEY, **settings: object
) -> AsyncIterator[Caller]:
    async with serving(gateway.app()) as gateway_url:
        config = simulator_config(gateway_url, book).model_copy(update=settings)
        app = await create_app(config)
        headers = {"authorization": f"Bearer {key}"}
        async with serving(app) as url, ClientSession(headers=headers) as session:
            yield Caller(session, url)
