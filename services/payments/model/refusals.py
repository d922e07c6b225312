"""Why a recipient could not be paid, for its merchant: our word, a sentence, and the field to
correct. The words of each provider are mapped to ours by its adapter."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.shared.recipients import Recipient, given_fields
from services.shared.recipients.rules import path_of


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A refusal of a recipient in words, and the fields of which the first that was given is to be
    corrected; none where that is not known."""

    message: str
    fields: tuple[str, ...] = ()

    def field_of(self, recipient: Recipient) -> str:
        """The path of the field to correct, as a request names it; empty where it is not known."""
        given = given_fields(recipient)
        name = next((name for name in self.fields if name in given), "")
        return path_of(recipient.kind, name) if name else ""


_ACCOUNT = ("iban", "account_number", "clabe", "phone_number", "wallet_id")
_BANK = ("bank_code", "branch_code", "ifsc", "sort_code", "bic", "iban", "clabe", "operator")
_NAME = ("holder_name",)
REFUSALS: Mapping[str, Refusal] = {
    "recipient_account_blocked": Refusal(
        message="The account takes no payments at present.", fields=_ACCOUNT
    ),
    "recipient_account_closed": Refusal(message="The account is closed.", fields=_ACCOUNT),
    "recipient_account_invalid": Refusal(message="There is no such account.", fields=_ACCOUNT),
    "recipient_bank_unknown": Refusal(message="The provider knows no such bank.", fields=_BANK),
    "recipient_invalid": Refusal(message="The provider cannot pay this recipient."),
    "recipient_limit_exceeded": Refusal(
        message="The amount is more than the account may receive.", fields=_ACCOUNT
    ),
    "recipient_missing": Refusal(message="The payment names no recipient."),
    "recipient_name_mismatch": Refusal(
        message="The name is not that of the account's holder.", fields=_NAME
    ),
    "recipient_unreachable": Refusal(message="The account cannot be reached.", fields=_ACCOUNT),
}
OTHER = Refusal(message="The recipient cannot be paid.")


def refusal_of(code: str) -> Refusal:
    """The refusal that a failure's code stands for."""
    return REFUSALS.get(code, OTHER)
