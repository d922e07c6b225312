"""A short seed of `./caravel chaos`: the mesh is broken for half a minute, heals, and the three
books agree. A seed that failed once is added to the list."""

from pathlib import Path

import pytest

from deploy.local.mesh import placement
from deploy.local.mesh.state import DataDir
from deploy.local.process.terminal import say
from tests.chaos import result
from tests.chaos.run import Options, run

SECONDS = 25
# More of everything than in a long run, so that a short one meets some of each.
INTENSITY = 2.0
SEEDS = (6,)


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_lost_or_doubled_and_everything_ends(seed: int, tmp_path: Path) -> None:
    options = Options(
        seed=seed, minutes=SECONDS / 60, folder=tmp_path / "chaos", intensity=INTENSITY
    )

    try:
        found = await run(options, say)
    finally:
        # The rest of the evidence lies in the test's folder, which is cleared by itself.
        placement.forget_elsewhere(DataDir.at(options.folder / "mesh").postgres)

    replay = f"./caravel test chaos -- -k '{seed}'"
    assert found.passed, result.render(found, replay)
    assert found.payments > 0 and sum(found.faults.values()) > 5
