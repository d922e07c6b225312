"""A page has a bounded size, and its token leads back to where it was written."""

import base64

import pytest

from services.payments.base.paging import (
    DEFAULT_PAGE_SIZE,
    LARGEST_PAGE_SIZE,
    cut,
    read_page_size,
    read_token,
    write_token,
)
from services.shared.errors import Invalid


@pytest.mark.parametrize(
    ("asked", "given"),
    [(0, DEFAULT_PAGE_SIZE), (1, 1), (LARGEST_PAGE_SIZE, LARGEST_PAGE_SIZE), (201, 200)],
)
def test_a_page_has_as_many_items_as_are_asked_for_up_to_the_most(asked: int, given: int) -> None:
    assert read_page_size(asked) == given


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(Invalid, match="page_size"):
        read_page_size(-1)


@pytest.mark.parametrize(
    ("found", "page", "last"),
    [("", "", None), ("ab", "ab", None), ("abc", "abc", None), ("abcd", "abc", "c")],
)
def test_a_page_leads_on_only_where_more_was_found(found: str, page: str, last: str | None) -> None:
    assert cut(found, 3) == (page, last)


def test_a_token_is_read_as_it_was_written() -> None:
    words = ["INBOX", "2026-11-28T19:00:00+00:00", "é"]

    assert read_token(write_token(words), tuple) == tuple(words)


def _token(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "token", ["!", "AAAA", _token("{}"), _token("[1]"), _token('["\\u0000"]'), _token("[" * 9999)]
)
def test_any_other_token_is_refused(token: str) -> None:
    with pytest.raises(Invalid, match="page_token"):
        read_token(token, tuple)


def test_a_token_whose_words_mean_nothing_is_refused() -> None:
    def refuse(_: list[str]) -> None:
        raise IndexError

    with pytest.raises(Invalid, match="page_token"):
        read_token(write_token(["x"]), refuse)
