"""In a sandbox anybody may call without a key, elsewhere nobody yet, and an unknown key is refused
everywhere."""

from typing import Any

import grpc
import pytest
from caravel.payments.v1 import payments_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from services.shared.deployment import Deployment
from tests.wire.payments.conftest import Service

LIST = payments_pb2.ListPaymentsRequest()


async def _reason(call: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return str(info.reason)


async def test_a_sandbox_takes_a_call_without_credentials(service: Service) -> None:
    assert not (await service.payments.ListPayments(LIST)).payments


@pytest.mark.parametrize("service", [Deployment.LIVE], indirect=True)
async def test_outside_a_sandbox_a_call_without_credentials_is_refused(service: Service) -> None:
    assert await _reason(service.payments.ListPayments(LIST)) == "CREDENTIALS_MISSING"


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
@pytest.mark.parametrize("service", [*Deployment], indirect=True)
async def test_an_unknown_key_is_refused_everywhere(service: Service, header: str) -> None:
    call = service.payments.ListPayments(LIST, metadata=((header, "Bearer nobody"),))

    assert await _reason(call) == "API_KEY_INVALID"
