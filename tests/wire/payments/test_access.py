"""The access to each call, compared with the contract: every call is made without a credential,
with an unknown one, and without an idempotency key."""

from typing import Any

import grpc
import pytest
from caravel.common.v1 import options_pb2
from google.protobuf.message_factory import GetMessageClass

from gateway.config import DESCRIPTOR
from gateway.contract import read_contract
from services.shared.deployment import Deployment
from tests.wire.payments.calls import PACKAGE, STUBS, methods, refusal
from tests.wire.payments.conftest import Service

UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
OPEN = (options_pb2.Access.PROVIDER_EVENT, options_pb2.Access.ANYONE)
unknown_key = (("authorization", "Bearer nobody"),)


def needs_credential(method: Any) -> bool:
    access = method.GetOptions().Extensions[options_pb2.access]
    return bool(access.principal not in OPEN)


def call(service: Service, method: Any, metadata: tuple[tuple[str, str], ...] = ()) -> Any:
    """The call with an empty message."""
    stub = getattr(service, STUBS[method.containing_service.name])
    request: Any = GetMessageClass(method.input_type)
    return getattr(stub, method.name)(request(), metadata=metadata, timeout=60)


async def reason_of(made: Any) -> str:
    """The reason of the refusal, or nothing where there is none."""
    try:
        await made
    except grpc.aio.AioRpcError:
        return (await refusal(made))[1]
    return ""


each_call = pytest.mark.parametrize("method", list(methods()), ids=lambda method: method.name)


@each_call
@pytest.mark.parametrize("service", [Deployment.LIVE], indirect=True)
async def test_outside_a_sandbox_a_call_needs_the_credential_that_the_contract_asks_for(
    service: Service, method: Any
) -> None:
    reason = await reason_of(call(service, method))

    assert (reason == "CREDENTIALS_MISSING") == needs_credential(method), reason


@each_call
async def test_an_unknown_key_is_refused_where_the_contract_asks_for_one(
    service: Service, method: Any
) -> None:
    reason = await reason_of(call(service, method, unknown_key))

    assert (reason == "API_KEY_INVALID") == needs_credential(method), reason


@each_call
async def test_a_call_needs_an_idempotency_key_where_the_contract_says_so(
    service: Service, method: Any
) -> None:
    stub = call(service, method)
    try:
        await stub
        reasons = []
    except grpc.aio.AioRpcError:
        _, reason, _, _ = await refusal(stub)
        reasons = [reason]

    needed = method.GetOptions().Extensions[options_pb2.idempotency_key]
    assert ("IDEMPOTENCY_KEY_REQUIRED" in reasons) == needed, reasons


def test_eight_calls_need_a_key_and_six_no_credential() -> None:
    """Written by hand, so that the contract itself is held to something."""
    with_key = {
        one.name for one in methods() if one.GetOptions().Extensions[options_pb2.idempotency_key]
    }

    of_payments = {"CreatePayment", "CorrectRecipient", "CreateRefund", "RetryRefund"}
    of_operators = {"CreateMerchant", "ForcePayout", "RefundPayment", "CorrectPayment"}
    assert with_key == of_payments | of_operators
    assert {one.name for one in methods() if not needs_credential(one)} == {
        *("ReceiveEvent", "ReceiveProviderEvent"),
        *("IssueToken", "GetKeySet", "GetServerMetadata", "ReportLeakedKey"),
    }


def test_every_service_of_the_contract_is_tried() -> None:
    served = {name for name in read_contract(DESCRIPTOR).services if name.startswith(PACKAGE)}

    assert served == {f"{PACKAGE}.{name}" for name in STUBS}
