"""Recipients: what of them is shown, kept and read, and the rules of a corridor, which name every
field that is wrong at once."""

from typing import Any

import pytest
from caravel.common.v1 import recipient_pb2

from services.shared.errors import Invalid
from services.shared.recipients import (
    BankAccount,
    MobileMoney,
    Recipient,
    RecipientKind,
    Wallet,
    as_row,
    from_row,
    given_fields,
    masked,
    without,
)
from services.shared.recipients.rules import RecipientRules, RulesInvalid, make_rules, rules_of
from services.shared.recipients.wire import read_recipient, recipient_fields

BANK = {
    "rail": "NIP",
    "required": {"holder_name": "name", "bank_code": "ng_bank", "account_number": "nuban"},
    "optional": {"bic": "bic"},
    "example": {"holder_name": "Ada Obi", "bank_code": "044", "account_number": "0690000032"},
}
WALLET = {
    "rail": "wallet",
    "required": {"wallet_id": "wallet_id"},
    "optional": {},
    "example": {"wallet_id": "wallet-0001"},
}
ADA = BankAccount(holder_name="Ada Obi", bank_code="044", account_number="0690000032")


@pytest.fixture
def rules() -> RecipientRules:
    return make_rules("NG", {"bank_account": BANK, "wallet": WALLET})


def wrong(
    rules: RecipientRules, given: Recipient, *, test_accounts: bool = False
) -> dict[str, str]:
    """The fields that are refused, with their reasons."""
    with pytest.raises(Invalid) as refusal:
        rules.read(given, test_accounts=test_accounts)
    return {violation.field: violation.reason for violation in refusal.value.violations}


def test_a_good_recipient_is_read_as_it_will_be_sent(rules: RecipientRules) -> None:
    given = BankAccount(holder_name="Adé  Obi", bank_code="044", account_number="069-000 0032")

    assert rules.read(given) == BankAccount(
        holder_name="Ade Obi", bank_code="044", account_number="0690000032"
    )


def test_every_field_that_is_wrong_is_named_at_once(rules: RecipientRules) -> None:
    given = BankAccount(account_number="1", bank_code="44", ifsc="HDFC0000123", bic="nonsense")

    assert wrong(rules, given) == {
        "recipient.bank_account.holder_name": "FIELD_REQUIRED",
        "recipient.bank_account.bank_code": "FIELD_INVALID",
        "recipient.bank_account.account_number": "FIELD_INVALID",
        "recipient.bank_account.bic": "FIELD_INVALID",
        "recipient.bank_account.ifsc": "RECIPIENT_FIELD_UNSUPPORTED",
    }


def test_a_kind_that_is_not_paid_is_refused(rules: RecipientRules) -> None:
    given = MobileMoney(holder_name="Ada", phone_number="+2348012345678", operator="MTN")

    assert wrong(rules, given) == {"recipient.mobile_money": "RECIPIENT_KIND_UNSUPPORTED"}


def test_test_accounts_of_providers_pass_where_they_are_taken(rules: RecipientRules) -> None:
    given = BankAccount(holder_name="Ada Obi", bank_code="044", account_number="0690000040")

    assert rules.read(given, test_accounts=True) == given
    assert wrong(rules, given) == {"recipient.bank_account.account_number": "FIELD_INVALID"}


def test_a_refusal_repeats_nothing_of_a_recipient(rules: RecipientRules) -> None:
    given = BankAccount(
        holder_name="\u5c71", bank_code="xx9", account_number="0690000033", iban="I7"
    )

    with pytest.raises(Invalid) as refusal:
        rules.read(given)

    assert not [text for text in given_fields(given).values() if text in str(refusal.value)]


def test_rules_are_the_same_once_they_were_kept(rules: RecipientRules) -> None:
    kept = rules_of(rules.source)

    assert (kept.example, list(kept.kinds)) == (rules.example, list(rules.kinds))
    assert kept.read(ADA) == ADA


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"required": {"holder_name": "nonsense"}},
            "required.holder_name: no format is called nonsense",
        ),
        ({"required": {"phone_number": "mobile_phone"}}, "required.phone_number: bank_account has"),
        ({"optional": {"bank_code": "ng_bank"}}, "optional.bank_code: it is required"),
        ({"example": {"holder_name": "Ada"}}, "example: .*bank_code is required"),
        ({"example": {"wallet_id": "wallet-0001"}}, "example: it has a field"),
        ({"example": {**BANK["example"], "bank_code": "045"}}, "example: .*check digit"),
    ],
)
def test_a_section_that_cannot_be_is_refused_by_its_key(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(RulesInvalid, match=f"recipients.bank_account.{words}"):
        make_rules("NG", {"bank_account": {**BANK, **changes}})


@pytest.mark.parametrize(
    ("recipient", "shown"),
    [
        (ADA, {"holder_name": "A*** O***", "bank_code": "044", "account_number": "****0032"}),
        (BankAccount(account_number="1234567"), {"account_number": "****"}),
        (
            BankAccount(
                iban="DE89370400440532013000", tax_id="52998224725", account_type="SAVINGS"
            ),
            {"iban": "****3000", "tax_id": "****4725", "account_type": "SAVINGS"},
        ),
        (
            MobileMoney(phone_number="+254709929220", operator="MPESA"),
            {"phone_number": "****9220", "operator": "MPESA"},
        ),
        (Wallet(wallet_id="wal-1"), {"wallet_id": "****"}),
        (Wallet(wallet_id="wallet-0001"), {"wallet_id": "****0001"}),
    ],
)
def test_initials_and_last_digits_are_shown(recipient: Recipient, shown: dict[str, str]) -> None:
    assert given_fields(masked(recipient)) == shown
    assert masked(recipient).kind is recipient.kind


@pytest.mark.parametrize("recipient", [ADA, MobileMoney(phone_number="+1"), Wallet()])
def test_a_recipient_is_in_no_repr_and_whole_in_its_row_and_on_the_wire(
    recipient: Recipient,
) -> None:
    assert not [text for text in given_fields(recipient).values() if text in repr(recipient)]
    assert from_row(as_row(recipient)) == recipient
    message = recipient_pb2.Recipient(**recipient_fields(recipient))
    assert read_recipient(message) == recipient


def test_an_account_type_is_a_name_in_our_noun_and_a_number_on_the_wire() -> None:
    account = BankAccount(account_type="SAVINGS")
    message = recipient_pb2.Recipient(**recipient_fields(account))

    assert message.bank_account.account_type == recipient_pb2.SAVINGS
    assert read_recipient(message) == account
    message.bank_account.account_type = recipient_pb2.ACCOUNT_TYPE_UNSPECIFIED
    assert read_recipient(message) == BankAccount()


def test_a_message_without_a_kind_names_nobody() -> None:
    assert read_recipient(recipient_pb2.Recipient()) is None


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"kind": "cheque"},
        {"kind": "wallet", "iban": "x"},
        {"kind": "wallet", "wallet_id": 7},
        [],
    ],
)
def test_a_row_that_is_no_recipient_is_refused(row: Any) -> None:
    with pytest.raises(ValueError):
        from_row(row)


def test_kinds_of_the_contract_are_ours() -> None:
    names = set(recipient_pb2.RecipientKind.keys()) - {"RECIPIENT_KIND_UNSPECIFIED"}

    assert names == {kind.name for kind in RecipientKind}
    assert {one.name for one in recipient_pb2.Recipient.DESCRIPTOR.fields} == set(RecipientKind)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("Account 0690000040 (ada obi) is wrong", "Account ****0040 (a*** o***) is wrong"),
        ("069-000-0040 of OBI, ADA: closed", "****0040 of O***, A***: closed"),
        ("no account 00690000040; try 0690000041", "no account ****0040; try 0690000041"),
        ("Adam may spend NGN 500000 a day", "Adam may spend NGN 500000 a day"),
        ("", ""),
    ],
)
def test_words_of_a_provider_lose_the_name_and_the_number_of_their_recipient(
    words: str, shown: str
) -> None:
    recipient = BankAccount(holder_name="Ada Obi", account_number="0690000040", bank_code="044")

    assert without(words, recipient) == shown


@pytest.mark.parametrize(
    ("recipient", "words", "shown"),
    [
        (MobileMoney(phone_number="+254709929220"), "0709 929220 is barred", "****9220 is barred"),
        (
            BankAccount(iban="DE89370400440532013000"),
            "IBAN DE89 3704 0044 0532 0130 00: unknown",
            "IBAN ****3000: unknown",
        ),
        (Wallet(wallet_id="wallet-0001"), "(WALLET-0001)", "(****0001)"),
        (Wallet(wallet_id="wal-1"), "wal-1 or wal-12", "**** or wal-12"),
    ],
)
def test_words_of_a_provider_lose_numbers_of_each_kind_however_they_are_written(
    recipient: Recipient, words: str, shown: str
) -> None:
    assert without(words, recipient) == shown


@pytest.mark.parametrize("bank_code", ["044", "0-44", "04 4", " 044"])
def test_a_check_digit_counts_however_the_bank_code_is_grouped(
    rules: RecipientRules, bank_code: str
) -> None:
    wrong = BankAccount(holder_name="Ada Obi", bank_code=bank_code, account_number="0690000050")

    with pytest.raises(Invalid) as error:
        rules.read(wrong)

    assert [one.field for one in error.value.violations] == [
        "recipient.bank_account.account_number"
    ]


def test_a_test_account_is_taken_however_it_is_grouped(rules: RecipientRules) -> None:
    grouped = BankAccount(holder_name="Ada Obi", bank_code="044", account_number="0690 0000-31")

    assert rules.read(grouped, test_accounts=True).account_number == "0690000031"
    with pytest.raises(Invalid):
        rules.read(grouped)
