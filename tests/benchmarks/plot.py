"""The picture beside the results: creation against its baseline and its limit, and how rates hold
up as the tables grow. A part that was not measured leaves its half empty."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

from tests.benchmarks.summary import GROWING, Spread

mpl.use("Agg")

from matplotlib import pyplot as plt

FILE = "latest.png"
CREATION = {"create": "Caravel", "baseline": "monolith", "limit": "pgbench"}
COLOURS = {"create": "#1f6f8b", "baseline": "#c06c3e", "limit": "#999999"}


def draw(found: Mapping[str, Spread], about: Mapping[str, Any], folder: Path) -> Path:
    """Draws the file; returns its path."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5))
    _creation(left, found)
    _growth(right, found)
    figure.suptitle(
        f"Caravel {about['commit']}, {about['machine']['processors']} processors, "
        f"{'every commit durable' if about['durable'] else 'NOT DURABLE'}: "
        "medians, and the spread over the rounds"
    )
    figure.tight_layout()
    path = folder / FILE
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path


def _creation(axes: Any, found: Mapping[str, Spread]) -> None:
    measured = (re.fullmatch(rf"({'|'.join(CREATION)})_(\d+)_per_second", name) for name in found)
    groups = sorted({int(match[2]) for match in measured if match})
    for offset, (kind, label) in enumerate(CREATION.items()):
        known = [
            (place, spread)
            for place, connections in enumerate(groups)
            if (spread := found.get(f"{kind}_{connections}_per_second"))
        ]
        if known:
            axes.bar(
                [place + (offset - 1) * 0.27 for place, _ in known],
                [spread.median for _, spread in known],
                width=0.25,
                yerr=_errors([spread for _, spread in known]),
                label=label,
                color=COLOURS[kind],
                capsize=3,
            )
    axes.set_title("payments created a second")
    axes.set_xticks(range(len(groups)), [str(connections) for connections in groups])
    axes.set_xlabel("connections")
    if axes.has_data():
        axes.legend()


def _growth(axes: Any, found: Mapping[str, Spread]) -> None:
    sizes = list(dict.fromkeys(name.split("_")[1] for name in found if name.startswith("growth_")))
    sizes = [size for size in sizes if f"growth_{size}_create_per_second" in found]
    for kind in GROWING if sizes else ():
        spreads = [found[f"growth_{size}_{kind}_per_second"] for size in sizes]
        axes.errorbar(
            sizes, [one.median for one in spreads], _errors(spreads), label=kind, capsize=3
        )
    axes.set_title("a second, by completed payments in the tables")
    axes.set_ylim(bottom=0)
    if sizes:
        axes.legend()


def _errors(spreads: list[Spread]) -> list[list[float]]:
    return [[one.median - one.low for one in spreads], [one.high - one.median for one in spreads]]
