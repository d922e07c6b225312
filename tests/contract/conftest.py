"""One running simulator for each file of faults, healed after every test."""

from collections.abc import AsyncIterator

import pytest

from services.providers.adapters import ADAPTERS
from tests.contract.faults import Trial, running_trial


@pytest.fixture(scope="module")
async def simulator(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Trial]:
    """The simulator of the file."""
    async with running_trial(tmp_path_factory.mktemp("faults") / "book.jsonl") as trial:
        yield trial


@pytest.fixture
async def trial(simulator: Trial) -> AsyncIterator[Trial]:
    """The file's simulator, misbehaving only as the test asks."""
    yield simulator
    for provider in ADAPTERS:
        await simulator.heal(provider)
