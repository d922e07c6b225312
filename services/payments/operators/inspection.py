"""An operator's view of one payment, whoever its merchant is. Nothing is changed."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from services.payments.mesh.ports import CurrentCorridors
from services.payments.model.attempt import Capabilities
from services.payments.model.payment import Payment, read_transaction_id
from services.payments.operators.allowed import allowed_verbs, record_of
from services.payments.operators.inspected import Inspected, InspectedPayment
from services.payments.operators.payout_options import PayoutOptions, payout_options
from services.shared.corridors import CorridorUnsupported
from services.shared.errors import Unavailable


class Inspecting:
    """Shows what operators ask for."""

    def __init__(
        self,
        inspected: Inspected,
        corridors: CurrentCorridors,
        declared: Callable[[], Mapping[str, Capabilities]],
    ) -> None:
        """declared gives the newest declarations of the providers."""
        self._inspected = inspected
        self._corridors = corridors
        self._declared = declared

    async def payment(self, transaction_id: str, before_sequence: int | None) -> InspectedPayment:
        """One payment with all that is on record, its events and postings before this number.

        Raises PaymentNotFound, PaymentUnreadable.
        """
        payment_id = read_transaction_id(transaction_id)
        found = await self._inspected.payment(payment_id, before_sequence)
        options = await self._options(found.payment)
        verbs = allowed_verbs(record_of(found, self._declared()))
        return replace(found, options=options, verbs=verbs)

    async def _options(self, payment: Payment) -> PayoutOptions | None:
        """None where its corridor is gone, or not known now. The record is shown all the same."""
        try:
            corridor = (await self._corridors.current()).get(payment.corridor_id)
        except (CorridorUnsupported, Unavailable):
            return None
        declared = self._declared()
        return payout_options(payment, corridor, declared) if declared else None
