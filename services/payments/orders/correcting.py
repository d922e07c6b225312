"""A merchant corrects the recipient of a payment, and the worker pays out again. The transaction is
in verbs."""

from dataclasses import dataclass, replace

from services.payments.base.idempotency import Created
from services.payments.base.view import Encode
from services.payments.engine.decisions.corrections import Corrected, correct
from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.ports import WorkStore, WorkTransaction
from services.payments.model.payment import Payment, read_transaction_id
from services.payments.model.principal import MerchantId
from services.payments.model.quote import Route
from services.payments.orders.checking import Checking
from services.payments.orders.checks import Checked, CheckNeeded, demanded
from services.payments.orders.payees import Payee, Payees
from services.payments.orders.routes import Routes
from services.payments.orders.verbs import Verb, once
from services.shared.recipients import Recipient

CORRECT = "CorrectRecipient"


@dataclass(frozen=True, kw_only=True)
class CorrectionOrder:
    """A request for another recipient, read; the recipient is as it was given."""

    merchant_id: MerchantId
    transaction_id: str
    idempotency_key: str
    fingerprint: bytes
    recipient: Recipient
    # The answer about it, once it was asked for.
    checked: Checked | None = None


class Correcting:
    """Corrects recipients."""

    def __init__(
        self,
        store: WorkStore,
        payees: Payees,
        checking: Checking,
        routes: Routes,
        encode: Encode,
    ) -> None:
        self._store = store
        self._payees = payees
        self._checking = checking
        self._routes = routes
        self._encode = encode

    async def correct(self, order: CorrectionOrder) -> Created:
        """Has the payment paid out to another recipient, once for its idempotency key.

        Raises PaymentNotFound, PaymentBusy, PaymentOnHold, PaymentNotCorrectable,
        PaymentUnreadable, Invalid, CorridorUnsupported, RailUnsupported, PayoutBelowMinimum,
        PayoutAboveMaximum, Unavailable, RecipientNameMismatch, RecipientCheckUnavailable,
        Overloaded, or IdempotencyKeyReused.
        """
        try:
            return await self._correct(order)
        except CheckNeeded as needed:
            checked = await self._checking.ask(needed.question)
        return await self._correct(replace(order, checked=checked))

    async def corrected(self, payment: Payment, given: Recipient) -> Corrected:
        """The recipient as it will be sent, the result of its account check where the corridor
        demands one, and the route. Raises what `correct` does about the recipient."""
        try:
            payee, route = self._payee(payment, given, None)
        except CheckNeeded as needed:
            checked = await self._checking.ask(needed.question)
            payee, route = self._payee(payment, given, checked)
        return Corrected(recipient=payee.recipient, check=payee.check, route=route)

    async def _correct(self, order: CorrectionOrder) -> Created:
        verb = Verb(
            operation=CORRECT,
            key=(order.merchant_id, order.idempotency_key),
            fingerprint=order.fingerprint,
            payment_id=read_transaction_id(order.transaction_id),
        )

        async def decide(transaction: WorkTransaction, work: Work) -> Change:
            payee, route = self._payee(work.payment, order.recipient, order.checked)
            before = await transaction.corrections(order.merchant_id, verb.payment_id)
            return correct(work, payee.recipient, payee.check, route, corrected_before=before)

        return await once(self._store, verb, decide, lambda payment, _: self._encode(payment))

    def _payee(
        self, payment: Payment, given: Recipient, checked: Checked | None
    ) -> tuple[Payee, Route]:
        payee = self._payees.of_correction(payment, given)
        route = self._routes.corrected(payment, payee.recipient)
        currency = payment.terms.payout.currency
        return demanded(payee, checked, route.offramps, currency), route
