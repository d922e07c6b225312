"""The requests of the wire tests of AdminService, and the payments on hold that they begin with."""

from typing import Any
from uuid import UUID

import grpc
import pytest
from caravel.payments.v1 import admin_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.attempt import AttemptState, Step
from services.payments.orders.store.payments import PostgresPayments
from tests.makers import make_attempt, make_new_payment, make_quote
from tests.poison import run
from tests.wire.payments.conftest import Service


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
    new = make_new_payment(quote=make_quote(merchant_id=merchant_id), merchant_id=merchant_id)
    payment = new.payment
    await PostgresPayments(engine).create([new])
    attempts = [
        make_attempt(payment, Step.COLLECTION, AttemptState.SUCCEEDED),
        make_attempt(payment, Step.PAYOUT, AttemptState.UNKNOWN),
    ]
    for attempt in attempts:
        await run(
            engine,
            """
            INSERT INTO attempts (merchant_id, payment_id, step, number, provider, key,
                   amount_minor, currency, state, provider_reference, inconclusive_count,
                   sent_at, last_sent_at, leaves_until)
            VALUES (:merchant_id, :payment_id, :step, 1, :provider, :key, :amount, :currency,
                    :state, '', 0, now() - interval '1 day', now() - interval '1 day',
                    now() - interval '1 day')
            """,
            merchant_id=merchant_id,
            payment_id=payment.id,
            step=attempt.step,
            provider=attempt.provider,
            key=attempt.key,
            amount=attempt.amount.amount_minor,
            currency=attempt.amount.currency,
            state=attempt.state,
        )
    await run(
        engine,
        """
        UPDATE payments SET state = 'PAYING_OUT', hold_reason = 'outcome_unknown', due_at = NULL,
               waiting_since = now(), deadline_at = now() + interval '1 day'
        """,
    )
    return payment.id, payment.transaction_id


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
