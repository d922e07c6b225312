"""Why a recipient could not be paid, for its merchant: our word, a sentence, and the field to
correct. The words of each provider are mapped to ours by its adapter."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A refusal of a recipient in words, and the field that it is about; empty where that is not
    known."""

    message: str
    field: str = ""


_ACCOUNT, _BANK, _NAME = "account", "bank_code", "name"
REFUSALS: Mapping[str, Refusal] = {
    "recipient_account_blocked": Refusal(
        message="The account takes no payments at present.", field=_ACCOUNT
    ),
    "recipient_account_closed": Refusal(message="The account is closed.", field=_ACCOUNT),
    "recipient_account_invalid": Refusal(message="There is no such account.", field=_ACCOUNT),
    "recipient_bank_unknown": Refusal(message="The provider knows no such bank.", field=_BANK),
    "recipient_invalid": Refusal(message="The provider cannot pay this recipient."),
    "recipient_limit_exceeded": Refusal(
        message="The amount is more than the account may receive.", field=_ACCOUNT
    ),
    "recipient_missing": Refusal(message="The payment names no recipient."),
    "recipient_name_mismatch": Refusal(
        message="The name is not that of the account's holder.", field=_NAME
    ),
    "recipient_unreachable": Refusal(message="The account cannot be reached.", field=_ACCOUNT),
}
OTHER = Refusal(message="The recipient cannot be paid.")


def refusal_of(code: str) -> Refusal:
    """The refusal that a failure's code stands for."""
    return REFUSALS.get(code, OTHER)
