"""Many seeds, some side by side: a line for each as it ends, and what they come to together."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.process.terminal import Problem, command
from tests.chaos import result
from tests.chaos.result import Result
from tests.chaos.run import Options, run
from tests.chaos.side_by_side import side_by_side
from tests.chaos.topology import Topology

Run = Callable[[Options, Callable[[str], None]], Coroutine[Any, Any, Result]]


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """The options of every seed."""

    # Each seed's evidence goes into a folder of its own in here.
    folder: Path
    minutes: float
    rate_per_second: float
    keep: bool
    # So often the primary is lost, in place of all other faults.
    losses: int = 0
    # False for the planted bug of these runs: a standby that follows later.
    synchronous: bool = True

    def options(self, seed: int) -> Options:
        """One seed's run."""
        return Options(
            seed=seed,
            minutes=self.minutes,
            folder=self.folder / str(seed),
            rate_per_second=self.rate_per_second,
            keep=self.keep,
            losses=self.losses,
            synchronous=self.synchronous,
            # Of what was lost nothing comes to an end.
            **({} if self.synchronous else {"liveness_seconds": 5.0, "brief": True}),
            # The links know one server.
            topology=Topology(proxied=not self.losses),
        )

    @property
    def length(self) -> str:
        """How long a seed is, in words."""
        if self.losses:
            return f"{self.losses} losses of the primary"
        return f"{self.minutes:g} minutes of faults"

    def replay(self, seed: int) -> str:
        """The command that has the seed again."""
        if self.losses:
            planted = () if self.synchronous else ("--planted",)
            return command("chaos", "--seed", str(seed), "--losses", str(self.losses), *planted)
        return command("chaos", "--seed", str(seed), "--minutes", f"{self.minutes:g}")


def carry_out(
    seeds: Sequence[int], campaign: Campaign, at_once: int, say: Callable[[str], None]
) -> Sequence[Result]:
    """Runs the seeds and says what each has come to, and all together."""
    return report(side_by_side(run_seed, seeds, campaign, at_once), campaign, say)


def report(
    results: Iterable[Result], campaign: Campaign, say: Callable[[str], None]
) -> Sequence[Result]:
    """Says of each result what it is when it comes, and then of all."""
    found = []
    for one in results:
        say(result.summary(one))
        if not one.passed:
            say(f"{result.complaints(one)}\n    evidence: {campaign.folder / str(one.seed)}")
        found.append(one)
    say("\n" + result.totals(found))
    return found


def run_seed(seed: int, campaign: Campaign) -> Result:
    """One seed without a word; a mesh that does not even start is a result as well."""
    return carry_out_one(seed, campaign, _silent)


def carry_out_one(
    seed: int, campaign: Campaign, say: Callable[[str], None], run: Run = run
) -> Result:
    """One seed, which says how far it is; leaves its report beside its evidence."""
    options = campaign.options(seed)
    try:
        found = asyncio.run(run(options, say))
    except (Problem, ExceptionGroup) as problem:
        found = Result(seed=seed, minutes=options.minutes, commit="", problem=str(problem))
        options.folder.mkdir(parents=True, exist_ok=True)
    result.write(found, options.folder)
    return found


def _silent(_: str) -> None:
    """The run's progress; its findings are in its folder."""
