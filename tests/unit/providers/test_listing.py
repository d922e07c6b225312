"""Lists of events are read only where a provider declares one, within its limits and no longer than
allowed."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest

from services.providers.domain import Capabilities, EventPage, ProviderNotFound
from services.providers.limits import Gate, Limits
from services.providers.listing import Listing
from services.providers.ports import Adapter
from services.providers.questions import PAGE_LENGTH_MAX
from services.shared.errors import Invalid, Unavailable
from tests.unit.providers.makers import make_capabilities

SOON = timedelta(milliseconds=50)
PAGE = EventPage(events=(), next_page="evt_1")


class Kept:
    """A provider with a list of events, which it gives, or never."""

    def __init__(self, answer: EventPage | None = PAGE, *, lists_events: bool = True) -> None:
        self.capabilities: Capabilities = make_capabilities(lists_events=lists_events)
        self.asked: list[Any] = []
        self._answer = answer

    async def look_up(self, operation: Any) -> Any:
        raise NotImplementedError

    def read_webhook(self, webhook: Any) -> Any:
        raise NotImplementedError

    async def list_events(self, since: Any, page: str) -> EventPage:
        self.asked.append((since, page))
        if self._answer is None:
            await asyncio.Event().wait()
        return cast(EventPage, self._answer)


def _listing(
    provider: Kept, gate: Gate | None = None, within: timedelta = timedelta(seconds=10)
) -> Listing:
    gates = {"fake": gate or Gate(Limits(), lambda: 0.0)}
    return Listing({"fake": cast(Adapter, provider)}, gates, within)


async def test_a_page_is_the_providers_own() -> None:
    provider = Kept()

    assert await _listing(provider).list_events("fake", None, "evt_9") is PAGE

    assert provider.asked == [(None, "evt_9")]


@pytest.mark.parametrize(("name", "lists"), [("nobody", True), ("fake", False)])
async def test_a_provider_that_declares_no_list_is_not_asked(name: str, lists: bool) -> None:
    provider = Kept(lists_events=lists)

    with pytest.raises(ProviderNotFound):
        await _listing(provider).list_events(name, None, "")

    assert provider.asked == []


async def test_a_page_of_another_form_is_refused() -> None:
    with pytest.raises(Invalid):
        await _listing(Kept()).list_events("fake", None, "x" * (PAGE_LENGTH_MAX + 1))


async def test_a_provider_that_takes_longer_than_allowed_has_not_answered() -> None:
    with pytest.raises(Unavailable):
        await _listing(Kept(None), within=SOON).list_events("fake", None, "")


async def test_a_list_waits_for_a_place_like_every_other_call() -> None:
    provider, gate = Kept(), Gate(Limits(concurrency=1), lambda: 0.0)

    async with gate.enter(1):
        with pytest.raises(Unavailable):
            await _listing(provider, gate, SOON).list_events("fake", None, "")

    assert provider.asked == []
