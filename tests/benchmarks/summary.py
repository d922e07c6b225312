"""From the figures of all rounds to what is reported: medians, spread, ratios within each round and
their medians, and the flat summary that a reader or a program looks at first."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.benchmarks.bench import Figures

# Named by themselves, whether they were measured or not.
ALWAYS = (
    "create_64_over_baseline",
    "create_64_over_pgbench",
    "create_1_p50_over_baseline",
    "settle_per_core",
    "settle_per_core_without_simulator",
    "growth_5m_over_10k",
    "idle_rss_mb",
)
GROWING = ("create", "get", "list", "settle")


@dataclass(frozen=True)
class Spread:
    """A figure over the rounds."""

    median: float
    low: float
    high: float
    rounds: int


def merged(rounds: Sequence[Mapping[str, Figures]]) -> list[Figures]:
    """The figures of each round, of all parts together, with the ratios and whatever follows."""
    flat: list[Figures] = [
        {n: v for part in one.values() for n, v in part.items()} for one in rounds
    ]
    two_workers = _are_two_workers_better(flat)
    return [one | _ratios(one, two_workers) for one in flat]


def spreads(rounds: Sequence[Figures]) -> dict[str, Spread]:
    """Every figure over the rounds that have it."""
    names = dict.fromkeys(name for one in rounds for name in one)
    values = {name: [one[name] for one in rounds if name in one] for name in names}
    return {name: Spread(median(v), min(v), max(v), len(v)) for name, v in values.items()}


def summary(found: Mapping[str, Spread]) -> dict[str, Any]:
    """The flat summary: every ratio, and what was asked for by name; null where it was not run."""
    flat: dict[str, Any] = dict.fromkeys(ALWAYS)
    for name, spread in found.items():
        if "_over_" in name or name in ALWAYS:
            flat[name] = round(spread.median, 4)
    largest = [flat.get(f"{kind}_5m_over_10k") for kind in GROWING]
    measured = [ratio for ratio in largest if ratio is not None]
    flat["growth_5m_over_10k"] = min(measured) if measured else None
    return flat


def _are_two_workers_better(rounds: Sequence[Figures]) -> bool:
    found = spreads(rounds)
    one, two = (found.get(f"baseline{label}_64_per_second") for label in ("", "_2_workers"))
    return bool(one and two and two.median > one.median)


def _ratios(one: Figures, two_workers: bool) -> Figures:
    """Of what one round has measured; the baseline is that of its better number of workers."""
    ratios: Figures = {}
    for name, value in one.items():
        if not (name.startswith("create_") and name.endswith("_per_second")):
            continue
        connections = name.removeprefix("create_").removesuffix("_per_second")
        if not connections.isdecimal():
            continue
        label = "_2_workers" if two_workers and connections != "1" else ""
        for other, called in ((f"baseline{label}", "baseline"), ("limit", "pgbench")):
            compared = one.get(f"{other}_{connections}_per_second")
            if compared:
                ratios[f"create_{connections}_over_{called}"] = value / compared
    ours, theirs = one.get("create_1_p50_ms"), one.get("baseline_1_p50_ms")
    if ours and theirs:
        ratios["create_1_p50_over_baseline"] = ours / theirs
    if "settle_peak_per_second" in one:
        peak, cores = one["settle_peak_per_second"], os.cpu_count() or 1
        ratios["settle_per_core"] = peak / cores
        # The simulator stands for companies that bring processors of their own.
        if left := cores - one.get("settle_simulator_cores", cores):
            ratios["settle_per_core_without_simulator"] = peak / left
    return ratios | _growth(one)


def _growth(one: Figures) -> Figures:
    """Each rate at each size, over that at ten thousand."""
    return {
        f"{kind}_{size}_over_10k": value / base
        for kind in GROWING
        if (base := one.get(f"growth_10k_{kind}_per_second"))
        for name, value in one.items()
        if name.startswith("growth_") and name.endswith(f"_{kind}_per_second")
        if (size := name.split("_")[1]) != "10k"
    }
