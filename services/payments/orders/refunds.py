"""A merchant has money given back, once for an idempotency key: one transaction, which decides;
the worker carries it out."""

from dataclasses import dataclass

from services.payments.base.idempotency import Created, IdempotencyKeyReused, StoredAnswer
from services.payments.base.view import Encode
from services.payments.engine.decisions.returns_and_refunds import refund_on_request
from services.payments.engine.ports import WorkStore
from services.payments.engine.written import written
from services.payments.model.payment import read_transaction_id
from services.shared.money import Money
from services.shared.rollback import repeated

REFUND = "RefundPayment"


@dataclass(frozen=True, kw_only=True)
class RefundOrder:
    """A request for a refund, read and validated; without an amount, of all that is left."""

    merchant_id: str
    transaction_id: str
    idempotency_key: str
    fingerprint: bytes
    amount: Money | None


class Refunds:
    """Gives money back to payers."""

    def __init__(self, store: WorkStore, encode: Encode) -> None:
        self._store = store
        self._encode = encode

    @repeated
    async def refund(self, order: RefundOrder) -> Created:
        """Begins a refund, once for its idempotency key.

        Raises PaymentNotFound, PaymentBusy, PaymentOnHold, PaymentNotRefundable, RefundTooLarge,
        or IdempotencyKeyReused.
        """
        payment_id = read_transaction_id(order.transaction_id)
        key = (order.merchant_id, order.idempotency_key)
        async with self._store.begin() as transaction:
            # The payment is locked first, so that a duplicate request waits here and then reads the
            # answer.
            await transaction.lock(order.merchant_id, payment_id)
            stored = await transaction.answer(key)
            if stored is None:
                work = await transaction.claim_one(order.merchant_id, payment_id)
                payment = await written(transaction, refund_on_request(work, order.amount))
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
