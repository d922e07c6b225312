"""Before an operator states how an attempt ended, its provider is asked: the statement is refused
where the provider says something else, and taken without its answer only where that is said."""

import asyncio
from dataclasses import replace
from typing import Any

import grpc
import pytest
from caravel.payments.v1 import admin_pb2, history_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Step
from services.payments.model.payment import Failure
from services.shared.money import Money
from tests.poison import rows, run
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import (
    REFUSED,
    actions,
    refusals,
    refused,
    resolve,
    unknown_collection,
    unknown_payout,
)

OUTCOMES = ("SUCCEEDED", "FAILED")
MAY_LEAVE = "UPDATE attempts SET leaves_until = {} WHERE step = 'payout'"
UNPAID = "SELECT state FROM attempts WHERE step = 'payout'"


def unknown(code: str) -> Answer:
    return Answer(outcome=Outcome.UNKNOWN, failure=Failure(code=code, message="no more is known"))


def _says(service: Service, answer: Answer) -> None:
    service.providers.look_up_answers[Step.PAYOUT] = answer


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("FAILED", Outcome.SUCCEEDED),
        ("FAILED", Outcome.PENDING),
        ("SUCCEEDED", Outcome.FAILED),
        ("SUCCEEDED", Outcome.PENDING),
    ],
)
@pytest.mark.parametrize("unreachable", [False, True])
async def test_a_statement_that_the_provider_contradicts_is_refused(
    service: Service, engine: AsyncEngine, stated: str, said: Outcome, unreachable: bool
) -> None:
    _, transaction_id = await unknown_payout(engine)
    _says(service, Answer(outcome=said, provider_reference="w_7", amount=Money(100, "NGN")))

    call = service.admin.ResolveAttempt(
        resolve(transaction_id, outcome=stated, provider_unreachable=unreachable)
    )

    assert (await refused(call))[:2] == ("FAILED_PRECONDITION", "PROVIDER_CONTRADICTS")
    assert await rows(engine, UNPAID) == [("UNKNOWN",)]
    assert await actions(service) == []
    assert await refusals(service) == [
        ("ada", "RESOLVE_ATTEMPT", transaction_id, "PROVIDER_CONTRADICTS")
    ]
    listed = await service.admin.ListOperatorActions(admin_pb2.ListOperatorActionsRequest())
    assert listed.actions[0].provider_answer == f"{said} w_7 1.00 NGN"


@pytest.mark.parametrize("stated", OUTCOMES)
async def test_a_statement_with_which_the_provider_agrees_is_taken(
    service: Service, engine: AsyncEngine, stated: str
) -> None:
    _, transaction_id = await unknown_payout(engine)
    _says(service, Answer(outcome=Outcome(stated), provider_reference="w_7"))

    await service.admin.ResolveAttempt(resolve(transaction_id, outcome=stated))

    assert await rows(engine, UNPAID) == [(stated,)]
    events = await service.payments.ListPaymentEvents(
        history_pb2.ListPaymentEventsRequest(transaction_id=transaction_id)
    )
    (resolved,) = [event for event in events.events if event.cause == "attempt_resolved"]
    assert resolved.evidence["provider_answer"] == f"{stated} w_7"


@pytest.mark.parametrize("stated", OUTCOMES)
@pytest.mark.parametrize(
    "answer",
    [
        Answer(outcome=Outcome.ABSENT),
        unknown("reference_unknown"),
        unknown("unknown_status"),
        unknown("amount_mismatch"),
        unknown("reference_mismatch"),
    ],
    ids=lambda answer: answer.code or answer.outcome,
)
async def test_a_statement_stands_where_the_providers_answer_settles_nothing(
    service: Service, engine: AsyncEngine, stated: str, answer: Answer
) -> None:
    _, transaction_id = await unknown_payout(engine)
    _says(service, answer)

    await service.admin.ResolveAttempt(resolve(transaction_id, outcome=stated))

    assert await rows(engine, UNPAID) == [(stated,)]


@pytest.mark.parametrize("stated", OUTCOMES)
@pytest.mark.parametrize("code", ["timeout", "provider_fault", "circuit_open"])
async def test_where_the_provider_cannot_be_asked_the_request_has_to_say_that_it_is_known(
    service: Service, engine: AsyncEngine, stated: str, code: str
) -> None:
    _, transaction_id = await unknown_payout(engine)
    _says(service, unknown(code))

    call = service.admin.ResolveAttempt(resolve(transaction_id, outcome=stated))
    assert (await refused(call))[:2] == ("FAILED_PRECONDITION", "PROVIDER_NOT_ASKED")
    assert await rows(engine, UNPAID) == [("UNKNOWN",)]

    await service.admin.ResolveAttempt(
        resolve(transaction_id, outcome=stated, provider_unreachable=True)
    )
    assert await rows(engine, UNPAID) == [(stated,)]
    listed = await service.admin.ListOperatorActions(admin_pb2.ListOperatorActionsRequest())
    assert [one.provider_answer for one in listed.actions] == ["not asked", ""]


@pytest.mark.parametrize("is_away", [False, True], ids=["absent", "not asked"])
async def test_nobody_states_a_failure_while_a_request_may_arrive(
    service: Service, engine: AsyncEngine, *, is_away: bool
) -> None:
    _, transaction_id = await unknown_payout(engine)
    await run(engine, MAY_LEAVE.format("now()"))
    _says(service, unknown("timeout") if is_away else Answer(outcome=Outcome.ABSENT))
    failed = resolve(transaction_id, outcome="FAILED", provider_unreachable=is_away)

    refusal = await refused(service.admin.ResolveAttempt(failed))
    assert refusal[:2] == ("FAILED_PRECONDITION", "ATTEMPT_MAY_ARRIVE")
    assert await rows(engine, UNPAID) == [("UNKNOWN",)]

    await run(engine, MAY_LEAVE.format("now() - interval '1 hour'"))
    await service.admin.ResolveAttempt(failed)
    assert await rows(engine, UNPAID) == [("FAILED",)]


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("FAILED", Answer(outcome=Outcome.FAILED, failure=REFUSED)),
        ("SUCCEEDED", Answer(outcome=Outcome.ABSENT)),
    ],
)
async def test_a_failure_that_the_provider_states_and_any_success_need_not_wait(
    service: Service, engine: AsyncEngine, stated: str, said: Answer
) -> None:
    _, transaction_id = await unknown_payout(engine)
    await run(engine, MAY_LEAVE.format("now()"))
    _says(service, said)

    await service.admin.ResolveAttempt(resolve(transaction_id, outcome=stated))

    assert await rows(engine, UNPAID) == [(stated,)]


COLLECTED = "SELECT collection_reference FROM payments"


async def test_a_stated_collection_needs_the_id_that_its_refund_will_name(
    service: Service, engine: AsyncEngine
) -> None:
    transaction_id = await unknown_collection(engine)
    service.providers.look_up_answers[Step.COLLECTION] = unknown("timeout")
    stated = {"transaction_id": transaction_id, "provider_unreachable": True}

    call = service.admin.ResolveAttempt(resolve(**stated))
    assert (await refused(call))[:2] == ("INVALID_ARGUMENT", "FIELD_REQUIRED")
    assert await rows(engine, "SELECT state FROM attempts") == [("UNKNOWN",)]

    await service.admin.ResolveAttempt(resolve(**stated, provider_reference="pi_1"))
    assert await rows(engine, COLLECTED) == [("pi_1",)]


@pytest.mark.parametrize(
    ("said", "before"),
    [
        (Answer(outcome=Outcome.SUCCEEDED, provider_reference="pi_1"), ""),
        (replace(unknown("amount_mismatch"), provider_reference="pi_1"), ""),
        (unknown("timeout"), "pi_1"),
    ],
    ids=["success", "amount_mismatch", "said_before"],
)
async def test_a_provider_that_has_said_its_id_is_not_contradicted(
    service: Service, engine: AsyncEngine, said: Answer, before: str
) -> None:
    transaction_id = await unknown_collection(engine, before)
    service.providers.look_up_answers[Step.COLLECTION] = said
    stated = {"transaction_id": transaction_id, "provider_unreachable": True}

    call = service.admin.ResolveAttempt(resolve(**stated, provider_reference="pi_2"))
    assert (await refused(call))[:2] == ("FAILED_PRECONDITION", "PROVIDER_CONTRADICTS")

    await service.admin.ResolveAttempt(resolve(**stated))
    assert await rows(engine, COLLECTED) == [("pi_1",)]


async def test_the_id_of_an_operation_that_is_not_ours_binds_nobody(
    service: Service, engine: AsyncEngine
) -> None:
    transaction_id = await unknown_collection(engine)
    foreign = replace(unknown("reference_mismatch"), provider_reference="pi_2")
    service.providers.look_up_answers[Step.COLLECTION] = foreign

    await service.admin.ResolveAttempt(resolve(transaction_id, provider_reference="pi_1"))

    assert await rows(engine, COLLECTED) == [("pi_1",)]


async def _two_collections(service: Service, engine: AsyncEngine) -> tuple[str, str]:
    """Two payments on hold over collections of which their provider says nothing."""
    service.providers.look_up_answers[Step.COLLECTION] = unknown("timeout")
    return await unknown_collection(engine), await unknown_collection(engine)


def _stated(transaction_id: str, **fields: Any) -> admin_pb2.ResolveAttemptRequest:
    fields = {"provider_unreachable": True, "provider_reference": "pi_1", **fields}
    return resolve(transaction_id, **fields)


@pytest.mark.parametrize("outcome", OUTCOMES)
async def test_the_id_of_another_payment_s_collection_proves_nothing(
    service: Service, engine: AsyncEngine, outcome: str
) -> None:
    first, second = await _two_collections(service, engine)
    await service.admin.ResolveAttempt(_stated(first))

    call = service.admin.ResolveAttempt(_stated(second, outcome=outcome))
    assert (await refused(call))[:2] == ("FAILED_PRECONDITION", "OPERATION_OF_ANOTHER_ATTEMPT")

    unchanged = "SELECT state FROM attempts ORDER BY created_at"
    assert await rows(engine, unchanged) == [("SUCCEEDED",), ("UNKNOWN",)]
    await service.admin.ResolveAttempt(_stated(second, provider_reference="pi_2"))
    assert await rows(engine, f"{COLLECTED} ORDER BY id") == [("pi_1",), ("pi_2",)]


async def test_of_two_statements_at_once_that_name_one_id_one_counts(
    service: Service, engine: AsyncEngine
) -> None:
    both = await _two_collections(service, engine)

    calls = (service.admin.ResolveAttempt(_stated(one)) for one in both)
    answers = await asyncio.gather(*calls, return_exceptions=True)

    assert [isinstance(one, grpc.aio.AioRpcError) for one in answers].count(True) == 1
    assert sorted(await rows(engine, COLLECTED)) == [("",), ("pi_1",)]


@pytest.mark.parametrize(
    "change",
    ["provider = 'another'", "step = 'payout', key = replace(key, 'collection', 'payout')"],
)
async def test_another_provider_and_another_step_have_ids_of_their_own(
    service: Service, engine: AsyncEngine, change: str
) -> None:
    first, second = await _two_collections(service, engine)
    await service.admin.ResolveAttempt(_stated(first))
    await run(engine, f"UPDATE attempts SET {change} WHERE state = 'SUCCEEDED'")

    await service.admin.ResolveAttempt(_stated(second))

    assert await rows(engine, COLLECTED) == [("pi_1",), ("pi_1",)]


async def test_an_id_that_the_provider_says_itself_is_taken(
    service: Service, engine: AsyncEngine
) -> None:
    first, second = await _two_collections(service, engine)
    await service.admin.ResolveAttempt(_stated(first))
    said = Answer(outcome=Outcome.SUCCEEDED, provider_reference="pi_1")
    service.providers.look_up_answers[Step.COLLECTION] = said

    await service.admin.ResolveAttempt(_stated(second))

    assert await rows(engine, COLLECTED) == [("pi_1",), ("pi_1",)]
