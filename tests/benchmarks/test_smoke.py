"""A tiny run of the benchmark, in the long form of all its parts: each does its work and says what
it should. The figures themselves mean nothing here; `./caravel bench` measures."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.local.process.terminal import say
from tests.benchmarks import create, plot
from tests.benchmarks.mesh import forget
from tests.benchmarks.options import Options
from tests.benchmarks.run import PARTS, RESULT, run
from tests.benchmarks.summary import ALWAYS, GROWING

# Together they use all that the parts share: load, filling, comparing, costs and the picture.
QUICK = (*create.NAMES, "cost", "growth")
QUICK_SIZES = {"50": 50}


@pytest.fixture(scope="module")
async def folder(tmp_path_factory: pytest.TempPathFactory, *, is_long: bool) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    options = Options(folder=folder).smoke()
    if not is_long:
        options = replace(options, parts=QUICK, growth=QUICK_SIZES)
    try:
        await run(options, say)
    finally:
        forget(folder / "mesh")
    return folder


@pytest.fixture(scope="module")
def result(folder: Path) -> Any:
    return json.loads((folder / RESULT).read_text())


def test_every_part_was_measured(result: Any) -> None:
    assert result["problems"] == []
    prefixes = {name.partition("_")[0] for name in result["figures"]}
    assert prefixes >= set(result["options"]["parts"] or PARTS)


def test_rounds_are_kept_and_every_rate_is_of_work_that_was_done(result: Any) -> None:
    (only,) = result["rounds"]
    rates = {name: value for name, value in only.items() if name.endswith("_per_second")}
    assert len(rates) > 10
    assert all(value > 0 for value in rates.values()), rates


def test_the_summary_is_flat_and_names_what_is_asked_for(result: Any) -> None:
    summary = result["summary"]
    assert summary.keys() >= {*ALWAYS, "commit", "durable"}
    assert not any(isinstance(value, dict | list) for value in summary.values())
    assert summary["durable"] is True


def test_creation_is_compared_in_the_same_round(result: Any) -> None:
    (only,) = result["rounds"]
    ratio = only["create_4_per_second"] / only["limit_4_per_second"]
    assert only["create_4_over_pgbench"] == pytest.approx(ratio)
    assert only["create_1_p50_over_baseline"] > 0


def test_tables_are_filled_to_each_size(result: Any) -> None:
    sizes = list(result["options"]["growth"].values())
    assert [one["payments"] for one in result["notes"]["filled"].values()] == sizes
    assert result["figures"].keys() >= {
        f"growth_{size}_{kind}_per_second" for size in sizes for kind in GROWING
    }


def test_a_picture_lies_beside_the_results(folder: Path) -> None:
    assert (folder / plot.FILE).read_bytes().startswith(b"\x89PNG")
