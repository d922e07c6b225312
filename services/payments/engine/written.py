"""A change that no worker decided: written in the transaction of the verb, and read back."""

from services.payments.engine.decisions.facts import Change
from services.payments.engine.ports import WorkTransaction
from services.payments.model.payment import Payment


async def written(transaction: WorkTransaction, change: Change) -> Payment:
    """The payment as it stands once the change is written."""
    await transaction.write([change])
    payment, _ = await transaction.lock(change.payment.merchant_id, change.payment.id)
    return payment
