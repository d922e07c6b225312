"""A merchant's verb on one payment, once for its idempotency key: one transaction, which decides
and keeps the answer; the worker carries the decision out. Creation is apart, because it gathers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from services.payments.base.idempotency import Created, IdempotencyKey, StoredAnswer
from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.ports import WorkStore, WorkTransaction
from services.payments.engine.written import written
from services.payments.model.payment import Payment
from services.shared.rollback import repeated

Decide = Callable[[WorkTransaction, Work], Awaitable[Change]]
# The payment as it was written, and the change that was.
Answer = Callable[[Payment, Change], bytes]


@dataclass(frozen=True, kw_only=True)
class Verb:
    """A request to do something with a payment; the operation is the name of its RPC."""

    operation: str
    key: IdempotencyKey
    fingerprint: bytes
    payment_id: UUID


@repeated
async def once(store: WorkStore, verb: Verb, decide: Decide, answer: Answer) -> Created:
    """The answer under the verb's key: the one that is kept, or that of the decided change.

    Raises PaymentNotFound, PaymentBusy, PaymentUnreadable, IdempotencyKeyReused, and what `decide`
    raises.
    """
    merchant_id, _ = verb.key
    async with store.begin() as transaction:
        # The payment is locked first, so that a duplicate request waits here and then reads the
        # answer.
        await transaction.lock(merchant_id, verb.payment_id)
        stored = await transaction.answer(verb.key)
        if stored is None:
            work = await transaction.claim_one(merchant_id, verb.payment_id)
            change = await decide(transaction, work)
            payment = await written(transaction, change)
            own = StoredAnswer(fingerprint=verb.fingerprint, response=answer(payment, change))
            stored = await transaction.keep_answer(
                verb.key, own, verb.payment_id, operation=verb.operation
            )
            if stored is own:
                await transaction.commit()
                return Created(response=own.response, replayed=False)
    return stored.again(verb.key, verb.fingerprint)
