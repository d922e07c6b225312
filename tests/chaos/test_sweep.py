"""Every crash point: on a real mesh, against the simulator's own book. Cases that prove the same as
another one are left to `python -m tests.chaos.sweep`, which has all."""

from dataclasses import replace
from pathlib import Path

from tests.chaos.cases import OFFRAMPS, POINTS, every_case
from tests.chaos.failpoints import Case
from tests.chaos.sweep import Sweep, say, table, verify
from tests.chaos.swept_mesh import swept_mesh

# Steps that end by an exit alone here: an exit leaves behind what an exception and a hang do.
EXIT_ALONE = {"claim", "return", "give_back", "retry", *OFFRAMPS}
# Points that are struck at one step alone: after L1 the transaction is gone as after W5b, and after
# W7 it stands as after W6, whatever was written. So is each point by a hang, which leaves behind
# what an exit does until the lease ends, and is an exception then.
AT_ONE_STEP = {"L1", "W7"}


def proves_more(case: Case) -> bool:
    if case.action != "exit" and case.step in EXIT_ALONE:
        return False
    if case.action == "hang" or case.point in AT_ONE_STEP:
        steps = POINTS[case.point][1]
        return case.step == ("payout" if "payout" in steps else steps[0])
    return True


async def test_no_crash_point_loses_or_doubles_anything(tmp_path: Path) -> None:
    cases = [case for case in every_case() if proves_more(case)]

    async with swept_mesh(tmp_path) as (mesh, failpoints):
        results = await Sweep(mesh, failpoints, say).run(cases)
        code, verified = await verify(mesh)

    say(f"\n{table(results)}\n")
    assert {ended.case: ended.complaints for ended in results if ended.complaints} == {}
    assert {replace(ended.case, turn=1) for ended in results} == set(cases)
    assert code == 0, verified
