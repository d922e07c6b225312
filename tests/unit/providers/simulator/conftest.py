"""A simulator for every test that asks for one, and the gateway its webhooks go to."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.lab import Gateway
from tests.unit.providers.simulator.caller import Caller, simulator


@pytest.fixture
def gateway() -> Gateway:
    """Takes every webhook."""
    return Gateway()


@pytest.fixture
async def caller(tmp_path: Path, gateway: Gateway) -> AsyncIterator[Caller]:
    """Calls a simulator with an empty book."""
    async with simulator(tmp_path / "book.jsonl", gateway) as caller:
        yield caller
