"""An operator's view of one payment, whoever its merchant is. Nothing is changed."""

from services.payments.model.payment import read_transaction_id
from services.payments.operators.inspected import Inspected, InspectedPayment


class Inspecting:
    """Shows what operators ask for."""

    def __init__(self, inspected: Inspected) -> None:
        self._inspected = inspected

    async def payment(self, transaction_id: str, before_sequence: int | None) -> InspectedPayment:
        """One payment with all that is on record, its events and postings before this number.

        Raises PaymentNotFound, PaymentUnreadable.
        """
        return await self._inspected.payment(read_transaction_id(transaction_id), before_sequence)
