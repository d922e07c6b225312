"""The declarations of the providers are asked for again and again, never where they are used."""

import asyncio
from collections.abc import Mapping

import pytest

from services.payments.mesh.declared import DeclaredCapabilities
from services.payments.model.attempt import Capabilities
from services.shared.errors import CannotStart, Unavailable
from tests.fakes import ScriptedProviders
from tests.makers import CAPABILITIES, make_capabilities


class Declaring(ScriptedProviders):
    """Declares what a test says, and counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.declares: Mapping[str, Capabilities] | Exception = CAPABILITIES

    async def capabilities(self) -> Mapping[str, Capabilities]:
        self.asked += 1
        if isinstance(self.declares, Exception):
            raise self.declares
        return dict(self.declares)


class Steps:
    """A sleep that ends when a test lets it."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._turn = asyncio.Event()
        self.waiting = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.waiting.set()
        await self._turn.wait()
        self._turn.clear()

    async def step(self) -> None:
        """Lets one sleep end, and returns when the next one has begun."""
        await self.waiting.wait()
        self.waiting.clear()
        self._turn.set()
        await self.waiting.wait()


async def test_held_declarations_are_replaced_only_where_one_has_changed() -> None:
    providers, steps = Declaring(), Steps()
    declared = DeclaredCapabilities(providers, sleep=steps.sleep)
    await declared.load()
    first = declared.current

    async with declared.refreshed():
        await steps.step()
        unchanged = declared.current
        providers.declares = {"acme": make_capabilities("acme")}
        await steps.step()

    assert unchanged is first
    assert (set(declared), declared["acme"].provider, len(declared)) == ({"acme"}, "acme", 1)


async def test_while_providers_is_away_the_last_declarations_go_on() -> None:
    providers, steps = Declaring(), Steps()
    declared = DeclaredCapabilities(providers, sleep=steps.sleep)
    await declared.load()
    providers.declares = Unavailable("away")

    async with declared.refreshed():
        await steps.step()
        await steps.step()

    assert declared.current == CAPABILITIES
    assert providers.asked == 3


async def test_until_the_first_answer_it_is_asked_soon_again() -> None:
    providers, steps = Declaring(), Steps()
    providers.declares = Unavailable("away")
    declared = DeclaredCapabilities(providers, sleep=steps.sleep)

    async with declared.refreshed():
        await steps.step()
        assert not declared
        providers.declares = CAPABILITIES
        await steps.step()

    assert declared.current == CAPABILITIES
    assert steps.slept[0] < steps.slept[-1]


async def test_declarations_that_do_not_fit_are_not_taken() -> None:
    providers, steps = Declaring(), Steps()

    def check(found: Mapping[str, Capabilities]) -> None:
        if "acme" in found:
            raise CannotStart("acme does not fit")

    declared = DeclaredCapabilities(providers, check=check, sleep=steps.sleep)
    await declared.load()
    providers.declares = {"acme": make_capabilities("acme")}

    async with declared.refreshed():
        await steps.step()

    assert declared.current == CAPABILITIES
    with pytest.raises(CannotStart):
        await declared.load()
