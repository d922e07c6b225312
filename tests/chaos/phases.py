"""Phases: a while in which providers do one thing besides whatever they lie about, made for one way
of going wrong. The simulator's README describes each mode."""

import random
from collections.abc import Callable, Mapping
from typing import Any

from tests.chaos.lies import IMPOSSIBLE, OFFRAMPS, PROVIDERS, Modes

SECONDS = (5.0, 20.0)
# Longer than Stripe's search may lag, it says: an operation that counted as absent happens after
# all.
PAST_LAG_SECONDS = (65, 90)


def _strange_words(rng: random.Random, _: str) -> Modes:
    return {"unknown_status": {"probability": round(rng.uniform(0.3, 1.0), 3)}}


def _flapping(rng: random.Random, _: str) -> Modes:
    modes: Modes = {
        "flapping": {"probability": round(rng.uniform(0.1, 0.4), 3), "seconds": rng.randint(0, 4)}
    }
    if rng.random() < 0.5:
        modes["reorder"] = {"probability": 1, "window": rng.randint(2, 4)}
    return modes


def _late_effects(rng: random.Random, _: str) -> Modes:
    seconds = PAST_LAG_SECONDS if rng.random() < 0.3 else (1, 20)
    probability = round(rng.uniform(0.1, 0.4), 3)
    return {"late_effect": {"probability": probability, "seconds": rng.randint(*seconds)}}


def _no_balance(rng: random.Random, _: str) -> Modes:
    return {"no_balance": {"probability": round(rng.uniform(0.5, 1.0), 3)}}


Draw = Callable[[random.Random, str], Modes]
# The providers that each may strike, and how it is drawn for one of them.
PHASES: Mapping[str, tuple[tuple[str, ...], Draw]] = {
    "strange_words": (PROVIDERS, _strange_words),
    "flapping": (OFFRAMPS, _flapping),
    "late_effects": (PROVIDERS, _late_effects),
    "no_balance": (OFFRAMPS, _no_balance),
}


def draw(rng: random.Random, name: str) -> dict[str, Any]:
    """How long the phase lasts, and the modes of each provider that it strikes."""
    providers, modes_of = PHASES[name]
    drawn = {provider: modes_of(rng, provider) for provider in providers}
    return {
        "seconds": round(rng.uniform(*SECONDS), 3),
        "modes": {
            provider: {n: s for n, s in modes.items() if n not in IMPOSSIBLE[provider]}
            for provider, modes in drawn.items()
        },
    }


def merged(
    own: Mapping[str, Mapping[str, Any]], phases: list[Mapping[str, Modes]]
) -> dict[str, dict[str, Any]]:
    """The modes of each provider: its own, and those of the phases that are on."""
    nothing: Mapping[str, Any] = {"seed": 0, "modes": {}}
    regimes = {}
    for provider in PROVIDERS:
        regime = own.get(provider, nothing)
        modes = dict(regime["modes"])
        for phase in phases:
            modes |= phase.get(provider, {})
        regimes[provider] = {"seed": regime["seed"], "modes": modes}
    return regimes
