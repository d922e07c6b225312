"""A merchant cancels a payment before its payout, or after its recipient was refused: at once, in
one transaction, where nothing can have been sent; otherwise the worker does it."""

from dataclasses import replace

from services.payments.engine.decisions.cancel_window import as_cancelled
from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.decisions.returns_and_refunds import (
    cancel_or_expire,
    is_untouched,
    may_be_refunded,
    refund_on_request,
)
from services.payments.engine.ports import WorkStore, WorkTransaction
from services.payments.engine.written import written
from services.payments.model.payment import (
    CANCELLABLE,
    Payment,
    PaymentNotCancellable,
    State,
    read_transaction_id,
)
from services.payments.model.principal import MerchantId
from services.shared.rollback import repeated


class Cancelling:
    """The cancel verb of merchants: at once where nothing was sent, else after the collection."""

    def __init__(self, store: WorkStore) -> None:
        self._store = store

    @repeated
    async def cancel(self, merchant_id: MerchantId, transaction_id: str) -> Payment:
        """The payment, cancelled: at once where nothing has been sent for it, and otherwise as soon
        as the outcome of the collection is known.

        Raises PaymentNotFound, or PaymentNotCancellable while a payout is under way, and after it.
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
            # request_cancel has made it due, and the worker reads the request.
            return payment
        return await written(transaction, change)


def _cancelling(work: Work) -> Change | None:
    """The change that cancels the payment at once; None where the provider must be asked first, or
    a person must decide before."""
    if not may_be_refunded(work.payment):
        return None
    work = replace(work, payment=as_cancelled(work.payment))
    if work.payment.state in (State.FUNDED, State.CONVERTED, State.ACTION_REQUIRED):
        return refund_on_request(work, None)
    return cancel_or_expire(work) if is_untouched(work) else None
