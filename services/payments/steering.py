"""What a merchant may still change about a payment that exists: call it off before its payout, and
have money given back. Each is one transaction; the worker carries out what it decides."""

from dataclasses import dataclass

from services.payments.domain.payment import (
    CANCELLABLE,
    Payment,
    PaymentNotCancellable,
    State,
    read_transaction_id,
)
from services.payments.ports import Encode, StoredAnswer, WorkStore, WorkTransaction
from services.payments.steps import (
    Change,
    Work,
    call_off,
    is_untouched,
    may_be_refunded,
    refund_on_request,
)
from services.payments.usecases import Created, IdempotencyKeyReused
from services.shared.money import Money
from services.shared.rollback import repeated

REFUND = "RefundPayment"


@dataclass(frozen=True, kw_only=True)
class RefundOrder:
    """What a refund is asked for, read and validated; without an amount, all that is left."""

    merchant_id: str
    transaction_id: str
    idempotency_key: str
    fingerprint: bytes
    amount: Money | None


class Steering:
    """Cancels and refunds payments."""

    def __init__(self, store: WorkStore, encode: Encode) -> None:
        self._store = store
        self._encode = encode

    @repeated
    async def cancel(self, merchant_id: str, transaction_id: str) -> Payment:
        """The payment, called off: at once where nothing has been sent for it, and otherwise as
        soon as it is known what became of the collection.

        Raises PaymentNotFound, or PaymentNotCancellable once the payout has begun.
        """
        payment_id = read_transaction_id(transaction_id)
        async with self._store.begin() as transaction:
            payment, is_held_by_a_worker = await transaction.lock(merchant_id, payment_id)
            if payment.state is State.CANCELLED or payment.cancel_requested_at is not None:
                return payment
            if payment.state not in CANCELLABLE:
                raise PaymentNotCancellable(status=payment.status)
            payment = await transaction.request_cancel(payment)
            if not is_held_by_a_worker:
                payment = await self._cancel_now(transaction, payment)
            await transaction.commit()
        return payment

    async def _cancel_now(self, transaction: WorkTransaction, payment: Payment) -> Payment:
        work = await transaction.claim_one(payment.merchant_id, payment.id)
        change = _cancelling(work)
        if change is None:
            # request_cancel has made it due, and whoever goes on with it reads the wish.
            return payment
        return await _written(transaction, change)

    @repeated
    async def refund(self, order: RefundOrder) -> Created:
        """Begins a refund, once for its idempotency key.

        Raises PaymentNotFound, PaymentBusy, PaymentOnHold, PaymentNotRefundable, RefundTooLarge,
        or IdempotencyKeyReused.
        """
        payment_id = read_transaction_id(order.transaction_id)
        key = (order.merchant_id, order.idempotency_key)
        async with self._store.begin() as transaction:
            # The payment is locked first, so that a twin waits here and then reads the answer.
            await transaction.lock(order.merchant_id, payment_id)
            stored = await transaction.answer(key)
            if stored is None:
                work = await transaction.claim_one(order.merchant_id, payment_id)
                payment = await _written(transaction, refund_on_request(work, order.amount))
                own = StoredAnswer(fingerprint=order.fingerprint, response=self._encode(payment))
                stored = await transaction.keep_answer(key, own, payment_id, operation=REFUND)
                if stored is own:
                    await transaction.commit()
                    return Created(response=own.response, replayed=False)
        if stored.fingerprint != order.fingerprint:
            raise IdempotencyKeyReused
        if stored.refusal is not None:
            raise stored.refusal
        return Created(response=stored.response, replayed=True)


async def _written(transaction: WorkTransaction, change: Change) -> Payment:
    """The payment as it stands once the change is written."""
    await transaction.write([change])
    payment, _ = await transaction.lock(change.payment.merchant_id, change.payment.id)
    return payment


def _cancelling(work: Work) -> Change | None:
    """What calls the payment off at once; None where the provider must be asked first, or a person
    must decide before."""
    if not may_be_refunded(work.payment):
        return None
    if work.payment.state in (State.FUNDED, State.CONVERTED):
        return refund_on_request(work, None)
    return call_off(work) if is_untouched(work) else None
