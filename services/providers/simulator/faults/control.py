"""Which faults are on for whom: asked for by a merchant's words or amount, or turned on for a whole
provider with PUT /control/{provider}. Chance is a hash of seed, key and mode, so a run replays."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from services.providers.simulator.book import Book
from services.providers.simulator.faults.modes import (
    AMOUNTS,
    SPECS,
    TIMES,
    Mode,
    Step,
    modes_of,
)
from services.providers.simulator.faults.wire import Call, Wire

ALWAYS = 0
PARAMETER_MAX = 10_000_000


@dataclass(frozen=True)
class Subject:
    """An operation, as far as a request or the book names it."""

    provider: str
    key: str
    words: str = ""
    amount_minor: int | None = None


@dataclass(frozen=True)
class Setting:
    """How one mode is turned on for a provider."""

    probability: float
    parameter: int
    steps: frozenset[Step]


@dataclass(frozen=True)
class Regime:
    """All that is turned on for one provider."""

    seed: int = 0
    settings: Mapping[Mode, Setting] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        """The regime as PUT takes it."""
        return {
            "modes": {
                mode.value: {
                    "probability": setting.probability,
                    **({name: setting.parameter} if (name := SPECS[mode].parameter) else {}),
                    "steps": sorted(step.value for step in setting.steps),
                }
                for mode, setting in self.settings.items()
            },
            "seed": self.seed,
        }


class Control:
    """The providers, and the modes by which each misbehaves. Kept in memory: a restart heals."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._wires: dict[str, Wire] = {}
        self._calls: dict[tuple[str, str], tuple[Wire, Call]] = {}
        self._regimes: dict[str, Regime] = {}
        self._struck: Counter[tuple[str, str, Mode, Step]] = Counter()

    def add(self, wire: Wire) -> None:
        """Registers a provider."""
        self._wires[wire.provider] = wire
        for call in wire.calls:
            self._calls[call.method, call.path] = (wire, call)

    def wire(self, provider: str) -> Wire:
        """The declaration of the provider's API."""
        return self._wires[provider]

    def call(self, method: str, path: str) -> tuple[Wire, Call] | None:
        """The call of a provider that is registered at this path."""
        return self._calls.get((method, path))

    def subject(self, provider: str, name: str) -> Subject:
        """The operation with this key or provider's id, as the book has it."""
        for line in self._book.about(provider, name):
            return Subject(provider, line.key, line.reference, line.amount_minor)
        return Subject(provider, name)

    def active(self, subject: Subject, step: Step) -> dict[Mode, int]:
        """The modes that strike this step of the operation, each with its parameter.

        Asking counts as one request: a mode with `times` is gone once it struck so often.
        """
        wire = self._wires.get(subject.provider)
        if wire is None:
            return {}
        wanted = {**self._turned_on(subject, step), **_asked_for(subject)}
        return {
            mode: parameter
            for mode, parameter in wanted.items()
            if step in SPECS[mode].steps
            and mode not in wire.exempt
            and self._strikes(subject, mode, step, parameter)
        }

    def routes(self) -> list[web.RouteDef]:
        """The pages that turn modes on and off."""
        return [
            web.get("/control", self._show),
            web.put("/control/{provider}", self._set),
            web.delete("/control/{provider}", self._heal),
            web.post("/control/{provider}/turns/{key}", self._turn),
        ]

    def _turned_on(self, subject: Subject, step: Step) -> dict[Mode, int]:
        regime = self._regimes.get(subject.provider)
        if regime is None:
            return {}
        return {
            mode: setting.parameter
            for mode, setting in regime.settings.items()
            if step in setting.steps
            and chance(regime.seed, subject.key, mode) < setting.probability
        }

    def _strikes(self, subject: Subject, mode: Mode, step: Step, parameter: int) -> bool:
        if SPECS[mode].parameter != TIMES or parameter == ALWAYS:
            return True
        struck = (subject.provider, subject.key, mode, step)
        self._struck[struck] += 1
        return self._struck[struck] <= parameter

    async def _show(self, _: web.Request) -> web.Response:
        none = Regime()
        shown = {name: self._regimes.get(name, none).shown() for name in sorted(self._wires)}
        return web.json_response(shown)

    async def _set(self, request: web.Request) -> web.Response:
        wire = self._named(request)
        try:
            self._regimes[wire.provider] = _regime(wire, json.loads(await request.text()))
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        return web.json_response(self._regimes[wire.provider].shown())

    async def _heal(self, request: web.Request) -> web.Response:
        self._regimes.pop(self._named(request).provider, None)
        return web.Response(status=204)

    async def _turn(self, request: web.Request) -> web.Response:
        wire, key = self._named(request), request.match_info["key"]
        if wire.turn is None or not self._book.about(wire.provider, key):
            raise web.HTTPNotFound(text=f"{wire.provider} has no payout {key}")
        await wire.turn(key)
        return web.Response(status=204)

    def _named(self, request: web.Request) -> Wire:
        wire = self._wires.get(request.match_info["provider"])
        if wire is None:
            raise web.HTTPNotFound(text=f"the providers are {', '.join(sorted(self._wires))}")
        return wire


def chance(seed: int, key: str, mode: Mode) -> float:
    """A number from 0 to 1, excluding 1: always the same one for the same three."""
    digest = hashlib.sha256(f"{seed}:{key}:{mode.value}".encode()).digest()
    # As many bits as a float holds exactly.
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def _asked_for(subject: Subject) -> dict[Mode, int]:
    by_amount = AMOUNTS.get(subject.amount_minor or 0)
    asked = {by_amount: SPECS[by_amount].default} if by_amount else {}
    return {**asked, **modes_of(subject.words, subject.provider)}


def _regime(wire: Wire, body: object) -> Regime:
    if not isinstance(body, dict) or set(body) - {"modes", "seed"}:
        raise ValueError('the body must be {"modes": {...}, "seed": 0}')
    modes, seed = body.get("modes", {}), body.get("seed", 0)
    if not isinstance(modes, dict) or type(seed) is not int:
        raise ValueError("modes must be an object and seed a whole number")
    names = {mode.value: mode for mode in Mode}
    if unknown := sorted(set(modes) - set(names)):
        raise ValueError(f"no such mode: {', '.join(unknown)}")
    return Regime(seed, {names[name]: _setting(wire, names[name], modes[name]) for name in modes})


def _setting(wire: Wire, mode: Mode, value: object) -> Setting:
    spec, name = SPECS[mode], mode.value
    given: dict[str, Any] = value if isinstance(value, dict) else {"probability": value}
    if surplus := sorted(set(given) - {"probability", "steps", spec.parameter}):
        raise ValueError(f"{name} does not take {', '.join(surplus)}")
    probability = given.get("probability", 1)
    is_number = isinstance(probability, int | float) and not isinstance(probability, bool)
    if not is_number or not 0 <= probability <= 1:
        raise ValueError(f"{name}: probability must be from 0 to 1")
    # Turned on for a provider, a fault lasts until it is healed.
    default = ALWAYS if spec.parameter == TIMES else spec.default
    parameter = given.get(spec.parameter, default)
    if type(parameter) is not int or not 0 <= parameter <= PARAMETER_MAX:
        raise ValueError(f"{name}: {spec.parameter} must be a whole number, not negative")
    return Setting(probability, parameter, _steps(wire, mode, given.get("steps")))


def _steps(wire: Wire, mode: Mode, given: object) -> frozenset[Step]:
    """The steps at which the mode is to strike: all that it can, unless the request names some."""
    known = {step.value: step for step in SPECS[mode].steps}
    names = sorted(known) if given is None else given
    if not isinstance(names, list) or not names or not set(map(str, names)) <= set(known):
        raise ValueError(f"{mode.value}: steps may be {', '.join(sorted(known))}")
    steps = frozenset(known[name] for name in names) & wire.steps
    if not steps:
        raise ValueError(f"{wire.provider} has no {' or '.join(names)}")
    if reason := wire.exempt.get(mode):
        raise ValueError(f"{mode.value} cannot happen at {wire.provider}: {reason}")
    return steps
