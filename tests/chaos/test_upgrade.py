"""Both versions at a migration serve side by side, and nothing fails for a client while the
database and the processes change from one to the other. `./caravel test chaos -- --long -s -k
upgrade` tries each migration; the history of the repository must reach back so far."""

from pathlib import Path

import pytest

from deploy.local.process.terminal import Problem, say
from tests.chaos import result
from tests.chaos.run import Options, run
from tests.chaos.topology import Topology
from tests.chaos.upgrade.versions import MIGRATIONS, Upgrade, revisions, upgrade_across

# With earlier ones the versions may not run beside each other, or were not tried.
FIRST = "0039"
TRIED = [revision for revision in revisions() if revision >= FIRST]


def _upgrade(revision: str, folder: Path) -> Upgrade:
    try:
        return upgrade_across(revision, folder)
    except Problem as problem:
        pytest.skip(str(problem))


def test_the_version_before_an_upgrade_lacks_its_migration(tmp_path: Path) -> None:
    upgrade = _upgrade(FIRST, tmp_path)

    before, after = (
        sorted(path.name for path in (version.folder / MIGRATIONS).glob("0*.py"))
        for version in (upgrade.before, upgrade.after)
    )
    assert [name[:4] for name in set(after) - set(before)] == [FIRST]
    assert set(before) < set(after)


@pytest.mark.parametrize("revision", TRIED)
async def test_an_upgrade_side_by_side_fails_nothing(
    tmp_path: Path, revision: str, is_long: bool
) -> None:
    if not is_long:
        pytest.skip("only with --long")
    options = Options(
        seed=int(revision),
        minutes=0,
        folder=tmp_path / "chaos",
        # So few that no answer is late on a slow machine with four processes more.
        rate_per_second=2,
        topology=Topology(proxied=False),
        upgrade=_upgrade(revision, tmp_path / "versions"),
        brief=True,
    )

    found = await run(options, say)

    assert found.passed, result.render(found, f"./caravel test chaos -- --long -k {revision}")
    assert not found.own_ends
