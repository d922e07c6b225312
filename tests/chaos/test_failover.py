"""The primary database is lost under load: nothing that was acknowledged is missing, nothing is
paid twice, and every process finds the new primary by itself. The same run finds a standby that is
not synchronous."""

from pathlib import Path
from typing import Any

from tests.chaos.failover.losses import ALONE, CUT_OFF, KILLED
from tests.chaos.result import Result
from tests.chaos.run import Options, run
from tests.chaos.topology import Topology


async def _run(folder: Path, losses: int, **options: Any) -> Result:
    return await run(
        Options(
            seed=1,
            minutes=0,
            folder=folder,
            losses=losses,
            topology=Topology(payments=1, workers=1, proxied=False),
            brief=True,
            **options,
        ),
        print,
    )


async def test_a_lost_primary_loses_and_doubles_nothing(tmp_path: Path) -> None:
    result = await _run(tmp_path / "run", 3)

    assert {KILLED: 1, ALONE: 1, CUT_OFF: 1}.items() <= result.faults.items()
    assert result.passed, result
    assert not result.own_ends
    assert result.tally.acknowledged and not (result.tally.lost or result.tally.doubled)


async def test_a_standby_that_follows_later_is_found(tmp_path: Path) -> None:
    result = await _run(tmp_path / "run", 1, synchronous=False, liveness_seconds=5)

    assert not result.safe, result
    assert result.tally.lost
