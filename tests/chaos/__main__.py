"""`python -m tests.chaos`, which `./caravel chaos` becomes: one seed, several side by side, or the
planted bugs."""

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.local.mesh.state import DEFAULT_DATA_DIR
from deploy.local.process.terminal import BOLD, complain, paint, say
from tests.chaos import campaign, result
from tests.chaos.planted import prove
from tests.chaos.planted.catalogue import PLANTS, by_name
from tests.chaos.result import Result
from tests.chaos.side_by_side import AT_ONCE

# From which the first of several seeds is drawn where none is given.
SEEDS_BELOW = 1_000_000


def main() -> int:
    """Returns 1 where any seed failed."""
    parser = _parser()
    parsed = parser.parse_args()
    if parsed.planted and not parsed.losses:
        return _prove(parsed)
    if not (parsed.minutes or parsed.losses) or not (parsed.seed or parsed.seeds):
        parser.error("--minutes or --losses and --seed or --seeds, or --planted")
    seeds = seeds_of(parsed.seed, parsed.seeds)
    how = campaign.Campaign(
        folder=parsed.data_dir.resolve() / "chaos",
        minutes=parsed.minutes or 0,
        rate_per_second=parsed.rate,
        keep=parsed.keep,
        losses=parsed.losses,
        synchronous=not parsed.planted,
    )
    if len(seeds) == 1:
        found = [_one(seeds[0], how)]
    else:
        say(paint(f"\n  chaos, {len(seeds)} seeds from {seeds[0]}", BOLD) + f", {how.length}")
        found = list(campaign.carry_out(seeds, how, parsed.at_once, say))
    return _conclude(found, how)


def _conclude(found: Sequence[Result], how: campaign.Campaign) -> int:
    if how.synchronous:
        return 0 if all(one.passed for one in found) else 1
    caught = sum(not one.safe for one in found)
    say(f"\n  a standby that follows later: caught by {caught} of {len(found)} seeds")
    return 0 if caught == len(found) else 1


def seeds_of(first: Sequence[int] | None, count: int | None) -> list[int]:
    """These seeds, or so many in a row from the first, which is drawn where none is given."""
    start = first or [random.randrange(SEEDS_BELOW)]
    return list(start) if count is None else list(range(start[0], start[0] + count))


def _one(seed: int, how: campaign.Campaign) -> Result:
    say(paint(f"\n  chaos, seed {seed}", BOLD) + f": {how.length}")
    found = campaign.carry_out_one(seed, how, say)
    say(f"\n{result.render(found, how.replay(seed))}\n\n  evidence: {how.folder / str(seed)}")
    return found


def _prove(parsed: argparse.Namespace) -> int:
    say(paint("\n  chaos, planted bugs", BOLD))
    how = prove.Hunt(
        folder=parsed.data_dir.resolve() / "chaos" / "planted",
        seeds=parsed.seeds or prove.SEEDS,
        minutes=parsed.minutes or prove.MINUTES,
        first_seed=parsed.seed[0] if parsed.seed else 1,
        at_once=parsed.at_once,
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
    parser.add_argument("--seed", type=_numbers, help="a seed, or several with commas")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--seeds", type=int, help="so many in a row; drawn without --seed")
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    parser.add_argument("--losses", type=int, default=0, help="of the primary, and nothing else")
    parser.add_argument("--rate", type=float, default=8.0)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--data-dir", type=Path, default=DEFAULT_DATA_DIR)
    return parser


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        complain("interrupted")
        sys.exit(130)
