"""A question waits for a place and an answer no longer than allowed; the callers' own tests are in
test_listing, test_operation_lists and test_claims."""

import asyncio
from datetime import timedelta

import pytest

from services.providers.limits import Gate, Limits
from services.providers.questions import PAGE_LENGTH_MAX, Questions, check_page
from services.shared.errors import Invalid, Unavailable


def _questions(within: timedelta) -> Questions:
    return Questions({}, {"fake": Gate(Limits(), lambda: 0.0)}, within)


async def test_an_answer_is_given_as_it_is() -> None:
    async def answer() -> str:
        return "yes"

    assert await _questions(timedelta(seconds=10))._asked("fake", answer) == "yes"


async def test_a_provider_that_never_answers_is_unavailable() -> None:
    with pytest.raises(Unavailable) as refused:
        await _questions(timedelta(milliseconds=20))._asked("fake", asyncio.Event().wait)

    assert refused.value.metadata == {"provider": "fake"}


def test_the_name_of_a_page_has_a_bound() -> None:
    check_page("x" * PAGE_LENGTH_MAX)

    with pytest.raises(Invalid):
        check_page("x" * (PAGE_LENGTH_MAX + 1))
