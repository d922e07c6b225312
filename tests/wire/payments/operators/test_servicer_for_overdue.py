"""Payments that wait for their merchant, as operators list them over gRPC: each with its deadline
and the end at it."""

from caravel.payments.v1 import admin_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.poison import rows, run
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import new_payment, refused


async def _listed(service: Service, **fields: object) -> admin_pb2.ListOverduePaymentsResponse:
    request = admin_pb2.ListOverduePaymentsRequest(**fields)  # type: ignore[arg-type]
    return await service.admin.ListOverduePayments(request)


async def test_payments_that_wait_for_their_merchant_are_listed_on_request_with_their_end(
    service: Service, engine: AsyncEngine
) -> None:
    for state in ("ACTION_REQUIRED", "RETURNED"):
        payment = await new_payment(engine)
        await run(
            engine,
            "UPDATE payments SET state = :state, deadline_at = now() + interval '1 day', "
            "due_at = now() + interval '1 day', waiting_since = now() WHERE id = :id",
            state=state,
            id=payment,
        )

    assert list((await _listed(service)).payments) == []

    first = await _listed(service, waiting=True, page_size=1)
    second = await _listed(service, waiting=True, page_token=first.next_page_token)
    waiting = [*first.payments, *second.payments]
    assert [one.waiting_for for one in waiting] == ["ACTION_REQUIRED", "RETURNED"]
    assert {one.at_deadline for one in waiting} == {"REFUND"}
    deadlines = await rows(engine, "SELECT deadline_at FROM payments ORDER BY created_at")
    assert [one.deadline_at.ToDatetime(tzinfo=deadlines[0][0].tzinfo) for one in waiting] == [
        deadline for (deadline,) in deadlines
    ]
    assert second.next_page_token == ""


async def test_the_list_is_of_those_alone_that_are_asked_for(
    service: Service, engine: AsyncEngine
) -> None:
    payment = await new_payment(engine)
    await run(
        engine,
        "UPDATE payments SET hold_reason = 'step_failed', due_at = NULL, waiting_since = now(), "
        "deadline_at = now() + interval '1 day' WHERE id = :id",
        id=payment,
    )

    held = await _listed(service, waiting=True, waiting_for=["ON_HOLD"])
    returned = await _listed(service, waiting=True, waiting_for=["RETURNED"])

    assert [one.waiting_for for one in held.payments] == ["ON_HOLD"]
    assert list(returned.payments) == []
    for unknown in ("on_hold", "", "COLLECTING", "\0"):
        wrong = admin_pb2.ListOverduePaymentsRequest(waiting_for=["ON_HOLD", unknown])
        assert (await refused(service.admin.ListOverduePayments(wrong)))[:2] == (
            "INVALID_ARGUMENT",
            "FIELD_INVALID",
        )
