"""The requests of the wire tests of payments, and a reader of refusals."""

from typing import Any
from uuid import uuid4

import grpc
import pytest
from caravel.payments.v1 import payments_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.makers import USER


def order(**changes: Any) -> payments_pb2.CreatePaymentRequest:
    fields = {"user_id": str(USER), "amount_usd": "100.00", "destination_currency": "NGN"}
    return payments_pb2.CreatePaymentRequest(**{**fields, **changes})


def new_key(value: str = "") -> tuple[tuple[str, str], ...]:
    return (("idempotency-key", value or uuid4().hex),)


async def refusal(call: Any) -> tuple[grpc.StatusCode, str, dict[str, str], list[str]]:
    """Code, reason, metadata and the fields of a refused call."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    assert status is not None
    info, fields = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    infos = [detail for detail in status.details if detail.Unpack(info)]
    assert len(infos) == 1
    assert info.domain == "caravel.dev"
    for detail in status.details:
        detail.Unpack(fields)
    return (
        caught.value.code(),
        info.reason,
        dict(info.metadata),
        [violation.field for violation in fields.field_violations],
    )
