"""An actor says of whom it is, and by its text nobody is taken for another."""

import pytest

from services.payments.model.actor import (
    MERCHANT,
    is_operator,
    is_person,
    operator_actor,
    provider_actor,
)


@pytest.mark.parametrize(
    ("actor", "operator", "person"),
    [
        (operator_actor("ada"), True, True),
        (MERCHANT, False, True),
        (provider_actor("operator"), False, False),
        ("worker", False, False),
        ("", False, False),
    ],
)
def test_people_are_known_by_their_actor(actor: str, operator: bool, person: bool) -> None:
    assert (is_operator(actor), is_person(actor)) == (operator, person)


def test_the_texts_are_those_of_the_history() -> None:
    assert operator_actor("ada") == "operator:ada"
    assert provider_actor("stripe") == "provider:stripe"
