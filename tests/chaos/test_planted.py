"""A few planted bugs in one mesh, without a fault from outside: the harness sees each of them.
All of them, each in a mesh of its own: ./caravel chaos --planted."""

from pathlib import Path

from tests.chaos import result
from tests.chaos.conditions import Conditions
from tests.chaos.planted.catalogue import by_name
from tests.chaos.planted.process import launched_with
from tests.chaos.run import Options, run

SECONDS = 10
# None of them hides another, and each breaks an invariant of its own.
QUICK = ("keys_not_unique", "delivered_before_sent", "trusted_amount", "empty_secret_accepted")

# On a slow machine they take longer. Of so many about seven have an empty secret.
ACTIONS_MIN = 480
CONDITIONS = Conditions(misstated_share=0.2)


async def test_bugs_that_are_put_in_are_found_each_by_its_own_invariant(tmp_path: Path) -> None:
    options = Options(
        seed=1,
        minutes=SECONDS / 60,
        folder=tmp_path / "chaos",
        rate_per_second=16,
        intensity=0,
        actions_min=ACTIONS_MIN,
        conditions=CONDITIONS,
        until_broken=True,
        # Payments that the bugs leave open need not end.
        liveness_seconds=5,
        launch=launched_with(by_name("+".join(QUICK)), CONDITIONS),
    )

    found = await run(options, lambda _: None)

    missed = [name for name in QUICK if not any(map(by_name(name).explains, found.violations))]
    assert not missed, result.render(found, "./caravel chaos --planted")
