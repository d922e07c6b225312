"""Many seeds: which they are, what is said of each, and what one that never started counts as."""

from pathlib import Path

from deploy.local.process.terminal import Problem
from tests.chaos import campaign
from tests.chaos.__main__ import SEEDS_BELOW, seeds_of
from tests.chaos.campaign import Campaign
from tests.chaos.result import Result, Violation


def test_seeds_are_those_named_or_a_row_from_the_first() -> None:
    assert seeds_of([45687, 101784], None) == [45687, 101784]
    assert seeds_of([7], 3) == [7, 8, 9]


def test_seeds_that_nobody_names_are_drawn_in_a_row() -> None:
    drawn = seeds_of(None, 30)
    assert len(drawn) == 30 and 0 <= drawn[0] < SEEDS_BELOW
    assert drawn == list(range(drawn[0], drawn[0] + 30))
    assert len({seeds_of(None, 1)[0] for _ in range(5)}) > 1


def _campaign(folder: Path) -> Campaign:
    return Campaign(folder=folder, minutes=3, rate_per_second=8, keep=False)


def test_the_report_has_each_seed_s_findings_and_a_line_for_all(
    tmp_path: Path,
) -> None:
    bad = Violation(phase="after healing", invariant="I4", detail="twice", is_liveness=False)
    results = [
        Result(seed=7, minutes=3, commit="abc", payments=5),
        Result(seed=8, minutes=3, commit="abc", payments=6, violations=[bad]),
    ]
    said: list[str] = []

    assert campaign.report(iter(results), _campaign(tmp_path), said.append) == results

    good, failed, why, together = said
    assert "seed 7" in good and "abc" in good and "NOT SAFE" in failed
    assert "I4 is broken 1 times" in why and str(tmp_path / "8") in why
    assert "2 seeds, 11 payments" in together and "failed: 8" in together


def test_a_mesh_that_does_not_start_is_a_seed_that_failed(tmp_path: Path) -> None:
    async def broken(*_: object) -> Result:
        raise Problem("not healthy after 120 s: fees")

    found = campaign.carry_out_one(7, _campaign(tmp_path), print, broken)

    assert not found.passed and found.seed == 7
    assert (tmp_path / "7" / "report.json").exists()
