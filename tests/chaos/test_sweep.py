"""Every crash point at every step, with every way to be struck there: on a real mesh, against the
simulator's own book."""

from dataclasses import replace
from pathlib import Path

from tests.chaos.cases import every_case
from tests.chaos.sweep import WORKERS, Sweep, say, swept_mesh, table, verify


async def test_no_crash_point_loses_or_doubles_anything(tmp_path: Path) -> None:
    cases = list(every_case())

    async with swept_mesh(tmp_path, workers=WORKERS) as (mesh, failpoints):
        results = await Sweep(mesh, failpoints, say).run(cases)
        code, verified = await verify(mesh)

    say(f"\n{table(results)}\n")
    assert {ended.case: ended.complaints for ended in results if ended.complaints} == {}
    assert {replace(ended.case, turn=1) for ended in results} == set(cases)
    assert code == 0, verified
