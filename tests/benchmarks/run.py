"""One run: every part once in each round, one after the other, and the results written down after
each round, so that an interrupted run has what it had."""

import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from deploy.local.process import terminal
from deploy.local.process.terminal import Problem, paint
from deploy.version import commit
from tests.benchmarks import (
    cost,
    create,
    credentials,
    fairness,
    growth,
    overload,
    plot,
    quotes,
    reads,
    revocation,
    scaling,
    search,
    settle,
    table,
    tracing,
)
from tests.benchmarks.bench import FAILURES, Bench, Part
from tests.benchmarks.interpreter import interpreter
from tests.benchmarks.merchant import listening
from tests.benchmarks.mesh import BenchMesh, forget
from tests.benchmarks.options import Options
from tests.benchmarks.server import is_durable
from tests.benchmarks.summary import merged, spreads, summary

RESULT = "latest.json"
OTHERS: dict[str, Callable[[], Part]] = {
    "settle": settle.Settlement,
    "reads": reads.Reads,
    "quotes": quotes.Quotes,
    "cost": cost.Cost,
    "tracing": tracing.Tracing,
    "overload": overload.Overload,
    "scaling": scaling.Scaling,
    "revocation": revocation.Revocation,
    "credentials": credentials.Credentials,
    "fairness": fairness.Fairness,
    "growth": growth.Growth,
    "search": search.Search,
}
PARTS = (*create.NAMES, *OTHERS)


async def run(options: Options, say: Callable[[str], None]) -> dict[str, Any]:
    """Measures; returns what is also in the result file. Raises Problem."""
    options.folder.mkdir(parents=True, exist_ok=True)
    forget(options.folder / "mesh")
    began = time.monotonic()
    async with BenchMesh(options.folder / "mesh") as mesh, listening() as merchant:
        bench = Bench(options, mesh, say, merchant)
        about = await _about(bench)
        parts = parts_of(options)
        for number in range(1, options.rounds + 1):
            await _round(bench, parts, number)
            result = _write(bench, about, time.monotonic() - began)
    forget(options.folder / "mesh")
    return result


def parts_of(options: Options) -> dict[str, Part]:
    """The parts that are wanted, all without a choice. Raises Problem for one that is none."""
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        raise Problem(f"there is no part {min(unknown)}; there are: {', '.join(PARTS)}")
    wanted = [name for name in PARTS if name in (options.parts or PARTS)]
    compared = tuple(name for name in create.NAMES if name in wanted)
    parts: dict[str, Part] = {"create": create.Creation(compared)} if compared else {}
    return parts | {name: make() for name, make in OTHERS.items() if name in wanted}


async def _round(bench: Bench, parts: Mapping[str, Part], number: int) -> None:
    bench.say(paint(f"\n  round {number} of {bench.options.rounds}", terminal.BOLD))
    bench.rounds.append({})
    for name, part in parts.items():
        if part.rounds is None or number <= part.rounds:
            began = time.monotonic()
            bench.say(f"  {name}")
            try:
                if name not in bench.prepared:
                    await part.prepare(bench)
                    bench.prepared.add(name)
                bench.rounds[-1][name] = dict(await part.measure(bench))
            except FAILURES as error:
                bench.failed(name, error)
            bench.say(paint(f"    {time.monotonic() - began:.0f} s", terminal.DIM))


async def _about(bench: Bench) -> dict[str, Any]:
    settings = await bench.server.settings()
    return {
        "began_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "durable": is_durable(settings),
        "server": settings,
        "machine": {
            "processors": os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "interpreter": interpreter(),
            "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        },
        "options": {**asdict(bench.options), "folder": str(bench.options.folder)},
    }


def _write(bench: Bench, about: dict[str, Any], seconds: float) -> dict[str, Any]:
    rounds = merged(bench.rounds)
    found = spreads(rounds)
    flat = summary(found) | {"commit": about["commit"], "durable": about["durable"]}
    result = {
        "summary": flat,
        **about,
        "seconds": round(seconds),
        "figures": {name: asdict(spread) for name, spread in found.items()},
        "rounds": rounds,
        "notes": bench.notes,
        "problems": bench.problems,
    }
    path = bench.folder / RESULT
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps(result, indent=1, default=str) + "\n")
    unfinished.replace(path)
    plot.draw(found, about, bench.folder)
    bench.say("\n" + table.render(found, flat))
    return result
