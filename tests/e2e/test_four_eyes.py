"""Two operators override a rate by the command line, through the gateway, and one ends it."""

from decimal import Decimal
from typing import Any

import pytest

from tests.e2e.conftest import Mesh, Rest, carried_out
from tests.polling import until

AMOUNT = {"amount_usd": "100.00", "destination_currency": "NGN"}


@pytest.fixture(autouse=True)
def _ours(mesh: Mesh) -> None:
    if mesh.data_dir is None:
        pytest.skip("needs the command line of the mesh's own folder")


async def caravel(mesh: Mesh, *words: str) -> tuple[int, str]:
    run = await carried_out(mesh, *words)
    return run.returncode, run.stdout + run.stderr


async def quote(rest: Rest) -> Any:
    answer = await rest.post("/api/quotes", AMOUNT)
    assert answer.status == 201, answer.body
    return answer.json


async def test_two_people_override_a_rate_and_one_ends_it(mesh: Mesh, rest: Rest) -> None:
    market = await quote(rest)
    mid = Decimal(market["rate_trail"]["mid_rate"])
    wanted = str(mid + 1)
    words = ["override", "us-ng", "--rate", wanted, "--reason", "a thin market"]

    code, said = await caravel(mesh, "propose", *words)
    assert code == 0, said
    proposal_id = said.split()[0]
    code, said = await caravel(mesh, "approve", proposal_id, "--yes", "--as", "ada")
    assert (code, "APPROVER_IS_PROPOSER" in said) == (1, True), said
    code, said = await caravel(mesh, "approve", proposal_id, "--yes", "--as", "grace")
    assert code == 0, said
    assert "APPROVED" in said

    priced = await until(
        lambda: quote(rest), lambda shown: Decimal(shown["rate_trail"]["mid_rate"]) == mid + 1
    )
    assert Decimal(priced["fx_rate"]) == (mid + 1) * Decimal("0.995")
    override_id = priced["rate_trail"]["override"]["override_id"]
    code, said = await caravel(mesh, "overrides")
    assert override_id in said
    assert "by ada and grace: a thin market" in said

    code, said = await caravel(mesh, "end-override", override_id, "--as", "grace")
    assert code == 0, said
    await until(lambda: quote(rest), lambda shown: Decimal(shown["rate_trail"]["mid_rate"]) == mid)


async def test_a_rate_far_from_the_market_is_refused_at_once(mesh: Mesh) -> None:
    code, said = await caravel(
        mesh, "propose", "override", "us-ng", "--rate", "9999", "--reason", "a slip"
    )

    assert (code, "RATE_OVERRIDE_TOO_FAR" in said) == (1, True), said
