"""`./caravel chaos --planted`: each bug gets a mesh of its own and is looked for seed by seed, till
the checker reports an invariant that it must break. The same runs without a bug are the control:
they must find nothing."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.process.terminal import GREEN, RED, Problem, paint
from tests.chaos import watch
from tests.chaos.planted.catalogue import CONTROL, by_name
from tests.chaos.planted.plant import Plant
from tests.chaos.planted.process import launched_with
from tests.chaos.result import Result, write
from tests.chaos.run import Options, run
from tests.chaos.side_by_side import AT_ONCE, side_by_side

MINUTES, SEEDS, INTENSITY = 0.75, 5, 2.0
# A payment that waits longer than this for its end never ends, or waits for an hour.
LIVENESS_SECONDS = 40.0
# The control must come to its end, and has all the time for it that any run has.
CONTROL_SECONDS = watch.LIVENESS_SECONDS


@dataclass(frozen=True, kw_only=True)
class Hunt:
    """How a bug is looked for."""

    folder: Path
    seeds: int = SEEDS
    minutes: float = MINUTES
    intensity: float = INTENSITY
    first_seed: int = 1
    at_once: int = AT_ONCE


@dataclass(frozen=True, kw_only=True)
class Proof:
    """The result of the search for one bug."""

    name: str
    # Tried until it was caught, or without success.
    seeds: int
    seconds: float
    # Broken by the last seed: those that the bug must break, and others.
    broken: tuple[str, ...]
    # One violation that the bug must lead to, or where there is none, any.
    example: str
    is_caught: bool = False


def prove(plants: Sequence[Plant], how: Hunt, say: Callable[[str], None]) -> bool:
    """Hunts for these bugs and prints the table. False where one was missed, or where the control
    found something."""
    proofs, controls = [], []
    for proof in side_by_side(hunt, [plant.name for plant in plants], how, how.at_once):
        say(_line(proof))
        proofs.append(proof)
    profiles = {repr(plant.conditions): plant.name for plant in reversed(plants)}
    for proof in side_by_side(control, list(reversed(profiles.values())), how, how.at_once):
        say(_control_line(proof))
        controls.append(proof)
    caught, clean = sum(proof.is_caught for proof in proofs), not any(p.broken for p in controls)
    score = f"{caught}/{len(plants)} caught; control: {'nothing found' if clean else 'NOT CLEAN'}"
    is_proven = clean and caught == len(plants)
    say("\n  " + paint(score, GREEN if is_proven else RED))
    return is_proven


def hunt(name: str, how: Hunt) -> Proof:
    """Seed after seed, until the bug is caught."""
    plant, began = by_name(name), time.monotonic()
    for seed in range(how.first_seed, how.first_seed + how.seeds):
        result = _run(plant, plant, seed, how)
        if any(map(plant.explains, result.violations)):
            break
    return Proof(
        name=name,
        seeds=seed - how.first_seed + 1,
        seconds=time.monotonic() - began,
        broken=_broken(result),
        example=_first(plant, result),
        is_caught=any(map(plant.explains, result.violations)),
    )


def control(name: str, how: Hunt) -> Proof:
    """The first seed's run under the faults of a bug, without the bug."""
    result = _run(CONTROL, by_name(name), how.first_seed, how)
    return Proof(
        name=name,
        seeds=1,
        seconds=result.seconds,
        broken=_broken(result),
        example=_first(CONTROL, result),
    )


def _run(plant: Plant, under_faults_of: Plant, seed: int, how: Hunt) -> Result:
    folder = how.folder / f"{under_faults_of.name}-{plant.number}" / str(seed)
    options = Options(
        seed=seed,
        minutes=how.minutes,
        folder=folder,
        intensity=how.intensity,
        conditions=under_faults_of.conditions,
        until_broken=plant is not CONTROL,
        liveness_seconds=CONTROL_SECONDS if plant is CONTROL else LIVENESS_SECONDS,
        launch=launched_with(plant, under_faults_of.conditions),
    )
    try:
        result = asyncio.run(run(options, _silent))
    except (Problem, ExceptionGroup) as problem:
        # A mesh that does not even start is no proof of anything, and no end of the others' hunts.
        return Result(seed=seed, minutes=how.minutes, commit="", problem=str(problem))
    write(result, folder)
    return result


def _silent(_: str) -> None:
    """The run's progress; its findings are in its folder."""


def _broken(result: Result) -> tuple[str, ...]:
    problem = (f"problem: {result.problem}",) if result.problem else ()
    return (*sorted({one.invariant for one in result.violations}), *problem)


def _first(plant: Plant, result: Result) -> str:
    wanted_first = sorted(result.violations, key=lambda one: not plant.explains(one))
    return wanted_first[0].detail if wanted_first else ""


def _line(proof: Proof) -> str:
    plant = by_name(proof.name)
    how = ", ".join(proof.broken) or "nothing"
    outcome = paint("caught", GREEN) if proof.is_caught else paint("MISSED", RED)
    tried = f"{proof.seeds} seed{'s' if proof.seeds > 1 else ''}"
    return (
        f"  {plant.number:>2} {plant.name:<30} {outcome}  {tried:<8} {proof.seconds:>5.0f} s  "
        f"by {how}\n     {plant.words}\n     {proof.example[:160]}"
    )


def _control_line(proof: Proof) -> str:
    found = f"{', '.join(proof.broken)}: {proof.example[:160]}" if proof.broken else "nothing"
    return f"  control under the faults of {proof.name:<30} {proof.seconds:>5.0f} s  found {found}"
