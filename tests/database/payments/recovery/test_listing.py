"""A list is read to its last page, and a provider that has none lists nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from services.payments.mesh.ports import ListedOperation, OperationPage
from services.payments.model.attempt import Step
from services.payments.recovery.listing import pages_of
from services.shared.errors import NotFound, Unavailable
from tests.database.payments.recovery.lists import Lists, listed, lost_key

FIRST, SECOND = listed(lost_key()), listed(lost_key())


class _Paged(Lists):
    async def read(self, *_: Any, page: str = "", **__: Any) -> OperationPage:
        if page:
            return OperationPage(operations=(SECOND,))
        return OperationPage(operations=(FIRST,), next_page="2")


class _CutOff(Lists):
    async def read(self, *_: Any, page: str = "", **__: Any) -> OperationPage:
        if page:
            raise NotFound
        return OperationPage(operations=(FIRST,), next_page="2")


class _Without(Lists):
    async def read(self, *_: Any, **__: Any) -> OperationPage:
        raise NotFound


async def _read(lists: Lists) -> Sequence[Sequence[ListedOperation]]:
    pages = pages_of(lists, "stripe", Step.COLLECTION, datetime.now(UTC), ())
    return [page async for page in pages]


async def test_every_page_is_read() -> None:
    assert await _read(_Paged()) == [(FIRST,), (SECOND,)]


async def test_a_provider_without_a_list_lists_nothing() -> None:
    assert await _read(_Without()) == []


async def test_a_list_that_ends_before_its_last_page_is_no_answer() -> None:
    with pytest.raises(Unavailable):
        await _read(_CutOff())
