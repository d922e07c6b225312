"""Refusals of a recipient: each that an adapter declares has words for a merchant."""

from services.payments.model.refusals import OTHER, REFUSALS, refusal_of
from services.providers.adapters import ADAPTERS


def test_every_refusal_that_an_adapter_declares_has_its_words() -> None:
    declared = {
        code for adapter in ADAPTERS.values() for code in adapter.capabilities.recipient_failures
    }

    assert declared <= REFUSALS.keys()


def test_no_two_refusals_about_one_thing_differ_in_their_field_alone() -> None:
    assert all(one.message.endswith(".") for one in REFUSALS.values())
    assert {one.field for one in REFUSALS.values()} == {"", "account", "bank_code", "name"}


def test_a_refusal_that_has_no_words_yet_is_one_all_the_same() -> None:
    assert refusal_of("recipient_account_closed").message == "The account is closed."
    assert refusal_of("unheard") == OTHER
