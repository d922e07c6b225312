"""The recipients that merchants name: checked by the corridor's rules before
anything is priced, and in a sandbox filled in by the corridor's example."""

from dataclasses import dataclass, field

from services.payments.mesh.ports import HolderQuery
from services.payments.model.payment import Payment
from services.payments.model.quote import Quote, QuoteMismatch
from services.shared.corridors import Corridors
from services.shared.deployment import Deployment
from services.shared.errors import DomainError, field_invalid
from services.shared.recipients import AccountCheck, Recipient
from services.shared.recipients.rules import (
    FIELD_REQUIRED,
    CheckDemand,
    KindRules,
    RecipientRules,
)


@dataclass(frozen=True, kw_only=True)
class Payee:
    """The recipient of a payment, as it will be sent."""

    recipient: Recipient
    # True where the request named none and the sandbox pays the corridor's example.
    is_example: bool = False
    # None where its corridor is gone and nothing was kept of it.
    rules: KindRules | None = field(default=None, compare=False)
    # The result of the account check, where its corridor demands one.
    check: AccountCheck | None = None


class Payees:
    """Finds the recipient of a payment or a quote."""

    def __init__(self, corridors: Corridors, *, deployment: Deployment) -> None:
        self._corridors = corridors
        self._has_default = deployment is Deployment.SANDBOX
        self._test_accounts = deployment is not Deployment.LIVE

    def check(self, given: Recipient | None, currency: str, country: str) -> None:
        """Raises Invalid with all that is wrong by the rules of the corridor, where there is one:
        to be reported beside other fields of the same request that are wrong."""
        try:
            rules = self._corridors.leading_to(currency, country).recipient_rules
        except DomainError:
            return
        if given is not None:
            rules.read(given, test_accounts=self._test_accounts)

    def of_quote(self, given: Recipient | None, currency: str, country: str) -> Recipient | None:
        """The recipient of a request for a quote; None where it names none.

        Raises Invalid, CorridorUnsupported, CorridorAmbiguous.
        """
        rules = self._corridors.leading_to(currency, country).recipient_rules
        return None if given is None else rules.read(given, test_accounts=self._test_accounts)

    def of_payment(self, given: Recipient | None, currency: str, country: str) -> Payee:
        """The recipient of a payment that brings no quote.

        Raises Invalid, CorridorUnsupported, CorridorAmbiguous.
        """
        return self._payee(given, self._corridors.leading_to(currency, country).recipient_rules)

    def under(self, quote: Quote, given: Recipient | None) -> Payee:
        """The recipient of a payment under its quote: the one that the quote was made for, or
        another of the same kind.

        Raises Invalid, QuoteMismatch, CorridorUnsupported.
        """
        asked = quote.recipient
        rules = quote.conditions and quote.conditions.recipients
        if given is None and asked is not None:
            return Payee(recipient=asked, rules=rules.kinds.get(asked.kind) if rules else None)
        if given is not None and asked is not None and given.kind is not asked.kind:
            raise QuoteMismatch(field="recipient")
        return self._payee(given, rules or self._corridors.get(quote.corridor_id).recipient_rules)

    def of_correction(self, payment: Payment, given: Recipient) -> Payee:
        """The recipient of a payment whose first one could not be paid.

        Raises Invalid, CorridorUnsupported.
        """
        return self._payee(given, self._corridors.get(payment.corridor_id).recipient_rules)

    def question(
        self, given: Recipient, currency: str, country: str
    ) -> tuple[Recipient, HolderQuery | None]:
        """The recipient as it would be sent, and the question whose its account is; None where the
        corridor does not offer that.

        Raises Invalid, CorridorUnsupported, CorridorAmbiguous.
        """
        corridor = self._corridors.leading_to(currency, country)
        recipient = corridor.recipient_rules.read(given, test_accounts=self._test_accounts)
        demand = corridor.recipient_rules.kinds[recipient.kind].account_check
        if demand is CheckDemand.NONE:
            return recipient, None
        providers = corridor.providers.offramps
        return recipient, HolderQuery(recipient=recipient, currency=currency, providers=providers)

    def offramps(self, currency: str, country: str) -> tuple[str, ...]:
        """The offramps of the corridor. Raises CorridorUnsupported, CorridorAmbiguous."""
        return self._corridors.leading_to(currency, country).providers.offramps

    def _payee(self, given: Recipient | None, rules: RecipientRules) -> Payee:
        if given is not None:
            read = rules.read(given, test_accounts=self._test_accounts)
            return Payee(recipient=read, rules=rules.kinds[read.kind])
        if not self._has_default:
            words = f"recipient is required, with one kind: {' or '.join(rules.kinds)}"
            raise field_invalid("recipient", words, FIELD_REQUIRED)
        example = rules.example
        return Payee(recipient=example, is_example=True, rules=rules.kinds[example.kind])
