"""Lists of operations are read only where a provider declares one of the kind, within limits."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from services.providers.domain import Capabilities, Kind, ProviderNotFound
from services.providers.limits import Gate, Limits
from services.providers.listed import OperationPage, OperationQuery
from services.providers.operation_lists import EXPECTED_MAX, OperationLists
from services.providers.ports import Adapter
from services.providers.questions import PAGE_LENGTH_MAX
from services.shared.errors import Invalid, Unavailable
from tests.unit.providers.makers import make_capabilities

QUERY = OperationQuery(kind=Kind.PAYOUT, since=datetime(2026, 1, 1, tzinfo=UTC))
PAGE = OperationPage(operations=(), next_page="2")


class Lister:
    """A provider with a list, which it gives, or never."""

    def __init__(self, answer: OperationPage | None = PAGE, *, lists: bool = True) -> None:
        self.capabilities: Capabilities = make_capabilities(lists_operations=lists)
        self.asked: list[Any] = []
        self._answer = answer

    async def look_up(self, operation: Any) -> Any:
        raise NotImplementedError

    def read_webhook(self, webhook: Any) -> Any:
        raise NotImplementedError

    async def list_operations(self, query: OperationQuery) -> OperationPage:
        self.asked.append(query)
        if self._answer is None:
            await asyncio.Event().wait()
        return cast(OperationPage, self._answer)


def _lists(provider: Lister, within: timedelta = timedelta(seconds=10)) -> OperationLists:
    gate = Gate(Limits(), lambda: 0.0)
    return OperationLists({"fake": cast(Adapter, provider)}, {"fake": gate}, within)


def _query(**changes: Any) -> OperationQuery:
    return OperationQuery(**{"kind": QUERY.kind, "since": QUERY.since, **changes})


async def test_a_page_is_the_providers_own() -> None:
    provider = Lister()
    kind = next(iter(provider.capabilities.kinds))

    assert await _lists(provider).read("fake", _query(kind=kind)) is PAGE


@pytest.mark.parametrize(("name", "lists"), [("nobody", True), ("fake", False)])
async def test_a_provider_that_declares_no_list_is_not_asked(name: str, lists: bool) -> None:
    provider = Lister(lists=lists)

    with pytest.raises(ProviderNotFound):
        await _lists(provider).read(name, _query(kind=next(iter(provider.capabilities.kinds))))

    assert provider.asked == []


async def test_a_kind_that_it_does_not_take_is_not_asked_for() -> None:
    provider = Lister()
    others = {*Kind} - provider.capabilities.kinds

    with pytest.raises(ProviderNotFound):
        await _lists(provider).read("fake", _query(kind=others.pop()))


@pytest.mark.parametrize(
    "wrong",
    [{"page": "x" * (PAGE_LENGTH_MAX + 1)}, {"expected_keys": ("x",) * (EXPECTED_MAX + 1)}],
    ids=["page", "keys"],
)
async def test_a_question_of_another_form_is_refused(wrong: Any) -> None:
    provider = Lister()
    kind = next(iter(provider.capabilities.kinds))

    with pytest.raises(Invalid):
        await _lists(provider).read("fake", _query(kind=kind, **wrong))


async def test_a_provider_that_takes_longer_than_allowed_has_not_answered() -> None:
    provider = Lister(None)
    kind = next(iter(provider.capabilities.kinds))

    with pytest.raises(Unavailable):
        await _lists(provider, timedelta(milliseconds=50)).read("fake", _query(kind=kind))
