"""A short run of what `./caravel hostile` does at length."""

from pathlib import Path

from tests.hostile.__main__ import render
from tests.hostile.run import campaign, mesh

CASES = 1_200


async def test_nothing_that_a_client_can_send_breaks_the_mesh(tmp_path: Path) -> None:
    async with mesh(tmp_path / "data") as running:
        found = await campaign(running, cases=CASES, seed=20, say=print)

    assert found.passed, render(found)
    assert found.tally.cases > CASES / 2
    assert found.ordinary_calls > 0
