"""`uvicorn tests.benchmarks.baseline.app:make --factory`: creates payments, and nothing else."""

import hashlib
import json
import os
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import FastAPI, Header, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from services.shared.ids import encode_id, new_id
from tests.benchmarks.baseline.models import IdempotencyKey, Payment, PaymentEvent, Quote
from tests.benchmarks.baseline.pricing import Corridor, Price, Refused, load_corridors, price

MERCHANT = "sandbox"
POOL_SIZE = 20
KEY = re.compile(r"[A-Za-z0-9._:-]{1,255}", re.ASCII)


# The kinds of recipient, each with its fields.
Recipient = dict[Literal["bank_account", "mobile_money", "wallet"], dict[str, str]]


class Order(BaseModel):
    """The request for a payment."""

    model_config = ConfigDict(extra="forbid")

    user_id: UUID
    amount_usd: Decimal = Field(gt=0, decimal_places=2, max_digits=15)
    destination_currency: str = Field(pattern=r"^[A-Z]{3}$")
    recipient: Recipient = Field(default={}, max_length=1)
    payment_method: str = Field(default="", max_length=255)
    reference: str = Field(default="", max_length=140)


def make() -> FastAPI:
    """The application on the database at DATABASE_URL."""
    url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, pool_size=POOL_SIZE, max_overflow=0)
    sessions = async_sessionmaker(engine, expire_on_commit=False, autoflush=False)
    corridors = load_corridors()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan, openapi_url=None)

    @app.post("/api/payments")
    async def create_payment(
        order: Order, request: Request, idempotency_key: Annotated[str, Header()]
    ) -> Response:
        if not KEY.fullmatch(idempotency_key):
            raise HTTPException(400, "the idempotency key is malformed")
        corridor = corridors.get(order.destination_currency)
        if corridor is None:
            raise HTTPException(400, "no corridor leads to this currency")
        fingerprint = hashlib.sha256(order.model_dump_json().encode()).digest()
        async with sessions() as session:
            known = await session.get(IdempotencyKey, (MERCHANT, idempotency_key))
            if known:
                return replay(known, fingerprint)
            try:
                priced = price(order.amount_usd, corridor)
            except Refused as refusal:
                raise HTTPException(400, str(refusal)) from None
            trace = request.headers.get("traceparent", "")[3:35] or secrets.token_hex(16)
            body = store(session, order, idempotency_key, fingerprint, corridor, priced, trace)
            try:
                await session.commit()
            except IntegrityError:
                await session.rollback()
                first = await session.get_one(IdempotencyKey, (MERCHANT, idempotency_key))
                return replay(first, fingerprint)
        return answer(body)

    @app.get("/healthz")
    async def healthz() -> Response:
        return Response()

    return app


def replay(known: Any, fingerprint: bytes) -> Response:
    """The first answer, if it was the same request."""
    if known.fingerprint != fingerprint:
        raise HTTPException(422, "the idempotency key was used with another request")
    return answer(known.response, {"idempotent-replayed": "true"})


def answer(body: bytes, headers: dict[str, str] | None = None) -> Response:
    """201, with the bytes that are kept."""
    return Response(body, 201, headers, media_type="application/json")


def store(  # noqa: PLR0917 - one noun a parameter
    session: AsyncSession,
    order: Order,
    key: str,
    fingerprint: bytes,
    corridor: Corridor,
    priced: Price,
    trace_id: str,
) -> bytes:
    """Adds the rows of a new payment to the session; returns what is answered."""
    now = datetime.now(UTC)
    quote = make_quote(corridor, priced, order, now)
    payment = make_payment(order, quote, corridor, priced, now)
    payment.trace_id = trace_id
    quote.payment_id = payment.id
    body = json.dumps(shown(payment, priced), separators=(",", ":")).encode()
    session.add_all(
        (
            quote,
            payment,
            PaymentEvent(
                merchant_id=MERCHANT,
                payment_id=payment.id,
                sequence=1,
                to_state="CREATED",
                actor="api",
                cause="payment_created",
                evidence={},
                trace_id=trace_id,
                occurred_at=now,
            ),
            IdempotencyKey(
                merchant_id=MERCHANT,
                key=key,
                fingerprint=fingerprint,
                response=body,
                payment_id=payment.id,
                operation="CreatePayment",
                created_at=now,
            ),
        )
    )
    return body


def make_quote(corridor: Corridor, priced: Price, order: Order, now: datetime) -> Any:
    """The quote, with its whole trail."""
    return Quote(
        merchant_id=MERCHANT,
        id=new_id(),
        corridor_id=corridor.id,
        terms={
            "amount_minor": minor(order.amount_usd),
            "fees": fee_lines(priced),
            "fee_minor": minor(priced.fee),
            "net_minor": minor(priced.net),
            "payout_minor": minor(priced.payout, corridor.digits),
            "destination_currency": corridor.currency,
        },
        trail=corridor.trail,
        fee_schedule_version=corridor.version,
        created_at=now,
        expires_at=now + timedelta(seconds=corridor.lifetime_seconds),
    )


def make_payment(order: Order, quote: Any, corridor: Corridor, priced: Price, now: datetime) -> Any:
    """The payment, due now."""
    return Payment(
        merchant_id=MERCHANT,
        id=new_id(),
        user_id=order.user_id,
        quote_id=quote.id,
        corridor_id=corridor.id,
        amount_minor=quote.terms["amount_minor"],
        fee_minor=quote.terms["fee_minor"],
        net_minor=quote.terms["net_minor"],
        fees=quote.terms["fees"],
        destination_currency=corridor.currency,
        payout_minor=quote.terms["payout_minor"],
        rate=corridor.rate,
        mid_rate=corridor.mid,
        markup_basis_points=corridor.markup,
        fixed_side="source",
        route={"onramps": corridor.onramps, "offramps": corridor.offramps},
        onramp=corridor.onramps[0],
        offramp=corridor.offramps[0],
        recipient=order.recipient,
        recipient_is_example=not order.recipient,
        account_check="",
        refund_fees="returned",
        payment_method=order.payment_method,
        reference=order.reference,
        state="CREATED",
        version=1,
        quote_expires_at=quote.expires_at,
        late_funds=corridor.late_funds,
        created_at=now,
        updated_at=now,
        due_at=now,
    )


def shown(payment: Any, priced: Price) -> dict[str, Any]:
    """The payment as the API shows it."""
    return {
        "transaction_id": encode_id("pay", payment.id),
        "status": "PENDING",
        "user_id": str(payment.user_id),
        "amount_usd": f"{Decimal(payment.amount_minor).scaleb(-2):f}",
        "fee_usd": f"{priced.fee:f}",
        "fees": [{"name": name, "amount_usd": f"{part:f}"} for name, part in priced.fees],
        "net_usd": f"{priced.net:f}",
        "destination_currency": payment.destination_currency,
        "fx_rate": f"{payment.rate.normalize():f}",
        "payout_amount": f"{priced.payout:f}",
        "quote_id": encode_id("quo", payment.quote_id),
        "onramp": payment.onramp,
        "offramp": payment.offramp,
        "reference": payment.reference,
        "created_at": payment.created_at.isoformat().replace("+00:00", "Z"),
        "updated_at": payment.updated_at.isoformat().replace("+00:00", "Z"),
        "refunded_usd": "0.00",
        "cancel_requested": False,
    }


def fee_lines(priced: Price) -> list[dict[str, Any]]:
    """The fees as they are kept."""
    return [{"name": name, "amount_minor": minor(part)} for name, part in priced.fees]


def minor(amount: Decimal, digits: int = 2) -> int:
    """An amount in minor units."""
    return int(amount.scaleb(digits))
