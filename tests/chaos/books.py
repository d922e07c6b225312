"""The other two books: the simulator's, which says what really happened at the providers, and our
own database, read by its owner as plain rows. Nothing of our services is used to read them."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import aiohttp
import asyncpg

_BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True)
class BookLine:
    """One effect at a provider, in the order in which they happened."""

    provider: str
    effect: str
    key: str
    id: str
    transaction_id: str
    reference: str
    amount_minor: int
    currency: str
    at: str

    @property
    def time(self) -> datetime:
        """When it happened."""
        return datetime.fromisoformat(self.at)


@dataclass(frozen=True, kw_only=True)
class InboxEvent:
    """A webhook that we have taken, with the bytes that came."""

    provider: str
    event_id: str
    payment_id: str
    body: bytes


@dataclass(frozen=True, kw_only=True)
class PaymentRow:
    """A payment as it stands."""

    merchant_id: str
    id: UUID
    user_id: UUID
    quote_id: UUID
    amount_minor: int
    fee_minor: int
    net_minor: int
    fees: Any
    destination_currency: str
    payout_minor: int
    rate: Decimal
    mid_rate: Decimal
    markup_basis_points: int
    onramp: str
    offramp: str
    recipient: Any
    payment_method: str
    reference: str
    state: str
    version: int
    hold_reason: str | None
    cancel_requested_at: datetime | None
    refunded_minor: int
    quote_expires_at: datetime
    late_funds: Any
    created_at: datetime
    due_at: datetime | None
    lease_until: datetime | None
    # Until when it may wait for a person.
    deadline_at: datetime | None = None
    # Whether a refund gives the fees back too.
    refund_fees: str = "returned"

    @property
    def public_id(self) -> str:
        """The id that clients know."""
        return public_id("pay", self.id)


@dataclass(frozen=True, kw_only=True)
class AttemptRow:
    """An attempt at a step."""

    payment_id: UUID
    step: str
    number: int
    provider: str
    key: str
    amount_minor: int
    currency: str
    state: str
    provider_reference: str
    # The amount that its provider states to have moved, where that differs from the state's.
    moved_minor: int | None = None
    moved_currency: str | None = None
    # Since when nobody knows its outcome, where that is so.
    unknown_since: datetime | None = None
    failure_code: str | None = None
    # The recipient that a payout was sent with, where the payment has another one by now.
    recipient: Any = None
    refund_number: int | None = None


@dataclass(frozen=True, kw_only=True)
class EventRow:
    """One thing of a payment's history."""

    payment_id: UUID
    sequence: int
    from_state: str | None
    to_state: str
    actor: str
    cause: str
    evidence: Any
    occurred_at: datetime


@dataclass(frozen=True, kw_only=True)
class PostingRow:
    """One posting."""

    merchant_id: str
    payment_id: UUID
    sequence: int
    debit: str
    credit: str
    currency: str
    amount_minor: int
    cause: str


@dataclass(frozen=True, kw_only=True)
class BalanceRow:
    """A kept balance."""

    merchant_id: str
    account: str
    currency: str
    balance_minor: int


@dataclass(frozen=True, kw_only=True)
class KeyRow:
    """An idempotency key."""

    key: str
    payment_id: UUID
    operation: str


@dataclass(frozen=True, kw_only=True)
class QuoteRow:
    """A quote."""

    id: UUID
    payment_id: UUID | None
    created_at: datetime
    expires_at: datetime
    terms: Any


@dataclass(frozen=True, kw_only=True)
class InboxRow:
    """A webhook as the inbox has it."""

    provider: str
    event_id: str
    payment_id: UUID | None
    event_type: str
    step: str | None
    answer: Any
    state: str
    received_at: datetime


@dataclass(frozen=True, kw_only=True)
class OutboxRow:
    """An event for a merchant."""

    payment_id: UUID
    sequence: int
    endpoint_id: UUID
    event_type: str
    body: bytes
    state: str
    due_at: datetime
    lease_until: datetime | None


@dataclass(frozen=True, kw_only=True)
class RefundRow:
    """A refund."""

    id: UUID
    payment_id: UUID
    number: int
    amount_minor: int
    status: str


@dataclass(frozen=True, kw_only=True)
class DisputeRow:
    """A claim against a collection."""

    payment_id: UUID
    number: int
    provider: str
    kind: str
    status: str
    withdrawn_minor: int


@dataclass(frozen=True, kw_only=True)
class EndpointRow:
    """A merchant's endpoint."""

    id: UUID
    url: str
    secret: str
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Our whole database, of one moment."""

    now: datetime
    payments: Sequence[PaymentRow] = ()
    attempts: Sequence[AttemptRow] = ()
    events: Sequence[EventRow] = ()
    postings: Sequence[PostingRow] = ()
    balances: Sequence[BalanceRow] = ()
    keys: Sequence[KeyRow] = ()
    quotes: Sequence[QuoteRow] = ()
    inbox: Sequence[InboxRow] = ()
    outbox: Sequence[OutboxRow] = ()
    endpoints: Sequence[EndpointRow] = ()
    refunds: Sequence[RefundRow] = ()
    disputes: Sequence[DisputeRow] = ()


TABLES: Mapping[str, tuple[str, type[Any], str]] = {
    "payments": ("payments", PaymentRow, "id"),
    "attempts": ("attempts", AttemptRow, "payment_id, step, number"),
    "events": ("payment_events", EventRow, "payment_id, sequence"),
    "postings": ("postings", PostingRow, "payment_id, sequence, position"),
    "balances": ("balances", BalanceRow, "merchant_id, account, currency"),
    "keys": ("idempotency_keys", KeyRow, "key"),
    "quotes": ("quotes", QuoteRow, "created_at, id"),
    "inbox": ("webhook_inbox", InboxRow, "received_at"),
    "outbox": ("outbox", OutboxRow, "payment_id, sequence, position"),
    "endpoints": ("webhook_endpoints", EndpointRow, "created_at"),
    "refunds": ("refunds", RefundRow, "payment_id, number"),
    "disputes": ("disputes", DisputeRow, "payment_id, number"),
}
# After so long at most, as providers are declared, an unknown outcome is on hold.
UNKNOWN_AT_MOST = timedelta(minutes=30)


def public_id(prefix: str, value: UUID) -> str:
    """The id as clients know it."""
    digits = [_BASE32[value.int >> shift & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(digits)}"


async def read_ledger(owner_url: str) -> Ledger:
    """All of it, of one moment."""
    connection = await connect(owner_url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            tables: dict[str, Any] = {
                name: await _rows(connection, *where) for name, where in TABLES.items()
            }
            return Ledger(now=await connection.fetchval("SELECT now()"), **tables)
    finally:
        await connection.close()


async def inbox_events(owner_url: str) -> Sequence[InboxEvent]:
    """Every event that names one of our payments, for sending it again."""
    connection = await connect(owner_url)
    try:
        rows = await connection.fetch(
            "SELECT provider, event_id, payment_id, body FROM webhook_inbox "
            "WHERE payment_id IS NOT NULL ORDER BY received_at"
        )
    finally:
        await connection.close()
    return [
        InboxEvent(
            provider=row["provider"],
            event_id=row["event_id"],
            payment_id=public_id("pay", row["payment_id"]),
            body=row["body"],
        )
        for row in rows
    ]


async def let_time_pass(owner_url: str) -> None:
    """Lets the days pass after which a completed payout is looked up for the last time, and in
    which a merchant's endpoint is tried again; and the minutes between two looks at a hold."""
    connection = await connect(owner_url)
    try:
        # How long ago it was completed is counted from its last change.
        await connection.execute(
            "UPDATE payments SET updated_at = updated_at - (due_at - now()) - interval '1 minute', "
            "due_at = now() WHERE state = 'COMPLETED' AND due_at > now()"
        )
        # Half of the recipients that nobody has corrected are corrected by nobody.
        await connection.execute(
            "UPDATE payments SET deadline_at = now(), due_at = now() "
            "WHERE state = 'ACTION_REQUIRED' AND hold_reason IS NULL AND id::text ~ '[02468ace]$'"
        )
        # A hold that waits for an outcome alone is asked about only now and then.
        await connection.execute(
            "UPDATE payments SET due_at = now() WHERE hold_reason IS NOT NULL "
            "AND due_at IS DISTINCT FROM deadline_at"
        )
        await connection.execute(
            "UPDATE outbox SET due_at = now() WHERE state = 'PENDING' AND due_at > now()"
        )
    finally:
        await connection.close()


async def let_unknowns_age(owner_url: str) -> None:
    """Lets the time pass after which a person must see to what nobody knows. To be called when all
    else has come to its end."""
    columns = ("sent_at", "last_sent_at", "leaves_until", "unknown_since")
    earlier = ", ".join(f"{column} = {column} - $1::interval" for column in columns)
    statement = f"UPDATE attempts SET {earlier} WHERE state = 'UNKNOWN'"
    connection = await connect(owner_url)
    try:
        async with connection.transaction():
            await connection.execute(
                "UPDATE payments SET due_at = now() WHERE hold_reason IS NULL AND id IN "
                "(SELECT payment_id FROM attempts WHERE state = 'UNKNOWN')"
            )
            await connection.execute(statement, UNKNOWN_AT_MOST * 1.2)
    finally:
        await connection.close()


async def simulator_book(where: str | Path) -> Sequence[BookLine]:
    """The simulator's book, from its file or its address."""
    if isinstance(where, Path):
        whole = await asyncio.to_thread(where.read_bytes)
        lines = [json.loads(line) for line in whole[: whole.rfind(b"\n") + 1].splitlines()]
    else:
        async with aiohttp.ClientSession() as session, session.get(f"{where}/book") as answer:
            lines = await answer.json()
    names = [one.name for one in fields(BookLine)]
    return [BookLine(**{name: line[name] for name in names}) for line in lines]


async def connect(url: str) -> Any:
    """A connection to our database, which reads documents."""
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://"))
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads
    )
    return connection


async def _rows(connection: Any, table: str, row: type[Row], order: str) -> Sequence[Row]:
    names = [one.name for one in fields(row)]  # type: ignore[arg-type]
    found = await connection.fetch(f"SELECT {', '.join(names)} FROM {table} ORDER BY {order}")
    return [row(**dict(one)) for one in found]
