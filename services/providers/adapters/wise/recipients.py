"""The recipients of Wise: a type for each currency, and its names for our fields.
Which fields are there, and their forms, the corridor's own rules have checked."""

from collections.abc import Callable, Mapping
from typing import Any

from services.providers.domain import Operation
from services.shared.recipients import BankAccount, MobileMoney

Json = dict[str, Any]
Details = Callable[[BankAccount], Json]


def _named(**names: str) -> Details:
    """Our fields under its names."""
    return lambda account: {theirs: getattr(account, ours) for theirs, ours in names.items()}


def _brazil(account: BankAccount) -> Json:
    is_person = len(account.tax_id) == 11
    return {**_BRANCHED(account), **_TYPED(account), "cpf" if is_person else "cnpj": account.tax_id}


def _bangladesh(account: BankAccount) -> Json:
    # The first three digits of the routing number are the bank.
    routing = account.branch_code or account.bank_code
    number = account.account_number
    return {"bankCode": routing[:3], "branchCode": routing, "accountNumber": number}


def _japan(account: BankAccount) -> Json:
    words = {"CHECKING": "CURRENT"}
    kind = account.account_type
    return {**_BRANCHED(account), "accountType": words.get(kind, kind)}


def _colombia(account: BankAccount) -> Json:
    # A firm's number has a check digit more than any person's that is in use.
    document = "NIT" if len(account.tax_id) == 10 else "CC"
    document_fields = {"idDocumentType": document, "idDocumentNumber": account.tax_id}
    return {**_BANK(account), **_TYPED(account), **document_fields}


_BANK = _named(bankCode="bank_code", accountNumber="account_number")
_BRANCHED = _named(bankCode="bank_code", branchCode="branch_code", accountNumber="account_number")
_TYPED = _named(accountType="account_type")
_IBAN = _named(IBAN="iban")
_SWIFT = _named(swiftCode="bic", accountNumber="account_number")
# The type of a bank account in each currency, and its details.
ACCOUNTS: Mapping[str, tuple[str, Details]] = {
    "BDT": ("bangladesh", _bangladesh),
    "BRL": ("brazil", _brazil),
    "COP": ("colombia", _colombia),
    "EUR": ("iban", _IBAN),
    "GBP": ("sort_code", _named(sortCode="sort_code", accountNumber="account_number")),
    "GHS": ("ghana_local", _BANK),
    "IDR": ("indonesian", _BANK),
    "INR": ("indian", _named(ifscCode="ifsc", accountNumber="account_number")),
    "JPY": ("japanese", _japan),
    "KES": ("kenya_local", _BANK),
    "MXN": ("mexican", _named(clabe="clabe")),
    "NGN": ("nigeria", _BANK),
    "PHP": ("philippines", _named(bankCode="bic", accountNumber="account_number")),
    "PKR": ("iban", _IBAN),
    "VND": ("vietname_earthport", _SWIFT),
}
PHONES: Mapping[str, str] = {"KES": "kenya_mobile"}


def recipient_body(operation: Operation, profile_id: str) -> Json | None:
    """The request to register its recipient; None where there is none, or Wise pays no such one."""
    recipient, currency = operation.recipient, operation.amount.currency
    if isinstance(recipient, BankAccount) and currency in ACCOUNTS:
        kind, details_of = ACCOUNTS[currency]
        details = details_of(recipient)
    elif isinstance(recipient, MobileMoney) and currency in PHONES:
        kind, details = PHONES[currency], {"accountNumber": recipient.phone_number.lstrip("+")}
    else:
        return None
    if not all(details.values()):
        return None
    return {
        "profile": int(profile_id),
        "accountHolderName": recipient.holder_name,
        "currency": currency,
        "type": kind,
        "details": {"legalType": "PRIVATE", **details},
    }
