"""An operator's view of one payment, whoever its merchant is. Nothing is changed."""

from services.payments.model.payment import read_transaction_id
from services.payments.operators.ports import Inspected, InspectedPayment


class Inspecting:
    """Shows what operators ask for."""

    def __init__(self, inspected: Inspected) -> None:
        self._inspected = inspected

    async def payment(self, transaction_id: str) -> InspectedPayment:
        """One payment with its history. Raises PaymentNotFound, PaymentUnreadable."""
        return await self._inspected.payment(read_transaction_id(transaction_id))
