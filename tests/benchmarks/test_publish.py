"""Every table of the page is what its raw file says, or says that it has none."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from deploy.local.process.terminal import Problem
from tests.benchmarks import publish
from tests.benchmarks.interpreter import interpreter

PAGE = publish.PAGE.read_text()
REGIONS = {name: text for _, name, text, _ in publish.REGION.findall(PAGE)}


def test_page_has_a_place_for_every_table() -> None:
    assert REGIONS.keys() == publish.TABLES.keys()


@pytest.mark.parametrize("name", publish.TABLES)
def test_table_is_what_its_raw_file_says(name: str) -> None:
    if not (publish.PUBLISHED / f"{name}.json").exists():
        assert publish.NOT_KEPT in REGIONS[name]
        return
    fresh = {
        one: text
        for _, one, text, _ in publish.REGION.findall(publish.drawn(PAGE, publish.PUBLISHED))
    }
    assert REGIONS[name] == fresh[name], "run `./caravel bench --publish`"


def test_every_raw_file_has_its_table() -> None:
    files = {file.stem for file in publish.PUBLISHED.glob("*.json")}
    assert files <= publish.TABLES.keys()


def spread(value: float) -> dict[str, float]:
    return {"median": value, "low": value - 1, "high": value + 1, "rounds": 2}


@pytest.fixture
def run() -> dict[str, Any]:
    """A run of creation and settlement."""
    names = ("create_1_per_second", "create_64_per_second", "baseline_64_per_second")
    names += ("baseline_2_workers_64_per_second", "limit_64_per_second", "create_5m_over_10k")
    names += ("create_64_over_baseline", "create_64_postgresql_cpu_ms", "create_fixed_p99_ms")
    names += ("settle_per_core", "settle_per_core_without_simulator", "settle_5m_over_10k")
    return {
        "began_at": "2026-11-28T10:00:00+00:00",
        "commit": "0123456789ab",
        "durable": True,
        "server": {"server_version": "18.4"},
        "machine": {"processors": 2, "interpreter": interpreter()},
        "options": {"rounds": 2, "seconds": 4.0, "warm_seconds": 2.0, "is_smoke": False},
        "figures": {name: spread(10.0 * at) for at, name in enumerate(names, 1)},
        "rounds": [dict.fromkeys(names, 1.0)] * 2,
        "problems": [],
    }


@pytest.fixture
def folder(tmp_path: Path, run: dict[str, Any]) -> Path:
    """A folder with a run and a page that nothing was ever published on."""
    (tmp_path / "latest.json").write_text(json.dumps(run))
    (tmp_path / "README.md").write_text(PAGE)
    return tmp_path


def published(folder: Path) -> list[str]:
    return publish.publish(folder / "latest.json", folder / "README.md", folder / "published")


def test_a_run_replaces_the_tables_that_it_has_measured(folder: Path) -> None:
    assert published(folder) == ["creation", "fixed", "settlement", "growth"]

    text = (folder / "README.md").read_text()
    regions = {name: region for _, name, region, _ in publish.REGION.findall(text)}
    assert (
        "| 64 clients | 20.0 (19.0 to 21.0) | 40.0 (39.0 to 41.0) | 30.0 (29.0 to 31.0) | 50.0"
        in text
    )
    assert "| `create_64_over_baseline` | 70.0 | 69.0 to 71.0 | >= 5 |" in regions["creation"]
    assert "commit 0123456789ab, 2 processors, PostgreSQL 18.4" in regions["creation"]
    assert "profile-guided optimisation: " in regions["creation"]
    assert "`settle_per_core_without_simulator`" in regions["settlement"]
    assert "5m_over_10k" not in regions["creation"] + regions["settlement"]
    assert regions["cost"] == REGIONS["cost"]
    assert publish.REGION.sub("", text) == publish.REGION.sub("", PAGE)


def test_a_number_that_was_changed_by_hand_is_found(folder: Path) -> None:
    published(folder)
    page = (folder / "README.md").read_text()
    changed = page.replace("| 64 clients | 20.0 ", "| 64 clients | 99.0 ")

    assert changed != page
    assert publish.drawn(changed, folder / "published") == page


def test_raw_file_keeps_every_round_and_no_other_tables_figures(folder: Path) -> None:
    published(folder)

    raw = json.loads((folder / "published" / "settlement.json").read_text())
    assert raw["figures"].keys() == {"settle_per_core", "settle_per_core_without_simulator"}
    assert [one.keys() for one in raw["rounds"]] == [raw["figures"].keys()] * 2
    assert raw["machine"]["interpreter"].keys() >= {"version", "profile_guided", "switches"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda run: run.update(commit="0123456789ab-dirty"), "uncommitted code"),
        (lambda run: run["options"].update(is_smoke=True), "smoke run"),
    ],
)
def test_meaningless_run_is_not_published(
    folder: Path, run: dict[str, Any], change: Any, said: str
) -> None:
    change(run)
    (folder / "latest.json").write_text(json.dumps(run))

    with pytest.raises(Problem, match=said):
        published(folder)
    assert (folder / "README.md").read_text() == PAGE


def test_without_a_run_there_is_nothing_to_publish(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no run to publish"):
        publish.publish(tmp_path / "latest.json")


def test_page_says_how_the_interpreter_is_built() -> None:
    assert re.search(r"profile-guided", PAGE)
