"""Every crash point at every step: on a real mesh, against the simulator's own book. The steps that
take longest end by an exit alone here, and in every way by `python -m tests.chaos.sweep`."""

from dataclasses import replace
from pathlib import Path

from tests.chaos.cases import OFFRAMPS, every_case
from tests.chaos.sweep import Sweep, say, table, verify
from tests.chaos.swept_mesh import swept_mesh

LONGEST = {"claim", "return", "give_back", *OFFRAMPS}


async def test_no_crash_point_loses_or_doubles_anything(tmp_path: Path) -> None:
    cases = [case for case in every_case() if case.step not in LONGEST or case.action == "exit"]

    async with swept_mesh(tmp_path) as (mesh, failpoints):
        results = await Sweep(mesh, failpoints, say).run(cases)
        code, verified = await verify(mesh)

    say(f"\n{table(results)}\n")
    assert {ended.case: ended.complaints for ended in results if ended.complaints} == {}
    assert {replace(ended.case, turn=1) for ended in results} == set(cases)
    assert code == 0, verified
