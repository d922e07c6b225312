"""`python -m tests.hostile`, which `./caravel hostile` becomes: hostile requests, and the
findings."""

import argparse
import asyncio
import sys
from collections import Counter
from pathlib import Path

from deploy.local.mesh.state import DEFAULT_DATA_DIR
from deploy.local.process.terminal import BOLD, complain, paint, say
from tests.hostile.run import Campaign, campaign, mesh


def main() -> int:
    """Returns 1 where anything was found."""
    parser = argparse.ArgumentParser(prog="caravel hostile", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data-dir", type=Path, default=DEFAULT_DATA_DIR)
    parsed = parser.parse_args()
    folder = parsed.data_dir.resolve() / "hostile" / str(parsed.seed)
    say(paint(f"\n  hostile, seed {parsed.seed}", BOLD) + f": {parsed.cases} cases")
    found = asyncio.run(_run(folder, parsed.cases, parsed.seed))
    say(render(found))
    return 0 if found.passed else 1


async def _run(folder: Path, cases: int, seed: int) -> Campaign:
    async with mesh(folder) as running:
        return await campaign(running, cases=cases, seed=seed, say=say)


def render(found: Campaign) -> str:
    """The campaign as a table: each kind of case with its answers, then what was found."""
    by_kind: dict[str, Counter[str]] = {}
    for (kind, outcome), count in sorted(found.tally.outcomes.items()):
        by_kind.setdefault(kind, Counter())[outcome] += count
    lines = [
        f"  {kind:18} {sum(outcomes.values()):6d}  "
        + ", ".join(f"{outcome} x {count}" for outcome, count in outcomes.most_common())
        for kind, outcomes in by_kind.items()
    ]
    lines.append(
        f"\n  {found.tally.cases} cases, {found.ordinary_calls} ordinary calls beside them"
    )
    for name, first in found.memory_mb[0].items():
        last = found.memory_mb[-1].get(name, 0.0)
        lines.append(f"  {name:12} {first:6.0f} MB after round 1, {last:6.0f} MB at the end")
    lines += [
        f"\n  {found.tally.counts[sort]} x {fault}" for sort, fault in found.tally.faults.items()
    ]
    summary = "nothing found" if found.passed else f"{found.tally.fault_count} faults"
    return "\n".join([*lines, f"\n  {summary}"])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        complain("interrupted")
        sys.exit(130)
