"""Lost payments written again on PostgreSQL: each with its key, its quote, its attempts and its
postings in one transaction, so that a recovery may end anywhere and be done again."""

from base64 import urlsafe_b64decode
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import cast

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base.convert import encode_payment
from services.payments.base.idempotency import named_by
from services.payments.base.unreadable_rows import UnreadableRows
from services.payments.engine.quarantine import Patience
from services.payments.model.attempt import AttemptState
from services.payments.model.causes import Cause
from services.payments.model.holds import HoldReason
from services.payments.model.operator import Operator
from services.payments.model.payment import ENDED, PaymentBusy, PaymentUnreadable
from services.payments.model.principal import MerchantId
from services.payments.operators.domain import Action
from services.payments.operators.store.operations import PostgresOperatorTransaction
from services.payments.orders.ports import NewPayment
from services.payments.orders.store.payments import create_one
from services.payments.recovery.ports import Explained, LostOperation
from services.payments.recovery.rebuilt import NotRebuildable, Rebuilt
from services.payments.recovery.taken_up import held
from services.payments.webhooks_out.notification import EncodeEvent
from services.payments.webhooks_out.store.outbox_writer import OutboxWriter
from services.shared.db import connected
from services.shared.db_errors import DatabaseMistake
from services.shared.ids import Prefix, encode_id

_QUOTE = text(
    "SELECT payment_id FROM quotes WHERE merchant_id = :merchant_id AND id = :id FOR UPDATE"
)
_OWNER_OF_KEY = text(
    "SELECT payment_id FROM idempotency_keys WHERE merchant_id = :merchant_id AND key = :key"
)
# Its request has come again, and was taken, before anybody knew that it was lost.
_AGAIN = text(
    """
    SELECT id, state, hold_reason FROM payments
     WHERE merchant_id = :merchant_id AND key_digest = :key_digest AND id > :id
     ORDER BY id LIMIT 1
    """
)
# A request has left for it, when its provider says.
_SENT = text(
    """
    UPDATE attempts
       SET sent_at = least(CAST(:made_at AS timestamptz), now()), sends = 1,
           last_sent_at = now(), leaves_until = now()
     WHERE merchant_id = :merchant_id AND payment_id = :payment_id AND key = :key
    """
)
# Nobody knows whom it would be paid to: what its onramp still collects goes back to the payer.
_CANCEL = text(
    "UPDATE payments SET cancel_requested_at = now() WHERE merchant_id = :merchant_id AND id = :id"
)
_RECOVERED = f"""
    SELECT merchant_id, payment_id FROM payment_events
     WHERE cause = '{Cause.PAYMENT_RECOVERED}' AND sequence = 2
       AND occurred_at > coalesce(CAST(:since AS timestamptz), '-infinity')
"""
_PAYMENTS = text(f"SELECT payment_id FROM ({_RECOVERED}) AS recovered ORDER BY payment_id")
_BALANCES = text(
    f"""
    SELECT account, currency, sum(amount)::bigint AS balance
      FROM postings JOIN ({_RECOVERED}) AS recovered USING (merchant_id, payment_id)
     CROSS JOIN LATERAL (
           VALUES (debit, amount_minor), (credit, -amount_minor)) AS sides(account, amount)
     GROUP BY account, currency HAVING sum(amount) <> 0 ORDER BY account, currency
    """
)
_CAME_AGAIN = "its request has come again"


class _Transaction(PostgresOperatorTransaction):
    async def create(self, rebuilt: Rebuilt) -> bool:
        """Occupies the key and writes the payment as it was created; False where the database has
        it by now. Raises NotRebuildable."""
        payment, quote = rebuilt.lost.payment, rebuilt.lost.quote
        named = {"merchant_id": quote.merchant_id, "id": quote.id}
        known = (await self._connection.execute(_QUOTE, named)).one_or_none()
        if known is not None and known.payment_id not in (None, payment.id):
            raise NotRebuildable("its quote is another payment's")
        # No caller's key is like this one.
        key = (cast("MerchantId", payment.merchant_id), named_by(payment.key_digest))
        new = NewPayment(
            key=key,
            fingerprint=urlsafe_b64decode(f"{payment.request_digest}="),
            response=encode_payment(payment),
            payment=payment,
            quote=quote,
            quote_exists=known is not None,
        )
        if await create_one(self._connection, new):
            return True
        owner = await self._connection.execute(
            _OWNER_OF_KEY, {"merchant_id": key[0], "key": key[1]}
        )
        if owner.scalar_one() != payment.id:
            raise NotRebuildable("its idempotency key is another payment's")
        return False

    async def hold_again(
        self, rebuilt: Rebuilt, operator: Operator, operations: Sequence[LostOperation]
    ) -> str:
        """The payment that the same request has made again, which is held from now on; empty where
        one of the two moves no money any more. Raises NotRebuildable where it is busy."""
        payment = rebuilt.lost.payment
        asked = {
            "merchant_id": payment.merchant_id,
            "key_digest": payment.key_digest,
            "id": payment.id,
        }
        again = (await self._connection.execute(_AGAIN, asked)).one_or_none()
        if again is None or again.state in ENDED or rebuilt.payment.state in ENDED:
            return ""
        name = encode_id(Prefix.PAYMENT, again.id)
        if again.hold_reason == HoldReason.RECOVERED:
            return name
        try:
            work = await self.claim_one(payment.merchant_id, again.id)
        except (PaymentBusy, PaymentUnreadable) as refusal:
            raise NotRebuildable(f"{_CAME_AGAIN} as {name}: {refusal.message}") from None
        change = held(work.payment, operator.actor, work.payment.hold_reason or "")
        if not await self.write([replace(change, lease_token=work.lease_token)]):
            raise NotRebuildable(f"{_CAME_AGAIN} as {name}, which somebody has changed meanwhile")
        await self.log(
            operator,
            Action.PLACE_HOLD,
            name,
            merchant_id=payment.merchant_id,
            provider_answer="; ".join(map(str, operations)),
        )
        return name

    async def change(self, rebuilt: Rebuilt) -> None:
        """All that has happened to it since."""
        payment = rebuilt.payment
        work = await self.claim_one(payment.merchant_id, payment.id)
        last = len(rebuilt.changes) - 1
        for at, change in enumerate(rebuilt.changes):
            leased = replace(change, lease_token=work.lease_token, keeps_lease=at < last)
            if not await self.write([leased]):
                raise NotRebuildable("somebody else has changed it meanwhile")
        collection = rebuilt.collection
        listed = {"merchant_id": payment.merchant_id, "payment_id": payment.id}
        listed |= {"key": collection.key, "made_at": rebuilt.made_at}
        await self._connection.execute(_SENT, listed)
        if collection.state is AttemptState.ACCEPTED:
            named = {"merchant_id": payment.merchant_id, "id": payment.id}
            await self._connection.execute(_CANCEL, named)


class PostgresRebuiltPayments:
    """The port RebuiltPayments on PostgreSQL."""

    def __init__(self, engine: AsyncEngine, encode_event: EncodeEvent) -> None:
        self._engine = engine
        self._outbox = OutboxWriter(encode_event)
        self._unreadable = UnreadableRows(engine, None)

    async def write(
        self, rebuilt: Rebuilt, operator: Operator, operations: Sequence[LostOperation]
    ) -> None:
        """See RebuiltPayments.write."""
        try:
            async with connected(self._engine) as connection:
                transaction = _Transaction(connection, self._outbox, Patience(), self._unreadable)
                again = await transaction.hold_again(rebuilt, operator, operations)
                if again:
                    await transaction.commit()
                    raise NotRebuildable(f"{_CAME_AGAIN} as {again}: one of the two is too much")
                if await transaction.create(rebuilt):
                    await transaction.change(rebuilt)
                    await transaction.log(
                        operator,
                        Action.RECOVER_PAYMENT,
                        rebuilt.payment.transaction_id,
                        merchant_id=rebuilt.payment.merchant_id,
                        provider_answer="; ".join(map(str, operations)),
                    )
                    await transaction.commit()
        except DatabaseMistake as mistake:
            # Somebody has changed the text at the onramp.
            raise NotRebuildable(f"the database does not take it: {mistake}") from None

    async def explained(self, since: datetime | None) -> Explained:
        """See RebuiltPayments.explained."""
        async with connected(self._engine) as connection:
            found = await connection.execute(_PAYMENTS, {"since": since})
            names = [encode_id(Prefix.PAYMENT, row.payment_id) for row in found]
            balances = await connection.execute(_BALANCES, {"since": since})
            return Explained(
                transaction_ids=tuple(names),
                balances={(row.account, row.currency): row.balance for row in balances},
            )
