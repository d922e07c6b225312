"""The options of the command line, and the sizes of a smoke run."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

CONNECTIONS = (1, 16, 64, 256)
SIZES = {"10k": 10_000, "1m": 1_000_000, "5m": 5_000_000}


@dataclass(frozen=True, kw_only=True)
class Options:
    """How much is measured."""

    # Holds the mesh and the results.
    folder: Path
    rounds: int = 5
    # Of one measurement.
    seconds: float = 10.0
    warm_seconds: float = 2.0
    parts: tuple[str, ...] = ()
    # How many payments are in the tables, by the name under which it is reported.
    growth: dict[str, int] = field(default_factory=lambda: dict(SIZES))
    connections: tuple[int, ...] = CONNECTIONS
    # The sizes at which rates and reads are compared.
    usual_connections: int = 64
    # Of the burst that is more than what the mesh can take.
    burst_seconds: float = 60.0
    # All is as before when single creations take no longer than so many times the p99 at capacity.
    recovered_times_usual: float = 1.0
    # How many processes of payments and of the worker are compared.
    processes: tuple[int, ...] = (1, 2)
    # How many payments wait when it is measured how fast a backlog goes down.
    backlog: int = 1000
    # How many merchants keep below their limits beside one that does not.
    merchants: int = 9
    is_smoke: bool = False

    def smoke(self) -> "Options":
        """A tiny run of every part, whose figures say nothing."""
        return replace(
            self,
            rounds=1,
            seconds=0.5,
            warm_seconds=0.5,
            growth={"50": 50, "100": 100},
            connections=(1, 4),
            usual_connections=4,
            burst_seconds=0.5,
            # That they are made at all is enough on a machine where other tests run.
            recovered_times_usual=math.inf,
            processes=(2,),
            backlog=20,
            merchants=2,
            is_smoke=True,
        )


def read_sizes(text: str) -> dict[str, int]:
    """Sizes such as "10k,1m"; raises ValueError."""
    sizes = {}
    for name in filter(None, text.lower().split(",")):
        factor = {"k": 1000, "m": 1_000_000}.get(name[-1], 1)
        size = int(name.rstrip("km")) * factor
        if size < 1:
            raise ValueError(name)
        sizes[name] = size
    return sizes
