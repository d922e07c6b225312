"""Payments on hold as operators meet them over gRPC: released, resolved by a person, busy; who may
act, and how strictly it is read."""

from typing import Any
from uuid import uuid4

import pytest
from caravel.payments.v1 import admin_pb2, history_pb2, payments_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.engine.store.work import PostgresWork
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Step
from services.shared.deployment import Deployment
from tests.poison import (
    bring,
    claims,
    rows,
    run,
    set_aside_step,
)
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import (
    actions,
    discard,
    letters,
    new_payment,
    refused,
    release,
    requeue,
    resolve,
    unknown_payout,
)


async def test_a_released_hold_is_decided_again_by_the_evidence(
    service: Service, engine: AsyncEngine
) -> None:
    payment, transaction_id = await unknown_payout(engine)

    shown = await service.admin.ReleaseHold(release(transaction_id, note="asked the wallet"))
    await bring(engine, payment)
    await claims(engine).take(16)

    assert shown.status == payments_pb2.Payment.PROCESSING
    assert not shown.HasField("hold")
    assert await rows(engine, "SELECT state FROM payments") == [("COMPLETED",)]
    assert await actions(service) == [("ada", "RELEASE_HOLD", transaction_id, "asked the wallet")]


@pytest.mark.parametrize(
    ("outcome", "status", "attempt"),
    [
        ("SUCCEEDED", payments_pb2.Payment.COMPLETED, "SUCCEEDED"),
        ("FAILED", payments_pb2.Payment.REFUNDING, "FAILED"),
    ],
)
async def test_a_person_states_how_an_attempt_ended(
    service: Service, engine: AsyncEngine, outcome: str, status: int, attempt: str
) -> None:
    _, transaction_id = await unknown_payout(engine)
    service.providers.look_up_answers[Step.PAYOUT] = Answer(outcome=Outcome.ABSENT)

    shown = await service.admin.ResolveAttempt(
        resolve(transaction_id, outcome=outcome, provider_reference="w_7")
    )

    assert shown.status == status
    stored = "SELECT state, provider_reference FROM attempts WHERE step = 'payout'"
    assert await rows(engine, stored) == [(attempt, "w_7")]
    listed = await service.payments.ListPaymentEvents(
        history_pb2.ListPaymentEventsRequest(transaction_id=transaction_id)
    )
    resolved = next(event for event in listed.events if event.cause == "attempt_resolved")
    assert resolved.actor == "operator:ada"
    assert resolved.evidence["evidence"] == "statement, line 12"
    assert [action[1] for action in await actions(service)] == ["RESOLVE_ATTEMPT"]
    again = service.admin.ResolveAttempt(resolve(transaction_id, outcome=outcome))
    assert (await refused(again))[1] == "PAYMENT_NOT_ON_HOLD"


async def test_a_payment_without_an_open_attempt_has_nothing_to_resolve(
    service: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await unknown_payout(engine)
    await run(engine, "UPDATE attempts SET state = 'FAILED' WHERE step = 'payout'")

    answer = await refused(service.admin.ResolveAttempt(resolve(transaction_id)))

    assert answer[:2] == ("FAILED_PRECONDITION", "ATTEMPT_NOT_OPEN")


async def test_an_attempt_at_a_provider_that_is_gone_cannot_be_resolved(
    service: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await unknown_payout(engine)
    await run(engine, "UPDATE attempts SET provider = 'acme' WHERE step = 'payout'")

    answer = await refused(service.admin.ResolveAttempt(resolve(transaction_id)))

    assert answer[:2] == ("FAILED_PRECONDITION", "ATTEMPT_NOT_OPEN")


async def test_a_payment_that_is_not_on_hold_is_neither_released_nor_resolved(
    service: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await unknown_payout(engine)
    await run(engine, "UPDATE payments SET hold_reason = NULL")

    for call in (
        service.admin.ReleaseHold(release(transaction_id)),
        service.admin.ResolveAttempt(resolve(transaction_id)),
    ):
        assert (await refused(call))[:2] == ("FAILED_PRECONDITION", "PAYMENT_NOT_ON_HOLD")


@pytest.mark.parametrize("transaction_id", ["nonsense", "pay_01m83kn3s0e24t886s6p8k72tv"])
async def test_an_unknown_payment_is_refused(service: Service, transaction_id: str) -> None:
    for call in (
        service.admin.ReleaseHold(release(transaction_id)),
        service.admin.ResolveAttempt(resolve(transaction_id)),
    ):
        assert (await refused(call))[:2] == ("NOT_FOUND", "PAYMENT_NOT_FOUND")


async def test_a_payment_that_a_worker_has_now_is_busy(
    service: Service, engine: AsyncEngine
) -> None:
    payment = await new_payment(engine)
    await set_aside_step(engine, payment)
    (letter,) = await letters(service)
    await run(engine, "UPDATE payments SET due_at = now()")
    async with PostgresWork(engine).begin() as transaction:
        assert await transaction.claim("worker", limit=1, lease_seconds=30)
        await transaction.commit()

    for call in (
        service.admin.RequeueDeadLetter(requeue(letter.dead_letter_id)),
        service.admin.DiscardDeadLetter(discard(letter.dead_letter_id)),
        service.admin.ReleaseHold(release(letter.transaction_id)),
        service.admin.ResolveAttempt(resolve(letter.transaction_id)),
    ):
        assert await refused(call) == ("ABORTED", "PAYMENT_BUSY", "1")
    assert await actions(service) == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"note": "x" * 501}, "FIELD_INVALID"),
        ({"note": "a\x00b"}, "CHARACTER_FORBIDDEN"),
    ],
)
async def test_the_note_is_read_strictly(
    service: Service, fields: dict[str, str], reason: str
) -> None:
    letter = f"step_{uuid4().hex}"
    for call in (
        service.admin.RequeueDeadLetter(requeue(letter, **fields)),
        service.admin.DiscardDeadLetter(discard(letter, **fields)),
        service.admin.ReleaseHold(release(letter, **fields)),
        service.admin.ResolveAttempt(resolve(letter, **fields)),
    ):
        assert (await refused(call))[:2] == ("INVALID_ARGUMENT", reason)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"outcome": 0}, "FIELD_REQUIRED"),
        ({"outcome": 7}, "FIELD_INVALID"),
        ({"evidence": ""}, "FIELD_REQUIRED"),
        ({"evidence": "x" * 501}, "FIELD_INVALID"),
        ({"provider_reference": "x" * 256}, "FIELD_INVALID"),
        ({"moved_amount": "99.00"}, "FIELD_REQUIRED"),
        ({"moved_currency": "USD"}, "FIELD_REQUIRED"),
        ({"moved_amount": "99.00", "moved_currency": "ZZZ"}, "CURRENCY_UNKNOWN"),
        ({"moved_amount": "99.001", "moved_currency": "USD"}, "AMOUNT_PRECISION_EXCEEDED"),
        ({"moved_amount": "0", "moved_currency": "USD"}, "AMOUNT_NOT_POSITIVE"),
        (
            {"moved_amount": "99.00", "moved_currency": "USD", "outcome": 2},
            "FIELDS_CONTRADICTORY",
        ),
    ],
)
async def test_a_resolution_is_read_strictly(
    service: Service, fields: dict[str, Any], reason: str
) -> None:
    call = service.admin.ResolveAttempt(resolve("pay_1", **fields))

    assert (await refused(call))[:2] == ("INVALID_ARGUMENT", reason)


@pytest.mark.parametrize("service", [Deployment.LIVE], indirect=True)
async def test_outside_a_sandbox_nobody_is_an_operator_yet(service: Service) -> None:
    for call in (
        service.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest()),
        service.admin.RequeueDeadLetter(requeue("step_1")),
        service.admin.DiscardDeadLetter(discard("step_1")),
        service.admin.ReleaseHold(release("pay_1")),
        service.admin.ResolveAttempt(resolve("pay_1")),
        service.admin.ListOperatorActions(admin_pb2.ListOperatorActionsRequest()),
    ):
        assert (await refused(call))[:2] == ("UNAUTHENTICATED", "CREDENTIALS_MISSING")
