"""`./caravel bench --publish`: from the last run's file to the page. Each table of the page lies as
a raw file beside it, in published/, and is made from that file alone; a test compares them."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.process.terminal import Problem
from tests.benchmarks.interpreter import described
from tests.benchmarks.table import GOALS

PAGE = Path(__file__).with_name("README.md")
PUBLISHED = Path(__file__).with_name("published")
REGION = re.compile(r"(<!-- table: (\w+) -->\n)(.*?)(<!-- end of table -->)", re.DOTALL)
# Stands where a table is older than these files are.
NOT_KEPT = "raw file was not kept"

# The raw file of a table, as JSON.
Raw = Mapping[str, Any]
Rows = Iterator[str]


@dataclass(frozen=True)
class Table:
    """A table of the page: the names of the figures that belong to it, and how it is drawn."""

    names: re.Pattern[str]
    draw: Callable[[Raw], Rows]

    def figures(self, measured: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the measured figures that belong to it."""
        return {name: one for name, one in measured.items() if self.names.fullmatch(name)}


def publish(result: Path, page: Path = PAGE, published: Path = PUBLISHED) -> list[str]:
    """Writes the raw file of every table that the run has measured, and draws those tables again.

    Returns their names. Raises Problem where there is no run, or one that is not to be shown.
    """
    try:
        run = json.loads(result.read_text())
    except (OSError, ValueError):
        raise Problem(
            f"there is no run to publish in {result}; `./caravel bench` makes one"
        ) from None
    if run["options"]["is_smoke"] or run["commit"].endswith("-dirty"):
        raise Problem("neither a smoke run nor one of uncommitted code is to be published")
    names = [name for name, table in TABLES.items() if table.figures(run["figures"])]
    published.mkdir(exist_ok=True)
    for name in names:
        text = json.dumps(raw_of(run, TABLES[name]), indent=1)
        (published / f"{name}.json").write_text(text + "\n")
    page.write_text(drawn(page.read_text(), published))
    return names


def raw_of(run: Raw, table: Table) -> dict[str, Any]:
    """The run's figures of one table: every round, and the conditions of the run."""
    about = ("began_at", "commit", "durable", "server", "machine")
    return {
        **{name: run[name] for name in about},
        "options": {name: run["options"][name] for name in ("rounds", "seconds", "warm_seconds")},
        "figures": table.figures(run["figures"]),
        "rounds": [table.figures(one) for one in run["rounds"]],
        "problems": run["problems"],
    }


def drawn(page: str, published: Path) -> str:
    """The page with every table made from its raw file; one without a file stays as it is."""

    def region(found: re.Match[str]) -> str:
        begin, name, _, end = found.groups()
        file = published / f"{name}.json"
        if not file.exists():
            return found[0]
        raw = json.loads(file.read_text())
        rows = "\n".join([*_heading(raw, name), "", *TABLES[name].draw(raw)])
        return f"{begin}{rows}\n{end}"

    return REGION.sub(region, page)


def _heading(raw: Raw, name: str) -> Rows:
    machine, options, server = raw["machine"], raw["options"], raw["server"]
    durable = "every commit durable" if raw["durable"] else "NOT DURABLE"
    yield (
        f"{raw['began_at'][:10]}, commit {raw['commit']}, {machine['processors']} processors, "
        f"PostgreSQL {server['server_version']}, {durable}, {options['rounds']} rounds of "
        f"{options['seconds']:g} s; [raw](published/{name}.json)."
    )
    yield f"{described(machine['interpreter'])}."
    if raw["problems"]:
        yield f"Not measured: {len(raw['problems'])} of its parts, which the raw file names."


def _spread(raw: Raw, name: str) -> str:
    one = raw["figures"].get(name)
    if one is None:
        return ""
    return f"{_number(one['median'])} ({_number(one['low'])} to {_number(one['high'])})"


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _creation(raw: Raw) -> Rows:
    yield "| created per second | the mesh | the naive monolith, two workers | one | `pgbench` |"
    yield "|---|---|---|---|---|"
    names = (name for name in raw["figures"] if re.fullmatch(r"create_\d+_per_second", name))
    for clients in sorted(int(name.split("_")[1]) for name in names):
        kinds = ("create", "baseline_2_workers", "baseline", "limit")
        cells = [_spread(raw, f"{kind}_{clients}_per_second") for kind in kinds]
        yield f"| {clients} {'client' if clients == 1 else 'clients'} | {' | '.join(cells)} |"
    yield ""
    yield from _listed(raw, leave_out="_per_second")


def _costs(raw: Raw) -> Rows:
    beginning = "cost_create_cpu_s_per_1000_"
    found = [n.removeprefix(beginning) for n in raw["figures"] if n.startswith(beginning)]
    others = [n.rpartition("_1000_")[2] for n in raw["figures"] if "cost_settle_cpu" in n]
    kinds = [*sorted({*found, *others} - {"mesh"}), "mesh"]
    yield f"| CPU ms for one payment | {' | '.join(kinds)} |"
    yield "|---" * (len(kinds) + 1) + "|"
    for verb in ("create", "settle"):
        # Seconds for a thousand are milliseconds for one.
        cells = [_spread(raw, f"cost_{verb}_cpu_s_per_1000_{kind}") for kind in kinds]
        yield f"| {verb} | {' | '.join(cells)} |"
    yield ""
    yield from _listed(raw, leave_out="_cpu_s_per_1000_")


def _listed(raw: Raw, leave_out: str | None = None) -> Rows:
    yield "| | median | lowest to highest | wanted |"
    yield "|---|---|---|---|"
    for name, one in raw["figures"].items():
        if leave_out is None or leave_out not in name:
            wanted = f"{GOALS[name][0]} {GOALS[name][1]:g}" if name in GOALS else ""
            low, high = _number(one["low"]), _number(one["high"])
            yield f"| `{name}` | {_number(one['median'])} | {low} to {high} | {wanted} |"


def _table(names: str, draw: Callable[[Raw], Rows] = _listed) -> Table:
    return Table(re.compile(names), draw)


TABLES = {
    "creation": _table(r"(create|baseline|baseline_2_workers|limit)_\d+_(?!workers)\w+", _creation),
    "fixed": _table(r"(create|baseline)_fixed_\w+"),
    "settlement": _table(r"settle_(?!\d+[km]_)\w+"),
    "reads": _table(r"reads_\w+"),
    "quotes": _table(r"quotes_\w+"),
    "cost": _table(r"(cost|idle)_\w+", _costs),
    "tracing": _table(r"tracing_\w+"),
    "overload": _table(r"overload_\w+"),
    "scaling": _table(r"scaling_\w+"),
    "credentials": _table(r"credentials_\w+"),
    "fairness": _table(r"fairness_\w+"),
    "search": _table(r"search_\w+"),
    "growth": _table(r"growth_\w+|(create|get|list|settle)_\d+[km]_over_10k"),
}
