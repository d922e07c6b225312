"""The requests of the wire tests of AdminService, and the payments on hold that they begin with."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import grpc
import pytest
from caravel.payments.v1 import admin_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.attempt import Attempt, AttemptState, Step
from services.payments.model.payment import Failure, State
from services.payments.orders.store.payments import PostgresPayments
from services.payments.webhooks_out.convert import encode_event
from tests.makers import make_attempt, make_new_payment, make_quote
from tests.poison import run
from tests.wire.payments.conftest import Service

REFUSED = Failure(code="recipient_invalid", message="no such account")


async def refused(call: Any) -> tuple[str, str, str | None]:
    """Code, reason and retry-after of a refused call."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    trailers = dict(caught.value.trailing_metadata() or ())
    return caught.value.code().name, info.reason, trailers.get("retry-after")


async def new_payment(engine: AsyncEngine) -> UUID:
    """A payment that is due."""
    new = make_new_payment()
    await PostgresPayments(engine).create([new])
    return new.payment.id


async def unknown_payout(engine: AsyncEngine, merchant_id: str = "sandbox") -> tuple[UUID, str]:
    """A payment on hold over a payout that nobody knows the outcome of."""
    return await with_payout(
        engine, State.PAYING_OUT, AttemptState.UNKNOWN, "outcome_unknown", merchant_id=merchant_id
    )


async def unknown_collection(engine: AsyncEngine, provider_reference: str = "") -> str:
    """A payment on hold over a collection that nobody knows the outcome of."""
    payment = replace(make_new_payment().payment, id=await new_payment(engine))
    attempt = make_attempt(payment, Step.COLLECTION, AttemptState.UNKNOWN)
    await _add_attempt(engine, attempt, "1 day")
    await run(
        engine,
        "UPDATE attempts SET provider_reference = :reference WHERE payment_id = :id",
        id=payment.id,
        reference=provider_reference,
    )
    await run(
        engine,
        "UPDATE payments SET state = 'COLLECTING', hold_reason = 'outcome_unknown', due_at = NULL, "
        "waiting_since = now(), deadline_at = now() + interval '1 day' WHERE id = :id",
        id=payment.id,
    )
    return payment.transaction_id


async def refused_payout(engine: AsyncEngine, merchant_id: str = "sandbox") -> tuple[UUID, str]:
    """A payment whose recipient was refused by its only offramp."""
    return await with_payout(
        engine, State.ACTION_REQUIRED, AttemptState.FAILED, failure=REFUSED, merchant_id=merchant_id
    )


# A write-off of the money that with_suspense() leaves.
WRITTEN_OFF = {
    "amount_minor": 100,
    "credit": "adjustments:USD",
    "currency": "USD",
    "debit": "suspense:stripe:USD",
    "evidence": "statement, line 12",
}


async def with_suspense(engine: AsyncEngine) -> tuple[UUID, str]:
    """A payment whose onramp has taken a dollar more than it asked for."""
    payment_id, transaction_id = await refused_payout(engine)
    await run(
        engine,
        """
        INSERT INTO postings (merchant_id, payment_id, sequence, position, debit, credit, currency,
               amount_minor, cause)
        VALUES ('sandbox', :id, 1, 90, 'onramp:stripe:USD', 'suspense:stripe:USD', 'USD', 100,
                'collection_to_suspense')
        """,
        """
        INSERT INTO balances (merchant_id, account, currency, balance_minor)
        VALUES ('sandbox', 'onramp:stripe:USD', 'USD', 100),
               ('sandbox', 'suspense:stripe:USD', 'USD', -100)
        ON CONFLICT (merchant_id, account, currency)
        DO UPDATE SET balance_minor = balances.balance_minor + excluded.balance_minor
        """,
        """
        UPDATE attempts SET moved_minor = amount_minor + 100, moved_currency = currency
         WHERE payment_id = :id AND step = 'collection'
        """,
        id=payment_id,
    )
    return payment_id, transaction_id


async def with_payout(
    engine: AsyncEngine,
    state: State,
    payout: AttemptState | None,
    hold_reason: str | None = None,
    *,
    failure: Failure | None = None,
    merchant_id: str = "sandbox",
    sent: str = "1 day",
) -> tuple[UUID, str]:
    """A payment in this state, its collection done, with this attempt of its payout, sent so long
    ago; without one where it is None."""
    new = make_new_payment(quote=make_quote(merchant_id=merchant_id), merchant_id=merchant_id)
    payment = new.payment
    await PostgresPayments(engine, encode_event).create([new])
    attempts = [make_attempt(payment, Step.COLLECTION, AttemptState.SUCCEEDED)]
    if payout is not None:
        attempts.append(replace(make_attempt(payment, Step.PAYOUT, payout), failure=failure))
    for attempt in attempts:
        await _add_attempt(engine, attempt, sent)
    await run(
        engine,
        """
        UPDATE payments SET state = :state, hold_reason = :hold_reason, due_at = NULL,
               waiting_since = now(), deadline_at = now() + interval '1 day' WHERE id = :id
        """,
        id=payment.id,
        state=state,
        hold_reason=hold_reason,
    )
    return payment.id, payment.transaction_id


async def _add_attempt(engine: AsyncEngine, attempt: Attempt, sent: str) -> None:
    await run(
        engine,
        f"""
        INSERT INTO attempts (merchant_id, payment_id, step, number, provider, key,
               amount_minor, currency, state, provider_reference, inconclusive_count,
               sent_at, last_sent_at, leaves_until, failure_code, failure_message, sends)
        SELECT :merchant_id, :payment_id, :step, 1, :provider, :key, :amount, :currency,
               :state, '', 0, sent, sent, sent, :code, :message, 1
          FROM (SELECT CASE WHEN :state <> 'INTENDED' THEN now() - interval '{sent}' END
                    AS sent) AS at
        """,
        merchant_id=attempt.merchant_id,
        payment_id=attempt.payment_id,
        step=attempt.step,
        provider=attempt.provider,
        key=attempt.key,
        amount=attempt.amount.amount_minor,
        currency=attempt.amount.currency,
        state=attempt.state,
        code=attempt.failure.code if attempt.failure else None,
        message=attempt.failure.message if attempt.failure else None,
    )


async def letters(service: Service, **fields: Any) -> list[admin_pb2.DeadLetter]:
    listed = await service.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest(**fields))
    return list(listed.dead_letters)


async def actions(service: Service) -> list[tuple[str, str, str, str]]:
    listed = await service.admin.ListOperatorActions(admin_pb2.ListOperatorActionsRequest())
    return [(a.operator, a.action, a.subject, a.note) for a in listed.actions if not a.refusal]


async def refusals(service: Service) -> list[tuple[str, str, str, str]]:
    listed = await service.admin.ListOperatorActions(admin_pb2.ListOperatorActionsRequest())
    return [(a.operator, a.action, a.subject, a.refusal) for a in listed.actions if a.refusal]


def requeue(letter: str, **fields: str) -> admin_pb2.RequeueDeadLetterRequest:
    given = {"note": "mended", **fields}
    return admin_pb2.RequeueDeadLetterRequest(dead_letter_id=letter, **given)


def discard(letter: str, **fields: str) -> admin_pb2.DiscardDeadLetterRequest:
    given = {"note": "seen to", **fields}
    return admin_pb2.DiscardDeadLetterRequest(dead_letter_id=letter, **given)


def release(transaction_id: str, **fields: str) -> admin_pb2.ReleaseHoldRequest:
    return admin_pb2.ReleaseHoldRequest(transaction_id=transaction_id, **fields)


def resolve(transaction_id: str, **fields: Any) -> admin_pb2.ResolveAttemptRequest:
    given = {
        "evidence": "statement, line 12",
        "outcome": admin_pb2.ResolveAttemptRequest.SUCCEEDED,
    }
    return admin_pb2.ResolveAttemptRequest(transaction_id=transaction_id, **{**given, **fields})
