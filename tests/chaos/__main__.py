"""`python -m tests.chaos`, which `./caravel chaos` becomes: one seed, or several in a row."""

import argparse
import asyncio
import sys
from pathlib import Path

from deploy.local.paths import DEFAULT_DATA_DIR
from deploy.local.terminal import BOLD, command, complain, paint, say
from tests.chaos import result
from tests.chaos.planted import prove
from tests.chaos.planted.catalogue import PLANTS, by_name
from tests.chaos.run import Options, run


def main() -> int:
    """Returns 1 where any verdict of any seed is bad."""
    parser = _parser()
    parsed = parser.parse_args()
    if parsed.planted:
        return _prove(parsed)
    if None in (parsed.seed, parsed.minutes):
        parser.error("--seed and --minutes, or --planted")
    results = []
    for seed in range(parsed.seed, parsed.seed + (parsed.seeds or 1)):
        folder = parsed.data_dir.resolve() / "chaos" / str(seed)
        say(paint(f"\n  chaos, seed {seed}", BOLD) + f": {parsed.minutes:g} minutes of faults")
        options = Options(
            seed=seed,
            minutes=parsed.minutes,
            folder=folder,
            rate_per_second=parsed.rate,
            keep=parsed.keep,
        )
        found = asyncio.run(run(options, say))
        result.write(found, folder)
        again = command("chaos", "--seed", str(seed), "--minutes", f"{parsed.minutes:g}")
        say(f"\n{result.render(found, again)}\n\n  evidence: {folder}")
        results.append(found)
    if len(results) > 1:
        say("\n" + "\n".join([*map(result.summary, results), result.totals(results)]))
    return 0 if all(one.passed for one in results) else 1


def _prove(parsed: argparse.Namespace) -> int:
    say(paint("\n  chaos, planted bugs", BOLD))
    how = prove.Hunt(
        folder=parsed.data_dir.resolve() / "chaos" / "planted",
        seeds=parsed.seeds or prove.SEEDS,
        minutes=parsed.minutes or prove.MINUTES,
        first_seed=parsed.seed or 1,
    )
    names = parsed.only.split(",") if parsed.only else [plant.name for plant in PLANTS]
    try:
        return 0 if prove.prove(list(map(by_name, names)), how, say) else 1
    except KeyError as unknown:
        complain(f"no planted bug is called {unknown}")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="caravel chaos", description=__doc__)
    parser.add_argument("--planted", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--rate", type=float, default=8.0)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--data-dir", type=Path, default=DEFAULT_DATA_DIR)
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        complain("interrupted")
        sys.exit(130)
