"""Refusals of a recipient: each that an adapter declares has words for a merchant."""

import pytest

from services.payments.model.refusals import OTHER, REFUSALS, refusal_of
from services.providers.adapters import ADAPTERS
from services.shared.recipients import BankAccount, MobileMoney, Recipient, Wallet

ACCOUNT = BankAccount(holder_name="Ada Obi", account_number="0690000032", bank_code="044")
PHONE = MobileMoney(holder_name="Ada Obi", phone_number="+254709929220", operator="MPESA")


def test_every_refusal_that_an_adapter_declares_has_its_words() -> None:
    declared = {
        code for adapter in ADAPTERS.values() for code in adapter.capabilities.recipient_failures
    }

    assert declared <= REFUSALS.keys()


def test_no_two_refusals_about_one_thing_differ_in_their_field_alone() -> None:
    assert all(one.message.endswith(".") for one in REFUSALS.values())
    assert len({one.fields for one in REFUSALS.values()}) == 4


@pytest.mark.parametrize(
    ("code", "recipient", "field"),
    [
        ("recipient_account_closed", ACCOUNT, "recipient.bank_account.account_number"),
        ("recipient_account_closed", PHONE, "recipient.mobile_money.phone_number"),
        ("recipient_account_closed", Wallet(wallet_id="1"), "recipient.wallet.wallet_id"),
        ("recipient_account_closed", BankAccount(iban="DE1"), "recipient.bank_account.iban"),
        ("recipient_bank_unknown", ACCOUNT, "recipient.bank_account.bank_code"),
        ("recipient_bank_unknown", PHONE, "recipient.mobile_money.operator"),
        ("recipient_bank_unknown", Wallet(wallet_id="1"), ""),
        ("recipient_name_mismatch", ACCOUNT, "recipient.bank_account.holder_name"),
        ("recipient_invalid", ACCOUNT, ""),
    ],
)
def test_a_refusal_names_the_field_that_was_given(
    code: str, recipient: Recipient, field: str
) -> None:
    assert refusal_of(code).field_of(recipient) == field


def test_a_refusal_that_has_no_words_yet_is_one_all_the_same() -> None:
    assert refusal_of("recipient_account_closed").message == "The account is closed."
    assert refusal_of("unheard") == OTHER
