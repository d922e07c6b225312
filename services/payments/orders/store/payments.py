"""Payments and quotes: created in batches by one commit, read one by one or by page. A creation
writes its idempotency key, quote, payment and first event together or not at all."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments.base import rows, sources, tables, wake
from services.payments.base.batcher import Batcher
from services.payments.base.columns import columns, given, names, typed
from services.payments.base.counts import count_created
from services.payments.base.errors import describe
from services.payments.base.idempotency import IdempotencyKey, StoredAnswer
from services.payments.base.idempotency_store import read_answers
from services.payments.base.related import read_again
from services.payments.base.trail_rows import PRICING, with_pricing
from services.payments.base.unreadable import UnreadableRow, fetch_each, read_each
from services.payments.base.unreadable_rows import UnreadableRows
from services.payments.model.payment import (
    Payment,
    PaymentNotFound,
    RecordedEvent,
    UnreadableEvent,
    UnreadablePayment,
)
from services.payments.model.principal import MerchantId
from services.payments.model.quote import Quote, QuoteNotFound
from services.payments.orders.ports import NewPayment, PaymentFilter
from services.payments.orders.store.pages import page_of
from services.payments.webhooks_out.notification import EncodeEvent, of_payment
from services.payments.webhooks_out.store.outbox_writer import OutboxWriter, without_encoder
from services.shared.db import HotStatement, autocommitted, connected, transaction
from services.shared.db_errors import DatabaseMistake
from services.shared.errors import DomainError
from services.shared.ids import Prefix, encode_id
from services.shared.rollback import repeated

# All that a payment may have from the first; nothing has happened to it that moves would set, but
# its terms are agreed, which late money may change.
PAYMENT = tuple(
    c
    for c in given(tables.payments)
    if not (c.nullable and c.info) or c is tables.payments.c.replaced_mid_rate
)
_QUOTE, _EVENT = given(tables.quotes), given(tables.payment_events)


# One statement, because each would be a round trip; a creation whose key is taken writes nothing.
# Keys are inserted in order, so that two batches with the same keys wait and do not deadlock.
_CREATE = text(
    f"""
    WITH won AS (
        INSERT INTO idempotency_keys (merchant_id, key, fingerprint, response, payment_id)
        SELECT merchant_id, key, decode(fingerprint, 'hex'), decode(response, 'hex'), payment_id
          FROM json_to_recordset(CAST(:keys AS json))
            AS r(merchant_id text, key text, fingerprint text, response text, payment_id uuid)
         ORDER BY merchant_id, key
        ON CONFLICT DO NOTHING
        RETURNING merchant_id, key, payment_id
    ), quoted AS (
        INSERT INTO quotes ({names(_QUOTE)})
        SELECT {names(_QUOTE)}
          FROM json_to_recordset(CAST(:quotes AS json)) AS r({typed(_QUOTE)})
         WHERE payment_id = ANY (ARRAY(SELECT payment_id FROM won))
    ), paid AS (
        INSERT INTO payments ({names(PAYMENT)}, due_at)
        SELECT {names(PAYMENT)}, now()
          FROM json_to_recordset(CAST(:payments AS json)) AS r({typed(PAYMENT)})
         WHERE id = ANY (ARRAY(SELECT payment_id FROM won))
    ), noted AS (
        INSERT INTO payment_events ({names(_EVENT)})
        SELECT {names(_EVENT)}
          FROM json_to_recordset(CAST(:events AS json)) AS r({typed(_EVENT)})
         WHERE payment_id = ANY (ARRAY(SELECT payment_id FROM won))
    ), listening AS (
        SELECT merchant_id, json_agg(id) AS ids FROM webhook_endpoints
         WHERE disabled_at IS NULL AND merchant_id = ANY (ARRAY(SELECT merchant_id FROM won))
         GROUP BY merchant_id
    )
    SELECT merchant_id, key,
           (SELECT json_object_agg(merchant_id, ids) FROM listening) AS listening,
           (SELECT pg_notify('{wake.PAYMENTS}', '')) AS notified
      FROM won
    """
)
_CREATE_HOT = HotStatement(_CREATE)
_LOCK_QUOTES = text(
    f"""
    SELECT {columns(tables.quotes, "quotes")} FROM quotes
      JOIN json_to_recordset(CAST(:rows AS json)) AS r(merchant_id text, id uuid)
     USING (merchant_id, id)
     ORDER BY merchant_id, id FOR UPDATE OF quotes
    """
)
_USE_QUOTES = text(
    """
    UPDATE quotes SET payment_id = r.payment_id
      FROM json_to_recordset(CAST(:rows AS json)) AS r(merchant_id text, id uuid, payment_id uuid)
     WHERE quotes.merchant_id = r.merchant_id AND quotes.id = r.id
    """
)
_INSERT_QUOTES = text(
    f"""
    INSERT INTO quotes ({names(_QUOTE)})
    SELECT {names(_QUOTE)}
      FROM json_to_recordset(CAST(:rows AS json)) AS r({typed(_QUOTE)})
    """
)
_SELECT_PAYMENTS = text(
    f"""
    SELECT {columns(tables.payments, "p")}, {PRICING}
      FROM json_to_recordset(CAST(:rows AS json)) AS r(merchant_id text, id uuid)
     CROSS JOIN LATERAL (
           SELECT {columns(tables.payments)} FROM payments
            WHERE payments.merchant_id = r.merchant_id AND payments.id = r.id LIMIT 1
           ) AS p
      LEFT JOIN LATERAL (
           SELECT trail, terms, fee_schedule_version FROM quotes
            WHERE quotes.merchant_id = p.merchant_id AND quotes.id = p.quote_id LIMIT 1
           ) AS q ON true
    """
)
_NOW = text("SELECT now()")
# Payments read at once, batches of them under way, and how many may wait.
READ_MAX, READS, READS_WAITING_MAX = 64, 2, 2048


class PostgresPayments:
    """The port PaymentStore on PostgreSQL."""

    def __init__(
        self,
        engine: AsyncEngine,
        encode_event: EncodeEvent = without_encoder,
        decode_answer: Callable[[str, bytes], object] | None = None,
    ) -> None:
        """decode_answer raises for a stored answer that cannot be given again."""
        self._engine = engine
        self._unreadable = UnreadableRows(engine, decode_answer)
        self._reader = autocommitted(engine)
        self._outbox = OutboxWriter(encode_event)
        self._gets = Batcher[tuple[MerchantId, UUID], Payment](
            self._get,
            name="reads",
            largest_batch=READ_MAX,
            parallel=READS,
            waiting_max=READS_WAITING_MAX,
            beside_from=READ_MAX,
            group=itemgetter(0),
            drops_abandoned=True,
        )

    @repeated
    async def answers(
        self, keys: Sequence[IdempotencyKey]
    ) -> tuple[datetime, Mapping[IdempotencyKey, StoredAnswer]]:
        """See PaymentStore.answers."""
        async with connected(self._reader) as connection:
            return await read_answers(connection, self._unreadable, keys)

    @repeated
    async def create(self, new: Sequence[NewPayment]) -> Sequence[StoredAnswer | DomainError]:
        """See PaymentStore.create."""
        refused: dict[IdempotencyKey, DomainError] = {}
        async with connected(self._reader) as connection, transaction(connection):
            refused = await _refuse_quotes(connection, self._unreadable, new)
            usable = [item for item in new if item.key not in refused]
            won = await self._create(connection, usable) if usable else set()
            lost = [item.key for item in usable if item.key not in won]
            stored = await self._answers(connection, lost) if lost else {}
        results: list[StoredAnswer | DomainError] = []
        for item in new:
            key = item.key
            if key in won:
                count_created(item.payment)
            own = StoredAnswer(fingerprint=item.fingerprint, response=item.response)
            results.append(own if key in won else stored.get(key) or refused[key])
        return results

    async def _answers(
        self, connection: AsyncConnection, keys: Sequence[IdempotencyKey]
    ) -> Mapping[IdempotencyKey, StoredAnswer]:
        return (await read_answers(connection, self._unreadable, keys))[1]

    async def _create(
        self, connection: AsyncConnection, new: Sequence[NewPayment]
    ) -> set[IdempotencyKey]:
        """Writes all whose key is free; gives their keys."""
        created = await _CREATE_HOT.fetch(connection, _creation(new))
        won = {(row["merchant_id"], row["key"]) for row in created}
        winners = [item for item in new if item.key in won]
        if used := [_use_row(item) for item in winners if item.quote_exists]:
            await connection.execute(_USE_QUOTES, {"rows": rows.as_json(used)})
        if created and created[0]["listening"]:
            listening: Mapping[str, Sequence[str]] = created[0]["listening"]
            events = [of_payment(item.payment) for item in winners]
            await self._outbox.add(connection, events, listening)
        return won

    async def get(self, merchant_id: MerchantId, payment_id: UUID) -> Payment:
        """See PaymentStore.get; calls that come together share one read."""
        return await self._gets.submit((merchant_id, payment_id))

    @repeated
    async def _get(
        self, wanted: Sequence[tuple[MerchantId, UUID]]
    ) -> Sequence[Payment | DomainError]:
        asked = rows.as_json({"merchant_id": merchant, "id": id_} for merchant, id_ in wanted)
        try:
            async with connected(self._reader) as connection:
                found = (await connection.execute(_SELECT_PAYMENTS, {"rows": asked})).all()
        except DatabaseMistake as error:
            # The driver cannot read a value of one of these; of several, each is asked for alone.
            if len(wanted) > 1:
                raise
            merchant_id, payment_id = wanted[0]
            key = {"merchant_id": merchant_id, "id": payment_id}
            return [self._refuse(sources.PAYMENTS.of_key(key, describe(error)))]
        readable, unreadable = read_each(sources.PAYMENTS, found)
        whole, parts = await read_again(self._reader, [payment for _, payment in readable])
        refused = {row.payment_id: self._refuse(row) for row in (*unreadable, *parts)}
        row_of = {row.id: row for row, _ in readable}
        payments = {
            (payment.merchant_id, payment.id): self._priced(payment, row_of[payment.id])
            for payment in whole
        }
        return [
            payments.get(key)
            or refused.get(key[1])
            or PaymentNotFound(transaction_id=encode_id(Prefix.PAYMENT, key[1]))
            for key in wanted
        ]

    def _priced(self, payment: Payment, row: Row[Any]) -> Payment:
        """With the inputs of its price; without, where its quote cannot be read."""
        try:
            return with_pricing(payment, row)
        except Exception as error:  # noqa: BLE001 - the payment itself can be read
            quote = {"merchant_id": payment.merchant_id, "id": payment.quote_id}
            self._unreadable.note([sources.QUOTES.of_key(quote, describe(error))])
            return payment

    async def payment_of_refund(self, merchant_id: MerchantId, refund_id: UUID) -> UUID | None:
        """See PaymentStore.payment_of_refund."""
        table = tables.refunds
        query = select(table.c.payment_id).where(
            table.c.merchant_id == merchant_id, table.c.id == refund_id
        )
        async with connected(self._reader) as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    def _refuse(self, row: UnreadableRow) -> DomainError:
        self._unreadable.note([row])
        return row.as_refusal()

    @repeated
    async def page(
        self, merchant_id: MerchantId, wanted: PaymentFilter, *, before: UUID | None, limit: int
    ) -> Sequence[Payment | UnreadablePayment]:
        """See PaymentStore.page."""
        query = page_of(merchant_id, wanted, before, limit)
        page = await fetch_each(self._reader, sources.PAYMENTS, query)
        self._unreadable.note(row for row in page if isinstance(row, UnreadableRow))
        readable = [row for row in page if not isinstance(row, UnreadableRow)]
        whole, parts = await read_again(self._reader, readable)
        self._unreadable.note(parts)
        shown = {payment.id: payment for payment in whole}
        ids = [UUID(r.values[1]) if isinstance(r, UnreadableRow) else r.id for r in page]
        return [shown.get(id_) or UnreadablePayment(id=id_) for id_ in ids]

    @repeated
    async def events(
        self, merchant_id: MerchantId, payment_id: UUID
    ) -> Sequence[RecordedEvent | UnreadableEvent]:
        """See PaymentStore.events."""
        table = tables.payment_events
        query = (
            select(table)
            .where(table.c.merchant_id == merchant_id, table.c.payment_id == payment_id)
            .order_by(table.c.sequence)
        )
        history = await fetch_each(self._reader, sources.EVENTS, query)
        if not history:
            raise PaymentNotFound(transaction_id=encode_id(Prefix.PAYMENT, payment_id))
        self._unreadable.note(row for row in history if isinstance(row, UnreadableRow))
        return [
            UnreadableEvent(sequence=int(row.values[2])) if isinstance(row, UnreadableRow) else row
            for row in history
        ]

    @repeated
    async def add_quote(self, quote: Quote) -> None:
        """See PaymentStore.add_quote."""
        async with connected(self._engine) as connection:
            await connection.execute(
                _INSERT_QUOTES, {"rows": rows.as_json([rows.quote_row(quote, None)])}
            )
            await connection.commit()

    @repeated
    async def quotes(
        self, keys: Sequence[tuple[MerchantId, UUID]]
    ) -> tuple[datetime, Mapping[tuple[MerchantId, UUID], Quote]]:
        """See PaymentStore.quotes."""
        table = tables.quotes
        query = select(table).where(tuple_(table.c.merchant_id, table.c.id).in_(keys))
        async with connected(self._reader) as connection:
            now: datetime = (await connection.execute(_NOW)).scalar_one()
        found = await fetch_each(self._reader, sources.QUOTES, query)
        # Of one that cannot be read it is as if there were none.
        self._unreadable.note(row for row in found if isinstance(row, UnreadableRow))
        quotes = {(q.merchant_id, q.id): q for q in found if not isinstance(q, UnreadableRow)}
        return now, {key: quotes[key] for key in keys if key in quotes}


async def _refuse_quotes(
    connection: AsyncConnection, unreadable: UnreadableRows, new: Sequence[NewPayment]
) -> dict[IdempotencyKey, DomainError]:
    """Locks the quotes that are to be consumed; gives the items that may not consume theirs."""
    consuming = [item for item in new if item.quote_exists]
    if not consuming:
        return {}
    wanted = ({"merchant_id": i.quote.merchant_id, "id": i.quote.id} for i in consuming)
    found = await connection.execute(_LOCK_QUOTES, {"rows": rows.as_json(wanted)})
    now: datetime = (await connection.execute(_NOW)).scalar_one()
    readable, broken = read_each(sources.QUOTES, found.all())
    unreadable.note(broken)
    open_quotes = {(quote.merchant_id, quote.id): quote for _, quote in readable}
    refused: dict[IdempotencyKey, DomainError] = {}
    for item in consuming:
        quote = open_quotes.pop((item.quote.merchant_id, item.quote.id), None)
        try:
            if quote is None:
                raise QuoteNotFound(quote_id=item.quote.quote_id)
            quote.check_usable(item.payment.terms.amount, item.payment.terms.payout.currency, now)
        except DomainError as error:
            refused[item.key] = error
    return refused


async def create_one(connection: AsyncConnection, new: NewPayment) -> bool:
    """Writes one creation in its caller's transaction, without an event for merchants; False, and
    nothing written, where its key is taken."""
    won = (await connection.execute(_CREATE, _creation([new]))).all()
    if won and new.quote_exists:
        await connection.execute(_USE_QUOTES, {"rows": rows.as_json([_use_row(new)])})
    return bool(won)


def _creation(new: Sequence[NewPayment]) -> Mapping[str, str]:
    """The parameters of _CREATE."""
    made = [item for item in new if not item.quote_exists]
    return {
        "keys": rows.as_json(map(_key_row, new)),
        "quotes": rows.as_json(rows.quote_row(item.quote, item.payment.id) for item in made),
        "payments": rows.as_json(rows.payment_row(item.payment) for item in new),
        "events": rows.as_json(
            rows.event_row(item.payment, item.payment.created_event()) for item in new
        ),
    }


def _key_row(new: NewPayment) -> dict[str, Any]:
    return {
        "merchant_id": new.key[0],
        "key": new.key[1],
        "fingerprint": new.fingerprint.hex(),
        "response": new.response.hex(),
        "payment_id": new.payment.id,
    }


def _use_row(new: NewPayment) -> dict[str, Any]:
    quote = new.quote
    return {"merchant_id": quote.merchant_id, "id": quote.id, "payment_id": new.payment.id}
