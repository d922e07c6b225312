"""A merchant has money given back, and refunds are shown. The transaction is in verbs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.payments.base.idempotency import Created
from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.decisions.repeated_refunds import asked_for_again
from services.payments.engine.decisions.returns_and_refunds import refund_on_request, retry_refund
from services.payments.engine.ports import WorkStore, WorkTransaction
from services.payments.model.payment import Payment, read_transaction_id
from services.payments.model.principal import MerchantId
from services.payments.model.refund import (
    Refund,
    RefundNotFound,
    changed_refunds,
    read_refund_id,
    refund_of,
)
from services.payments.orders.ports import PaymentStore
from services.payments.orders.verbs import Verb, once
from services.shared.money import Money

CREATE, RETRY = "CreateRefund", "RetryRefund"
EncodeRefund = Callable[[Refund, Payment], bytes]


@dataclass(frozen=True, kw_only=True)
class RefundOrder:
    """A request for a refund, read and validated; without an amount, of all that is left."""

    merchant_id: MerchantId
    transaction_id: str
    idempotency_key: str
    fingerprint: bytes
    amount: Money | None
    # The merchant's own words; empty where there are none.
    reason: str = ""
    # Whether it is meant that the rest of the payment is not paid out any more.
    ends_payout: bool = False


@dataclass(frozen=True, kw_only=True)
class RetryOrder:
    """A request to try a failed refund again, read and validated."""

    merchant_id: MerchantId
    refund_id: str
    idempotency_key: str
    fingerprint: bytes


class Refunds:
    """Gives money back to payers, and shows what was given back."""

    def __init__(self, store: WorkStore, payments: PaymentStore, encode: EncodeRefund) -> None:
        self._store = store
        self._payments = payments
        self._encode = encode

    async def create(self, order: RefundOrder) -> Created:
        """Begins a refund, once for its idempotency key; one of a lost time, whose request this is
        once more, is answered as it is.

        Raises PaymentNotFound, IdempotencyKeyReused and what refund_on_request does.
        """
        payment_id = read_transaction_id(order.transaction_id)

        def decide(work: Work) -> Change:
            return asked_for_again(work, order.amount, order.reason) or refund_on_request(
                work, order.amount, reason=order.reason, ends_payout=order.ends_payout
            )

        return await self._once(order, payment_id, CREATE, decide)

    async def retry(self, order: RetryOrder) -> Created:
        """Has a refund that failed tried again, once for its idempotency key.

        Raises RefundNotFound, IdempotencyKeyReused and what retry_refund does.
        """
        refund, payment = await self._find(order.merchant_id, order.refund_id)

        def decide(work: Work) -> Change:
            return retry_refund(work, refund.number, actor="merchant")

        return await self._once(order, payment.id, RETRY, decide)

    async def of_payment(
        self, merchant_id: MerchantId, transaction_id: str
    ) -> tuple[Payment, Sequence[Refund]]:
        """A payment's refunds, the first one first. Raises PaymentNotFound, PaymentUnreadable."""
        payment = await self._payments.get(merchant_id, read_transaction_id(transaction_id))
        return payment, payment.refunds

    async def get(self, merchant_id: MerchantId, refund_id: str) -> tuple[Refund, Payment]:
        """A refund, and its payment as of the same moment. Raises RefundNotFound."""
        return await self._find(merchant_id, refund_id)

    async def _find(self, merchant_id: MerchantId, refund_id: str) -> tuple[Refund, Payment]:
        wanted = read_refund_id(refund_id)
        payment_id = await self._payments.payment_of_refund(merchant_id, wanted)
        if payment_id is not None:
            payment = await self._payments.get(merchant_id, payment_id)
            for refund in payment.refunds:
                if refund.id == wanted:
                    return refund, payment
        raise RefundNotFound(refund_id=refund_id)

    async def _once(
        self,
        order: RefundOrder | RetryOrder,
        payment_id: UUID,
        operation: str,
        decide: Callable[[Work], Change],
    ) -> Created:
        async def decided(_: WorkTransaction, work: Work) -> Change:
            return decide(work)

        verb = Verb(
            operation=operation,
            key=(order.merchant_id, order.idempotency_key),
            fingerprint=order.fingerprint,
            payment_id=payment_id,
        )
        return await once(self._store, verb, decided, self._answer)

    def _answer(self, payment: Payment, change: Change) -> bytes:
        """The refund that the request has begun, or has taken for its own."""
        [(_, asked)] = changed_refunds(change.before, change.payment)
        refund = refund_of(payment, asked.number)
        if refund is None:
            raise ValueError(f"{payment.transaction_id} has no refund {asked.number}")
        return self._encode(refund, payment)
