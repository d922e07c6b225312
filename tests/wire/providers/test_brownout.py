"""One provider in trouble, as payments sees it: quick answers, the others untouched, and everything
again as it was once the provider is back."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from caravel.providers.v1 import providers_pb2

from services.providers.domain import Operation
from tests.contract.cases import CASES
from tests.contract.lab import Lab, running_lab
from tests.unit.providers.makers import FakeMonotonic
from tests.wire.providers.service import Results, execute, message, serving


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with running_lab(tmp_path / "book.jsonl") as lab:
        yield lab


async def turn_on(lab: Lab, provider: str, mode: str) -> None:
    async with (
        ClientSession() as session,
        session.put(f"{lab.url}/control/{provider}", json={"modes": {mode: 1}}) as answer,
    ):
        assert answer.status < 300


async def heal(lab: Lab, provider: str) -> None:
    url = f"{lab.url}/control/{provider}"
    async with ClientSession() as session, session.delete(url) as answer:
        assert answer.status < 300


def batch(provider: str, size: int) -> list[Operation]:
    return [CASES[provider].operation() for _ in range(size)]


def outcomes(results: Results) -> Counter[tuple[str, str]]:
    return Counter(
        (providers_pb2.Outcome.Name(result.outcome), result.failure.code)
        for result in results.values()
    )


@pytest.mark.parametrize(
    ("mode", "code"), [("brownout", "provider_fault"), ("rate_limit", "rate_limited")]
)
async def test_a_brownout_is_answered_at_once_and_heals_by_a_look_up(
    lab: Lab, mode: str, code: str
) -> None:
    now = FakeMonotonic()
    async with serving(lab.url, monotonic=now) as stub:
        await turn_on(lab, "stripe", mode)
        assert outcomes(await execute(stub, batch("stripe", 5))) == {("UNKNOWN", code): 5}

        # Known to be down by now. Operations of other providers go on undisturbed.
        unsent = batch("stripe", 50)
        results = await execute(stub, [*unsent, *batch("local_wallet", 10)])
        assert outcomes(results) == {
            ("NOT_SENT", "provider_unavailable"): 50,
            ("PENDING", ""): 10,
        }
        assert not [line for one in unsent for line in await lab.book(one.key)]

        # The pause is over, but the provider is not back: found out by asking, not by sending.
        now.seconds += 7
        assert outcomes(await execute(stub, unsent)) == {("NOT_SENT", "provider_unavailable"): 50}

        await heal(lab, "stripe")
        now.seconds += 12
        assert (await rounds(stub, unsent))[0] == 1
        for one in unsent:
            assert [line["effect"] for line in await lab.book(one.key)] == ["charge_succeeded"]


async def rounds(stub: Any, operations: list[Operation]) -> list[int]:
    """How many get through each time that all the others come again."""
    through = []
    while operations:
        results = await execute(stub, operations)
        left = [one for one in operations if results[one.key].outcome == providers_pb2.NOT_SENT]
        through.append(len(operations) - len(left))
        operations = left
        assert through[-1] > 0
    return through


async def test_more_and_more_get_through_to_a_provider_that_answers_again(lab: Lab) -> None:
    now = FakeMonotonic()
    async with serving(lab.url, monotonic=now) as stub:
        await turn_on(lab, "local_wallet", "brownout")
        await execute(stub, batch("local_wallet", 5))
        await heal(lab, "local_wallet")
        now.seconds += 7

        through = await rounds(stub, batch("local_wallet", 50))

    assert through[:2] == [1, 2]
    assert len(through) <= 5


async def test_beyond_a_providers_rate_nothing_is_sent(lab: Lab) -> None:
    variables = {"PROVIDER_RATES": "stripe=1", "PROVIDER_CONCURRENCY": "stripe=20,local_wallet=1"}
    capped, free = batch("stripe", 20), batch("local_wallet", 20)
    # Time stands still, so that no token ever comes back; and nobody waits a whole second for one.
    async with serving(lab.url, variables=variables, monotonic=FakeMonotonic()) as stub:
        request = providers_pb2.ExecuteRequest(operations=[message(one) for one in capped])
        request.operation_timeout.FromSeconds(2)
        results = {result.key: result async for result in stub.Execute(request)}
        others = await execute(stub, free)

    assert outcomes(results) == {("SUCCEEDED", ""): 1, ("NOT_SENT", "rate_capped"): 19}
    assert outcomes(others) == {("PENDING", ""): 20}
