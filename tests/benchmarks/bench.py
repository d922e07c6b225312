"""The context of every part of the benchmark: the mesh, the options, and the place for its
findings. A part prepares once, then measures once a round and returns its figures by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import asyncpg

from deploy.local.process import terminal
from deploy.local.process.terminal import Problem, paint
from tests.benchmarks import load, requests
from tests.benchmarks.load import Outcome, Target
from tests.benchmarks.merchant import Merchant
from tests.benchmarks.mesh import BenchMesh
from tests.benchmarks.options import Options
from tests.benchmarks.server import Server

# The errors with which one part may fail while the others are measured nevertheless.
FAILURES = (Problem, OSError, TimeoutError, asyncpg.PostgresError)
# By name, with the unit at its end: create_64_per_second, create_64_p50_ms.
Figures = dict[str, float]


@dataclass
class Bench:
    """One run."""

    options: Options
    mesh: BenchMesh
    say: Callable[[str], None]
    merchant: Merchant
    # Findings that are no figure of a round, by part.
    notes: dict[str, Any] = field(default_factory=dict)
    # The parts that could not be measured, and why.
    problems: list[str] = field(default_factory=list)
    # The parts that have what they need.
    prepared: set[str] = field(default_factory=set)
    # The figures of all rounds so far, for a part that builds on another.
    rounds: list[dict[str, Figures]] = field(default_factory=list)

    def failed(self, what: str, error: BaseException) -> None:
        """Writes down what could not be measured in this round; the run then counts as failed."""
        reason = str(error) or type(error).__name__
        self.problems.append(f"round {len(self.rounds)}, {what}: {reason}")
        self.say(paint(f"    {what}: {reason}", terminal.RED))

    @property
    def server(self) -> Server:
        """The database server."""
        return self.mesh.server

    @property
    def folder(self) -> Path:
        """Where results go."""
        return self.options.folder

    async def create(
        self, connections: int, target: Target, database: str, api_key: str = ""
    ) -> Outcome:
        """Creates payments in a closed loop, of the merchant of an API key where there is one;
        raises Problem unless each is answered and there."""
        tag = requests.new_tag()
        outcome = await load.closed_loop(
            target,
            requests.creating(target, tag, api_key),
            connections=connections,
            warm_seconds=self.options.warm_seconds,
            seconds=self.options.seconds,
        )
        await self.check_created(outcome, database, tag)
        return outcome

    async def check_created(self, outcome: Outcome, database: str, tag: str) -> None:
        """Raises Problem unless every answer was 201, and every one of these payments is there."""
        if set(outcome.statuses) != {201} or outcome.broken:
            raise Problem(
                f"{database}: not every creation was answered 201: {dict(outcome.statuses)}, "
                f"{dict(outcome.reasons)}, {outcome.broken} connections lost"
            )
        there = await self.server.keys(database, tag)
        if there != len(outcome.acknowledged):
            raise Problem(f"{database}: {len(outcome.acknowledged)} acknowledged, {there} there")


class Part(Protocol):
    """A part of the benchmark."""

    @property
    def rounds(self) -> int | None:
        """How many rounds of the run it takes part in; None for all."""
        ...

    async def prepare(self, bench: Bench) -> None:
        """The preparation before the first round."""
        ...

    async def measure(self, bench: Bench) -> Figures:
        """One round."""
        ...


def figures_of(name: str, outcome: Outcome) -> Figures:
    """Rate and latency, under a name."""
    figures = {f"{name}_per_second": outcome.rate}
    for label, share in (("p50", 0.5), ("p99", 0.99)):
        latency = outcome.percentile_ms(share)
        if latency is not None:
            figures[f"{name}_{label}_ms"] = latency
    return figures


def as_line(figures: Mapping[str, float]) -> str:
    """Figures in one line."""
    return "  ".join(f"{name} {value:,.4g}" for name, value in figures.items())
