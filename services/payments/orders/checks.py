"""The account check of a payment: its result, the corridors that demand it, and the refusals that
follow. Nothing is asked here; checking does it, outside of every transaction and batch."""

from dataclasses import dataclass, replace

from services.payments.mesh.ports import HolderQuery
from services.payments.orders.payees import Payee
from services.shared.errors import Conflict, DomainError, NotAllowedNow
from services.shared.recipients import AccountCheck, Recipient
from services.shared.recipients.rules import CheckDemand


class RecipientNameMismatch(NotAllowedNow):
    """By its bank or network the account is not the named person's, or there is no such account."""

    reason = "RECIPIENT_NAME_MISMATCH"


class RecipientCheckUnavailable(Conflict):
    """Nobody could say whose the account is, and it must be known; retry with the same key."""

    reason = "RECIPIENT_CHECK_UNAVAILABLE"


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The answer about one recipient."""

    recipient: Recipient
    result: AccountCheck
    # Of the holder's name, where it is close to the one that was given; else empty.
    initials: str = ""


class CheckNeeded(DomainError):
    """The question has to be asked before the order can be carried out; it reaches no client."""

    def __init__(self, question: HolderQuery) -> None:
        super().__init__()
        self.question = question


def demanded(
    payee: Payee, checked: Checked | None, offramps: tuple[str, ...], currency: str
) -> Payee:
    """The recipient with the result of the check that its corridor demands.

    Raises CheckNeeded where this recipient was not asked about yet, RecipientNameMismatch, and
    RecipientCheckUnavailable unless the corridor's payments go on unchecked.
    """
    rules = payee.rules
    if rules is None or rules.account_check is not CheckDemand.REQUIRED:
        return payee
    if checked is None or checked.recipient != payee.recipient:
        raise CheckNeeded(
            HolderQuery(recipient=payee.recipient, currency=currency, providers=offramps)
        )
    if checked.result is AccountCheck.NO_MATCH:
        raise RecipientNameMismatch(field="recipient")
    if checked.result is AccountCheck.UNAVAILABLE and not rules.goes_on_unchecked:
        raise RecipientCheckUnavailable(field="recipient")
    return replace(payee, check=checked.result)
