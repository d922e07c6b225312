"""The actions against a mesh, with their times: a function of the seed, the length and the
topology, so that a run can be had again. Each seed draws a subset of the faults and a rate for
each: everything at once hides what needs a long quiet time to show."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.chaos import lies, phases
from tests.chaos.topology import CALLS, Topology, kind_of

# How often in two minutes, at the middle of the range that seeds draw from.
PERIOD_SECONDS = 120.0
KILLS_OF_A_PROCESS = 2.0
RATES = {
    "kill_postgresql": 1.0,
    "kill_session": 2.0,
    "kill_servant": 0.5,
    "pause": 4.0,
    "pause_session": 2.0,
    "pause_worker": 1.0,
    "terminate_sessions": 1.0,
    "toxic": 6.0,
    "pause_slow_worker": 1.0,
    # Only for a mesh whose workers know how to: see planted.stalls.
    "stall_worker": 0.0,
}
# The same for faults that came later: drawn apart, so that older seeds keep what they had.
LATER_RATES = {
    "cut_commit": 3.0,
    **dict.fromkeys(phases.PHASES, 1.0),
}
# The processes that are killed while providers use unknown words, and how soon.
KILLED_BESIDE = ("worker", "providers", "simulator", "payments")
BESIDE_SECONDS = (0.5, 8.0)
SERVANTS = ("checkpointer", "walwriter", "background writer")
# A lease lasts 20 seconds here: a worker stopped so long finds that the world has moved on.
WORKER_PAUSE_SECONDS = (21.0, 60.0)
SHORTEST_WORKER_PAUSE_SECONDS = (21.0, 30.0)
SLOW_SECONDS = 10.0
SHARE_OF_FAULTS = 0.65
SHARE_OF_LIES = 0.4
LIES_SECONDS = 30.0
DOWN_SECONDS_MAX = 5.0


@dataclass(frozen=True, kw_only=True)
class Action:
    """One thing that is done to the mesh."""

    at_seconds: float
    kind: str
    # A process, a link, a kind of PostgreSQL's processes, or "simulator" for lies.
    target: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """All that is done in a run."""

    seconds: float
    actions: tuple[Action, ...]
    # The processes' own settings, by kind, which are part of the draw.
    settings: Mapping[str, Mapping[str, str]]
    # Whether offers expire within seconds.
    has_short_quotes: bool


def make(
    seed: int,
    seconds: float,
    topology: Topology,
    intensity: float = 1.0,
    certain: Mapping[str, float] | None = None,
    *,
    lies_in_addition: Mapping[str, Any] | None = None,
) -> Schedule:
    """The schedule of a seed. Intensity multiplies every rate, for a run that is short; a rate that
    is certain is neither drawn nor multiplied. Additional modes are those of offramps."""
    certain = certain or {}
    rng = random.Random(f"schedule {seed}")
    rates = {
        **{f"kill {name}": KILLS_OF_A_PROCESS for name in topology.processes if name != POSTGRES},
        **RATES,
    }
    actions = [_lying_more(one, lies_in_addition or {}) for one in _lies(rng, seconds)]
    # Drawn whether it is used or not, so that one fault more does not change all the others.
    sources = {kind: random.Random(rng.getrandbits(64)) for kind in rates}
    sources |= {kind: random.Random(f"{kind} {seed}") for kind in LATER_RATES}
    for kind, rate in {**rates, **LATER_RATES}.items():
        own = sources[kind]
        is_drawn = own.random() < SHARE_OF_FAULTS
        per_period = certain.get(kind, rate * intensity * 2 ** own.uniform(-1, 1))
        if per_period and (is_drawn or kind in certain):
            actions += _arrivals(own, kind, PERIOD_SECONDS / per_period, seconds, topology)
    return Schedule(
        seconds=seconds,
        actions=tuple(sorted(actions, key=lambda action: action.at_seconds)),
        settings={"worker": {"LEASE_SECONDS": "20", "EVENTS_SECONDS": "2"}},
        has_short_quotes=rng.random() < 0.5,
    )


POSTGRES = "postgresql"


def _lies(rng: random.Random, seconds: float) -> Iterator[Action]:
    allowed = frozenset(mode for mode in lies.MODES if rng.random() < SHARE_OF_LIES)
    at = 0.0
    while at < seconds:
        yield Action(
            at_seconds=at, kind="lies", target="simulator", parameters=lies.draw(rng, allowed)
        )
        at += rng.uniform(0.5, 1.5) * LIES_SECONDS


def _lying_more(action: Action, modes: Mapping[str, Any]) -> Action:
    regimes = {
        provider: {**regime, "modes": {**regime["modes"], **modes}}
        if provider in lies.OFFRAMPS
        else regime
        for provider, regime in action.parameters.items()
    }
    return replace(action, parameters=regimes)


def _arrivals(
    rng: random.Random, kind: str, mean_seconds: float, seconds: float, topology: Topology
) -> Iterator[Action]:
    at = rng.expovariate(1 / mean_seconds)
    while at < seconds:
        if kind == "pause_slow_worker":
            yield from _pause_slow_worker(rng, round(at, 3), topology)
        elif kind in phases.PHASES:
            yield from _phase(rng, kind, round(at, 3), topology)
        else:
            yield _action(rng, kind, round(at, 3), topology)
        at += rng.expovariate(1 / mean_seconds)


def _action(rng: random.Random, kind: str, at: float, topology: Topology) -> Action:
    if kind.startswith("kill ") or kind == "kill_postgresql":
        return Action(
            at_seconds=at,
            kind="kill",
            target=kind.partition(" ")[2] or POSTGRES,
            parameters={"down_seconds": round(rng.uniform(0, DOWN_SECONDS_MAX), 3)},
        )
    target, parameters = _DRAWN[kind](rng, topology)
    names = {"pause_worker": "pause", "kill_servant": "kill_session", "cut_commit": "toxic"}
    return Action(at_seconds=at, kind=names.get(kind, kind), target=target, parameters=parameters)


Drawn = tuple[str, dict[str, Any]]


def _kill_session(rng: random.Random, _: Topology) -> Drawn:
    return "client backend", {"seed": rng.getrandbits(32)}


def _kill_servant(rng: random.Random, _: Topology) -> Drawn:
    return rng.choice(SERVANTS), {"seed": rng.getrandbits(32)}


def _pause(rng: random.Random, topology: Topology) -> Drawn:
    return rng.choice(topology.processes), {"seconds": _pause_seconds(rng)}


def _pause_worker(rng: random.Random, topology: Topology) -> Drawn:
    seconds = round(rng.uniform(*WORKER_PAUSE_SECONDS), 3)
    return rng.choice(topology.names("worker")), {"seconds": seconds}


def _stall_worker(rng: random.Random, topology: Topology) -> Drawn:
    # Always the same one: somebody has to take over.
    seconds = round(rng.uniform(*SHORTEST_WORKER_PAUSE_SECONDS), 3)
    return topology.names("worker")[0], {"seconds": seconds}


def _pause_session(rng: random.Random, _: Topology) -> Drawn:
    return "client backend", {"seed": rng.getrandbits(32), "seconds": _pause_seconds(rng)}


def _pause_seconds(rng: random.Random) -> float:
    most = 5.0 if rng.random() < 0.7 else 30.0
    return round(rng.uniform(0.5, most), 3)


def _terminate(rng: random.Random, _: Topology) -> Drawn:
    return "client backend", {"seed": rng.getrandbits(32), "share": 0.5}


def _toxic(rng: random.Random, topology: Topology) -> Drawn:
    # By kind first: links to the database are no likelier because there are many of them.
    caller, called = rng.choice(sorted(CALLS))
    link = rng.choice([name for name in topology.links if _joins(name, caller, called)])
    kinds = [*_TOXICS, *(("commit",) * 3 if called == POSTGRES else ())]
    parameters = _toxic_parameters(rng, rng.choice(kinds))
    return link, {"seconds": round(rng.uniform(1, 10), 3), "toxic": parameters}


def _cut_commit(rng: random.Random, topology: Topology) -> Drawn:
    link = rng.choice([name for name in topology.links if name.endswith(f">{POSTGRES}")])
    how = rng.choice(("cut_commit", "end_commit"))
    toxic = {how: round(rng.uniform(0.05, 0.5), 3)}
    return link, {"seconds": round(rng.uniform(1, 10), 3), "toxic": toxic}


def _pause_slow_worker(rng: random.Random, at: float, topology: Topology) -> Iterator[Action]:
    """Everybody is far away for a while, and one worker is stopped that has intended to send."""
    latency = round(rng.uniform(0.1, 0.4), 3)
    toxic = {"latency_seconds": latency, "jitter_seconds": latency / 4}
    for link in topology.links:
        if _joins(link, "worker", POSTGRES) or _joins(link, "worker", "providers"):
            parameters = {"seconds": SLOW_SECONDS, "toxic": toxic}
            yield Action(at_seconds=at, kind="toxic", target=link, parameters=parameters)
    yield Action(
        at_seconds=round(at + rng.uniform(3, SLOW_SECONDS / 2), 3),
        kind="pause_sender",
        target="worker",
        parameters={"seconds": round(rng.uniform(*SHORTEST_WORKER_PAUSE_SECONDS), 3)},
    )


def _phase(rng: random.Random, name: str, at: float, topology: Topology) -> Iterator[Action]:
    """A phase; during unknown words, a process is killed that has received or sent them."""
    drawn = phases.draw(rng, name)
    yield Action(at_seconds=at, kind="phase", target=name, parameters=drawn)
    if name == "strange_words":
        for kind in rng.sample(KILLED_BESIDE, k=2):
            yield Action(
                at_seconds=round(at + rng.uniform(*BESIDE_SECONDS), 3),
                kind="kill",
                target=rng.choice(topology.names(kind)),
                parameters={"down_seconds": round(rng.uniform(0, DOWN_SECONDS_MAX), 3)},
            )


def _joins(link: str, caller: str, called: str) -> bool:
    one, _, other = link.partition(">")
    return (kind_of(one), kind_of(other)) == (caller, called)


_TOXICS = ("latency", "down", "silent", "reset", "slices", "lose_reply", "lose_reply")


def _toxic_parameters(rng: random.Random, kind: str) -> dict[str, Any]:
    if kind == "latency":
        seconds = round(rng.uniform(0.01, 1.0), 3)
        return {"latency_seconds": seconds, "jitter_seconds": round(seconds / 2, 3)}
    if kind == "reset":
        return {"reset_after_bytes": rng.randint(1, 20_000)}
    if kind == "slices":
        return {"slice_bytes": rng.randint(1, 200), "slice_seconds": 0.002}
    if kind == "lose_reply":
        return {"lose_reply": round(rng.uniform(0.05, 1.0), 3)}
    if kind == "commit":
        return {"lose_commit_reply": round(rng.uniform(0.05, 1.0), 3)}
    return {kind: True}


_DRAWN: Mapping[str, Callable[[random.Random, Topology], Drawn]] = {
    "kill_session": _kill_session,
    "kill_servant": _kill_servant,
    "pause": _pause,
    "pause_worker": _pause_worker,
    "pause_session": _pause_session,
    "stall_worker": _stall_worker,
    "terminate_sessions": _terminate,
    "toxic": _toxic,
    "cut_commit": _cut_commit,
}
