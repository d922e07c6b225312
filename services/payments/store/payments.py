"""Payments and quotes: created in batches by one commit, read one by one or by page. A creation
writes its idempotency key, quote, payment and first event together or not at all."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.payments import tables
from services.payments.domain.payment import Payment, PaymentNotFound, RecordedEvent
from services.payments.domain.quote import Quote, QuoteNotFound
from services.payments.ports import Encode, IdempotencyKey, NewPayment, PaymentFilter, StoredAnswer
from services.payments.store import rows, wake
from services.payments.store.merchant_news import MerchantNews, cannot_tell
from services.shared.db import connected
from services.shared.errors import DomainError
from services.shared.ids import encode_id

_PAYMENT_COLUMNS = """
    merchant_id text, id uuid, user_id uuid, quote_id uuid, corridor_id text, amount_minor bigint,
    fee_minor bigint, net_minor bigint, fees jsonb, destination_currency text, payout_minor bigint,
    rate numeric, mid_rate numeric, markup_basis_points smallint, route jsonb,
    onramp text, offramp text,
    recipient jsonb, payment_method text, reference text, trace_id text, state text,
    version integer, quote_expires_at timestamptz, late_funds jsonb,
    created_at timestamptz, updated_at timestamptz
"""
_QUOTE_COLUMNS = """
    merchant_id text, id uuid, corridor_id text, terms jsonb, trail jsonb,
    fee_schedule_version text, payment_id uuid, created_at timestamptz, expires_at timestamptz
"""
_EVENT_COLUMNS = """
    merchant_id text, payment_id uuid, sequence integer, from_state text, to_state text,
    actor text, cause text, evidence jsonb, trace_id text
"""


def _names(columns: str) -> str:
    return ", ".join(column.split()[0] for column in columns.split(","))


# Keys are inserted in order, so that two batches with the same keys wait and do not deadlock.
_INSERT_KEYS = text(
    """
    INSERT INTO idempotency_keys (merchant_id, key, fingerprint, response, payment_id)
    SELECT merchant_id, key, decode(fingerprint, 'hex'), decode(response, 'hex'), payment_id
      FROM json_to_recordset(CAST(:rows AS json))
        AS r(merchant_id text, key text, fingerprint text, response text, payment_id uuid)
     ORDER BY merchant_id, key
    ON CONFLICT DO NOTHING
    RETURNING merchant_id, key
    """
)
_SELECT_KEYS = text(
    """
    SELECT merchant_id, key, fingerprint, response
      FROM idempotency_keys
      JOIN json_to_recordset(CAST(:rows AS json)) AS r(merchant_id text, key text)
     USING (merchant_id, key)
    """
)
_LOCK_QUOTES = text(
    """
    SELECT quotes.* FROM quotes
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
    INSERT INTO quotes ({_names(_QUOTE_COLUMNS)})
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r({_QUOTE_COLUMNS})
    """
)
_INSERT_PAYMENTS = text(
    f"""
    INSERT INTO payments ({_names(_PAYMENT_COLUMNS)}, due_at)
    SELECT r.*, now() FROM json_to_recordset(CAST(:rows AS json)) AS r({_PAYMENT_COLUMNS})
    """
)
INSERT_EVENTS = text(
    f"""
    INSERT INTO payment_events ({_names(_EVENT_COLUMNS)})
    SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r({_EVENT_COLUMNS})
    """
)
_NOW = text("SELECT now()")


def _key(new: NewPayment) -> IdempotencyKey:
    return (new.payment.merchant_id, new.idempotency_key)


class PostgresPayments:
    """The port PaymentStore on PostgreSQL."""

    def __init__(self, engine: AsyncEngine, encode_event: Encode = cannot_tell) -> None:
        self._engine = engine
        self._merchants = MerchantNews(encode_event)

    async def answers(
        self, keys: Sequence[IdempotencyKey]
    ) -> tuple[datetime, Mapping[IdempotencyKey, StoredAnswer]]:
        """See PaymentStore.answers."""
        async with connected(self._engine) as connection:
            now: datetime = (await connection.execute(_NOW)).scalar_one()
            return now, await read_answers(connection, keys)

    async def create(self, new: Sequence[NewPayment]) -> Sequence[StoredAnswer | DomainError]:
        """See PaymentStore.create."""
        refused: dict[IdempotencyKey, DomainError] = {}
        async with connected(self._engine) as connection:
            refused = await _refuse_quotes(connection, new)
            usable = [item for item in new if _key(item) not in refused]
            won = await _insert_keys(connection, usable)
            winners = [item for item in usable if _key(item) in won]
            lost = [_key(item) for item in new if _key(item) not in won]
            stored = await read_answers(connection, lost) if lost else {}
            if winners:
                await _insert(connection, winners)
                await self._merchants.created(connection, [item.payment for item in winners])
                await connection.execute(wake.PAYMENTS_DUE)
            await connection.commit()
        results: list[StoredAnswer | DomainError] = []
        for item in new:
            key = _key(item)
            own = StoredAnswer(fingerprint=item.fingerprint, response=item.response)
            results.append(own if key in won else stored.get(key) or refused[key])
        return results

    async def get(self, merchant_id: str, payment_id: UUID) -> Payment:
        """See PaymentStore.get."""
        table = tables.payments
        query = select(table).where(table.c.merchant_id == merchant_id, table.c.id == payment_id)
        async with connected(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise PaymentNotFound(transaction_id=encode_id("pay", payment_id))
        return rows.read_payment(row)

    async def page(
        self, merchant_id: str, wanted: PaymentFilter, *, before: UUID | None, limit: int
    ) -> Sequence[Payment]:
        """See PaymentStore.page."""
        table = tables.payments
        conditions = [table.c.merchant_id == merchant_id, *_conditions(wanted)]
        if before is not None:
            conditions.append(table.c.id < before)
        query = select(table).where(*conditions).order_by(table.c.id.desc()).limit(limit)
        async with connected(self._engine) as connection:
            return [rows.read_payment(row) for row in await connection.execute(query)]

    async def events(self, merchant_id: str, payment_id: UUID) -> Sequence[RecordedEvent]:
        """See PaymentStore.events."""
        table = tables.payment_events
        query = (
            select(table)
            .where(table.c.merchant_id == merchant_id, table.c.payment_id == payment_id)
            .order_by(table.c.sequence)
        )
        async with connected(self._engine) as connection:
            history = [rows.read_event(row) for row in await connection.execute(query)]
        if not history:
            raise PaymentNotFound(transaction_id=encode_id("pay", payment_id))
        return history

    async def add_quote(self, quote: Quote) -> None:
        """See PaymentStore.add_quote."""
        async with connected(self._engine) as connection:
            await connection.execute(
                _INSERT_QUOTES, {"rows": rows.as_json([rows.quote_row(quote, None)])}
            )
            await connection.commit()

    async def quotes(
        self, keys: Sequence[tuple[str, UUID]]
    ) -> tuple[datetime, Mapping[tuple[str, UUID], Quote]]:
        """See PaymentStore.quotes."""
        table = tables.quotes
        query = select(table).where(tuple_(table.c.merchant_id, table.c.id).in_(keys))
        async with connected(self._engine) as connection:
            now: datetime = (await connection.execute(_NOW)).scalar_one()
            found = [rows.read_quote(row) for row in await connection.execute(query)]
        return now, {(quote.merchant_id, quote.id): quote for quote in found}


def _conditions(wanted: PaymentFilter) -> list[ColumnElement[bool]]:
    columns = tables.payments.c
    compare: tuple[tuple[object, Callable[[], ColumnElement[bool]]], ...] = (
        (wanted.user_id, lambda: columns.user_id == wanted.user_id),
        (
            wanted.destination_currency,
            lambda: columns.destination_currency == wanted.destination_currency,
        ),
        (wanted.created_after, lambda: columns.created_at >= wanted.created_after),
        (wanted.created_before, lambda: columns.created_at < wanted.created_before),
        (wanted.states, lambda: columns.state.in_(wanted.states or ())),
        (wanted.held, lambda: columns.hold_reason.is_not(None) == wanted.held),
        (wanted.sent, lambda: columns.sent_at.is_not(None) == wanted.sent),
    )
    return [condition() for value, condition in compare if value is not None]


async def read_answers(
    connection: AsyncConnection, keys: Sequence[IdempotencyKey]
) -> dict[IdempotencyKey, StoredAnswer]:
    """The first answers of those keys that have one."""
    wanted = rows.as_json({"merchant_id": merchant, "key": key} for merchant, key in keys)
    found = await connection.execute(_SELECT_KEYS, {"rows": wanted})
    return {
        (row.merchant_id, row.key): StoredAnswer(fingerprint=row.fingerprint, response=row.response)
        for row in found
    }


async def _refuse_quotes(
    connection: AsyncConnection, new: Sequence[NewPayment]
) -> dict[IdempotencyKey, DomainError]:
    """Locks the quotes that are to be consumed; gives the items that may not consume theirs."""
    consuming = [item for item in new if item.quote_exists]
    if not consuming:
        return {}
    wanted = ({"merchant_id": i.quote.merchant_id, "id": i.quote.id} for i in consuming)
    found = await connection.execute(_LOCK_QUOTES, {"rows": rows.as_json(wanted)})
    now: datetime = (await connection.execute(_NOW)).scalar_one()
    open_quotes = {(row.merchant_id, row.id): rows.read_quote(row) for row in found}
    refused: dict[IdempotencyKey, DomainError] = {}
    for item in consuming:
        quote = open_quotes.pop((item.quote.merchant_id, item.quote.id), None)
        try:
            if quote is None:
                raise QuoteNotFound(quote_id=item.quote.quote_id)
            quote.check_usable(item.payment.terms.amount, item.payment.terms.payout.currency, now)
        except DomainError as error:
            refused[_key(item)] = error
    return refused


async def _insert_keys(
    connection: AsyncConnection, new: Sequence[NewPayment]
) -> set[IdempotencyKey]:
    keys = rows.as_json(
        {
            "merchant_id": item.payment.merchant_id,
            "key": item.idempotency_key,
            "fingerprint": item.fingerprint.hex(),
            "response": item.response.hex(),
            "payment_id": item.payment.id,
        }
        for item in new
    )
    inserted = await connection.execute(_INSERT_KEYS, {"rows": keys})
    return {(row.merchant_id, row.key) for row in inserted}


async def _insert(connection: AsyncConnection, winners: Sequence[NewPayment]) -> None:
    made = [
        rows.quote_row(item.quote, item.payment.id) for item in winners if not item.quote_exists
    ]
    used = [
        {"merchant_id": i.quote.merchant_id, "id": i.quote.id, "payment_id": i.payment.id}
        for i in winners
        if i.quote_exists
    ]
    payments = [rows.payment_row(item.payment) for item in winners]
    events = [rows.event_row(i.payment, i.payment.created_event()) for i in winners]
    for statement, batch in (
        (_INSERT_QUOTES, made),
        (_USE_QUOTES, used),
        (_INSERT_PAYMENTS, payments),
        (INSERT_EVENTS, events),
    ):
        if batch:
            await connection.execute(statement, {"rows": rows.as_json(batch)})
