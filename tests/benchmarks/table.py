"""The table: every figure with its median and its spread over the rounds, part by part, and the
ratios last."""

from collections.abc import Iterator, Mapping
from typing import Any

from deploy.local.process import terminal
from deploy.local.process.terminal import paint
from tests.benchmarks.summary import Spread

NAME_WIDTH, NUMBER_WIDTH = 46, 12
# The wanted figures, at least or at most.
GOALS = {
    "create_64_over_baseline": (">=", 5.0),
    "create_64_over_pgbench": (">=", 0.35),
    "create_1_p50_over_baseline": ("<=", 1.5),
    "settle_per_core": (">=", 67.0),
    "growth_5m_over_10k": (">=", 0.9),
    "idle_rss_mb": ("<=", 600.0),
    "tracing_sampled_over_without": ("<=", 1.03),
}


def render(found: Mapping[str, Spread], summary: Mapping[str, Any]) -> str:
    """All of it."""
    return "\n".join([*_figures(found), "", *_goals(summary)])


def _figures(found: Mapping[str, Spread]) -> Iterator[str]:
    yield paint(
        f"  {'':<{NAME_WIDTH}}{'median':>{NUMBER_WIDTH}}{'lowest':>{NUMBER_WIDTH}}"
        f"{'highest':>{NUMBER_WIDTH}}  rounds",
        terminal.DIM,
    )
    kinds: dict[str, list[str]] = {kind: [] for kind in TITLES}
    for name in found:
        kinds[_kind(name)].append(name)
    for kind, names in kinds.items():
        if names:
            yield paint(f"  {TITLES[kind]}", terminal.BOLD)
        for name in names:
            spread = found[name]
            low_to_high = (spread.median, spread.low, spread.high)
            numbers = "".join(f"{_number(value):>{NUMBER_WIDTH}}" for value in low_to_high)
            yield f"    {name:<{NAME_WIDTH - 2}}{numbers}  {spread.rounds:>6}"


def _kind(name: str) -> str:
    if "_over_" in name or name.startswith("settle_per_core"):
        return "ratio"
    first = name.partition("_")[0]
    return "cost" if first == "idle" else first


TITLES = {
    "create": "create: POST /api/payments through Envoy, workers stopped",
    "baseline": "baseline: the naive monolith, by FastAPI and SQLAlchemy's ORM, one commit each",
    "limit": "limit: the same rows by pgbench, prepared, row by row",
    "settle": "settle: from creation to COMPLETED, all processes on the same cores",
    "reads": "reads: replays, single payments and pages",
    "quotes": "quotes: the first ones of a mesh, and the usual ones",
    "cost": "cost: processor, memory, log and disk",
    "tracing": "tracing: one trace of a hundred exported, and none",
    "overload": "overload: four times what the mesh can take",
    "scaling": "scaling: one and two payments and workers",
    "revocation": "revocation: of a key, with three payments under load",
    "credentials": "credentials: creation without and with an API key",
    "fairness": "fairness: nine merchants beside one at ten times its limit",
    "search": "search: payments of all merchants, by operators",
    "growth": "growth: with so many completed payments in the tables",
    "ratio": "ratios, each within one round",
}


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def _goals(summary: Mapping[str, Any]) -> Iterator[str]:
    for name, (sign, goal) in GOALS.items():
        value = summary.get(name)
        if value is None:
            yield paint(f"  - {name}: not measured", terminal.DIM)
            continue
        is_reached = value >= goal if sign == ">=" else value <= goal
        mark = paint("✓", terminal.GREEN) if is_reached else paint("✗", terminal.RED)
        yield f"  {mark} {name}: {_number(value)} (wanted: {sign} {goal:g})"
