"""`python -m tests.benchmarks`, which `./caravel bench` becomes."""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

import uvloop

# uvloop forks, and gRPC's own preparations for a fork now and then end the child before it becomes
# what it should be; ours never goes on as a copy of us.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

from deploy.local.mesh.state import DEFAULT_DATA_DIR
from deploy.local.process.terminal import Problem, complain, say
from tests.benchmarks import publish
from tests.benchmarks.options import Options, read_sizes
from tests.benchmarks.run import RESULT, run


def main() -> int:
    """Returns 1 where the run could not be made; no figure is a failure."""
    parsed = _parser().parse_args()
    options = Options(
        folder=parsed.data_dir.resolve() / "bench",
        rounds=parsed.rounds,
        seconds=parsed.seconds,
        parts=tuple(filter(None, parsed.only.split(","))),
    )
    if parsed.growth:
        options = replace(options, growth=parsed.growth)
    if parsed.smoke:
        options = options.smoke()
    try:
        if parsed.publish:
            names = publish.publish(options.folder / RESULT)
            say(f"On the page and in published/ now: {', '.join(names) or 'nothing'}")
            return 0
        result = uvloop.run(run(options, say))
    except Problem as problem:
        complain(str(problem))
        return 1
    say(f"\n  {options.folder / RESULT}")
    for text in result["problems"]:
        complain(text)
    return 1 if result["problems"] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="caravel bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--only", default="")
    parser.add_argument("--growth", type=read_sizes)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--publish", action="store_true")
    parser.add_argument("--data-dir", type=Path, default=DEFAULT_DATA_DIR)
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        complain("interrupted")
        sys.exit(130)
