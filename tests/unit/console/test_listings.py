"""The lists of the console fit the contract: each column, filter and call is there."""

from typing import Any

import pytest

from gateway.console.client import CALLS
from gateway.console.listings import LISTINGS, MENU, PAYMENTS
from gateway.console.listings.model import Listing
from gateway.console.verbs import VERBS
from services.payments.model.payment import State


def field_of(message: Any, path: str) -> Any:
    """The field at the end of a path of names; KeyError where there is none."""
    found = None
    for name in path.split("."):
        found = message.fields_by_name[name]
        message = found.message_type
    return found


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda one: one.path)
def test_a_list_shows_fields_of_the_contract(listing: Listing) -> None:
    items = field_of(CALLS[listing.call].response.DESCRIPTOR, listing.items)
    assert items.is_repeated

    kinds = {path: one.kind for one in listing.columns for path in one.field.split("|")}
    for path, kind in kinds.items():
        found = field_of(items.message_type, path)
        is_instant = bool(found.message_type) and found.message_type.name == "Timestamp"
        assert is_instant == (kind in ("instant", "age", "left")), path


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda one: one.path)
def test_a_list_asks_by_fields_of_the_contract(listing: Listing) -> None:
    call = CALLS[listing.call]
    request = call.request.DESCRIPTOR

    assert call.only_reads
    assert set(listing.fixed) <= set(request.fields_by_name)
    assert listing.is_whole == ("page_token" not in request.fields_by_name)
    for one in listing.filters:
        found = field_of(request, one.name)
        assert found.is_repeated == (one.kind in ("among", "words"))
        if enum := found.enum_type:
            assert set(one.options) == set(enum.values_by_name) - {enum.values_by_number[0].name}
    assert {*listing.row_verbs, *listing.page_verbs} <= set(VERBS)


def test_every_call_of_operators_that_lists_has_its_page() -> None:
    lists = {name for name in CALLS if name.startswith("List")}

    assert lists == {one.call for one in LISTINGS if one.call.startswith("List")}


def test_payments_are_searched_by_every_field_of_the_call_and_every_state() -> None:
    names = {one.name for one in PAYMENTS.filters}
    [states] = [one.options for one in PAYMENTS.filters if one.name == "states"]

    assert names == set(CALLS["SearchPayments"].request.DESCRIPTOR.fields_by_name) - {
        "page_size",
        "page_token",
    }
    assert list(states) == list(State)


def test_every_list_of_its_own_is_in_the_menu() -> None:
    paths = {path for pages in MENU.values() for path, _, _ in pages}

    assert {one.path for one in LISTINGS if "{" not in one.path} <= paths
