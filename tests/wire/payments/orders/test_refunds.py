"""The RPCs of refunds as objects: listed, read, tried again, and each refusal of theirs."""

from typing import Any

import grpc
import pytest
from caravel.payments.v1 import refunds_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.answer import Answer, Outcome
from services.payments.model.payment import Failure
from services.shared.ids import encode_id, new_id
from tests.database.payments.engine.carried import carry
from tests.poison import run
from tests.wire.payments.calls import new_key, order, refusal
from tests.wire.payments.conftest import Service

Refund = refunds_pb2.Refund
NOT_FOUND = grpc.StatusCode.NOT_FOUND
NOT_NOW = grpc.StatusCode.FAILED_PRECONDITION
DECLINED = Answer(
    outcome=Outcome.FAILED, failure=Failure(code="card_declined", message="the bank says no")
)


async def _returned(service: Service, engine: AsyncEngine) -> str:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())
    await carry(engine)
    await run(engine, "UPDATE payments SET state = 'RETURNED'")
    return payment.transaction_id


async def _refund(service: Service, transaction_id: str, **fields: Any) -> Refund:
    asked = refunds_pb2.CreateRefundRequest(transaction_id=transaction_id, **fields)
    refund: Refund = await service.refunds.CreateRefund(asked, metadata=new_key())
    return refund


async def _read(service: Service, refund_id: str) -> Refund:
    refund: Refund = await service.refunds.GetRefund(
        refunds_pb2.GetRefundRequest(refund_id=refund_id)
    )
    return refund


def _retry(service: Service, refund_id: str, key: tuple[tuple[str, str], ...] = ()) -> Any:
    asked = refunds_pb2.RetryRefundRequest(refund_id=refund_id)
    return service.refunds.RetryRefund(asked, metadata=key or new_key())


async def test_refunds_are_read_one_by_one_and_as_the_list_of_their_payment(
    service: Service, engine: AsyncEngine
) -> None:
    transaction_id = await _returned(service, engine)
    listing = refunds_pb2.ListRefundsRequest(transaction_id=transaction_id)
    assert list((await service.refunds.ListRefunds(listing)).refunds) == []
    first = await _refund(
        service, transaction_id, amount_usd="40.00", ends_payout=True, reason="half was enough"
    )
    await carry(engine)
    second = await _refund(service, transaction_id, full=True)

    listed = list((await service.refunds.ListRefunds(listing)).refunds)

    assert [one.refund_id for one in listed] == [first.refund_id, second.refund_id]
    assert listed == [await _read(service, one.refund_id) for one in listed]
    assert [one.amount_usd for one in listed] == ["40.00", "60.00"]
    assert [one.status for one in listed] == [Refund.SUCCEEDED, Refund.PENDING]
    assert {one.transaction_id for one in listed} == {transaction_id}
    assert listed[0].reason == "half was enough"
    assert (listed[0].requested_by, listed[0].provider) == ("merchant", "stripe")


async def test_a_refund_that_failed_is_tried_again_once_for_its_key(
    service: Service, engine: AsyncEngine
) -> None:
    transaction_id = await _returned(service, engine)
    refund = await _refund(service, transaction_id, full=True)
    await carry(engine, DECLINED)
    failed = await _read(service, refund.refund_id)
    assert (failed.status, failed.failure.code) == (Refund.FAILED, "card_declined")
    key = new_key()

    first = await _retry(service, refund.refund_id, key)
    call = _retry(service, refund.refund_id, key)
    again = await call

    assert first == again
    assert ("idempotent-replayed", "true") in tuple(await call.initial_metadata())
    assert (first.refund_id, first.status) == (refund.refund_id, Refund.PENDING)
    assert not first.HasField("failure")
    busy = await refusal(_retry(service, refund.refund_id))
    assert busy[:2] == (NOT_NOW, "REFUND_NOT_FAILED")
    await carry(engine)
    done = await _read(service, refund.refund_id)
    assert done.status == Refund.SUCCEEDED
    over = await refusal(_retry(service, refund.refund_id))
    assert over[:3] == (NOT_NOW, "REFUND_NOT_FAILED", {"status": "SUCCEEDED"})


async def test_one_key_is_for_one_refund_and_one_verb(
    service: Service, engine: AsyncEngine
) -> None:
    transaction_id = await _returned(service, engine)
    key = new_key()
    asked = refunds_pb2.CreateRefundRequest(transaction_id=transaction_id, full=True)
    refund = await service.refunds.CreateRefund(asked, metadata=key)
    await carry(engine, DECLINED)

    reused = await refusal(_retry(service, refund.refund_id, key))

    assert reused[1] == "IDEMPOTENCY_KEY_REUSED"


async def test_a_part_of_what_could_be_paid_out_says_that_it_ends_the_payout(
    service: Service, engine: AsyncEngine
) -> None:
    transaction_id = await _returned(service, engine)
    asked = refunds_pb2.CreateRefundRequest(transaction_id=transaction_id, amount_usd="40.00")

    refused = await refusal(service.refunds.CreateRefund(asked, metadata=new_key()))

    assert refused[:3] == (NOT_NOW, "REFUND_ENDS_PAYOUT", {"field": "ends_payout"})
    assert (await _refund(service, transaction_id, full=True)).status == Refund.PENDING


@pytest.mark.parametrize("refund_id", [encode_id("ref", new_id()), "nonsense", "pay_1", ""])
async def test_a_refund_that_nobody_has_is_not_found(service: Service, refund_id: str) -> None:
    reading = refunds_pb2.GetRefundRequest(refund_id=refund_id)

    read = await refusal(service.refunds.GetRefund(reading))
    retried = await refusal(_retry(service, refund_id))

    assert read[:2] == retried[:2] == (NOT_FOUND, "REFUND_NOT_FOUND")


@pytest.mark.parametrize("transaction_id", [encode_id("pay", new_id()), "nonsense"])
async def test_refunds_of_an_unknown_payment_are_not_listed(
    service: Service, transaction_id: str
) -> None:
    listing = refunds_pb2.ListRefundsRequest(transaction_id=transaction_id)

    assert (await refusal(service.refunds.ListRefunds(listing)))[:2] == (
        NOT_FOUND,
        "PAYMENT_NOT_FOUND",
    )


async def test_the_list_of_a_payment_without_refunds_is_empty(service: Service) -> None:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())
    listing = refunds_pb2.ListRefundsRequest(transaction_id=payment.transaction_id)

    assert list((await service.refunds.ListRefunds(listing)).refunds) == []
