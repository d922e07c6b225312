"""Shows how prices were made, from the stored facts alone; nothing is changed."""

from dataclasses import dataclass

from services.payments.disclosures.facts import disclosure_of, receipt_of
from services.payments.disclosures.ports import Stored
from services.payments.disclosures.wording import Worded, read_locale, worded
from services.payments.model.explanation import Result, Step, explain_payment, explain_quote
from services.payments.model.payment import (
    Payment,
    PaymentUnreadable,
    RecordedEvent,
    read_transaction_id,
)
from services.payments.model.principal import MerchantId
from services.payments.model.quote import Quote, QuoteNotFound, read_quote_id
from services.shared.ids import Prefix, encode_id


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The derivation of the price of a quote, or of a payment."""

    quote_id: str
    # Empty of a quote.
    transaction_id: str
    steps: tuple[Step, ...]

    def count(self, finding: Result) -> int:
        """How many steps have this finding."""
        return sum(step.finding is finding for step in self.steps)


class Disclosures:
    """Reads the facts of one price, and shows them."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored

    async def explain_quote(self, merchant_id: MerchantId, quote_id: str) -> Explanation:
        """The derivation of a quote. Raises QuoteNotFound."""
        quote = await self._quote(merchant_id, quote_id)
        return Explanation(quote_id=quote_id, transaction_id="", steps=explain_quote(quote))

    async def explain_payment(self, merchant_id: MerchantId, transaction_id: str) -> Explanation:
        """The derivation of a payment by the quote that priced it last. Raises PaymentNotFound,
        PaymentUnreadable."""
        payment = await self._stored.get(merchant_id, read_transaction_id(transaction_id))
        quote = await self._priced_by(merchant_id, payment)
        return Explanation(
            quote_id=encode_id(Prefix.QUOTE, payment.quote_id),
            transaction_id=transaction_id,
            steps=explain_payment(payment, quote),
        )

    async def of_quote(self, merchant_id: MerchantId, quote_id: str, locale: str) -> Worded:
        """The disclosure of a quote. Raises QuoteNotFound, DisclosureNotKept, LocaleUnsupported."""
        known = read_locale(locale)
        return worded(disclosure_of(await self._quote(merchant_id, quote_id)), known)

    async def receipt(self, merchant_id: MerchantId, transaction_id: str, locale: str) -> Worded:
        """The receipt of a payment. Raises PaymentNotFound, PaymentUnreadable, ReceiptNotReady,
        DisclosureNotKept, LocaleUnsupported."""
        known = read_locale(locale)
        payment = await self._stored.get(merchant_id, read_transaction_id(transaction_id))
        quote = await self._priced_by(merchant_id, payment)
        if quote is None:
            raise PaymentUnreadable(transaction_id=transaction_id)
        history = await self._stored.events(merchant_id, payment.id)
        recorded = [one for one in history if isinstance(one, RecordedEvent)]
        if len(recorded) < len(history):
            raise PaymentUnreadable(transaction_id=transaction_id)
        return worded(receipt_of(payment, quote, recorded), known)

    async def _priced_by(self, merchant_id: MerchantId, payment: Payment) -> Quote | None:
        """The quote that priced a payment last; None where it cannot be read."""
        key = (merchant_id, payment.quote_id)
        return (await self._stored.quotes([key]))[1].get(key)

    async def _quote(self, merchant_id: MerchantId, quote_id: str) -> Quote:
        key = (merchant_id, read_quote_id(quote_id))
        found = (await self._stored.quotes([key]))[1]
        if key not in found:
            raise QuoteNotFound(quote_id=quote_id)
        return found[key]
