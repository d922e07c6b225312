"""The native listener: the same calls, untouched, with health and reflection."""

from typing import Any, cast

import grpc
import pytest
from caravel.payments.v1 import payments_pb2, payments_pb2_grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_status import rpc_status

from tests.refusals import Expired
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.test_rest import refusing


def stub(channel: grpc.aio.Channel) -> "payments_pb2_grpc.PaymentServiceAsyncStub":
    return payments_pb2_grpc.PaymentServiceStub(channel)


async def test_call_goes_through_with_its_metadata(
    gateway: Gateway, channel: grpc.aio.Channel
) -> None:
    call = stub(channel).CreatePayment(
        payments_pb2.CreatePaymentRequest(amount_usd="1.00"),
        metadata=(("idempotency-key", "k"), ("trace-bin", b"\x00\xff")),
        timeout=10,
    )

    payment = await call

    assert payment.amount_usd == "1.00"
    assert gateway.backend.metadata[-1]["idempotency-key"] == "k"
    assert "x-http-status" not in dict(await call.initial_metadata())


async def test_no_call_says_that_the_gateway_made_it_of_a_rest_request(
    gateway: Gateway, channel: grpc.aio.Channel
) -> None:
    metadata = (("idempotency-key", "k"), ("x-envoy-original-path", "/api/payments"))
    await stub(channel).CreatePayment(
        payments_pb2.CreatePaymentRequest(), metadata=metadata, timeout=10
    )

    seen = gateway.backend.metadata[-1]
    assert seen["idempotency-key"] == "k"
    assert "x-envoy-original-path" not in seen


async def test_refusal_keeps_its_details(gateway: Gateway, channel: grpc.aio.Channel) -> None:
    gateway.backend.answer = refusing(Expired(quote_id="quo_1"))

    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await stub(channel).CreatePayment(payments_pb2.CreatePaymentRequest(), timeout=10)

    assert refusal.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    status = rpc_status.from_call(cast("grpc.Call", refusal.value))
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.metadata["quote_id"]) == ("QUOTE_EXPIRED", "quo_1")


async def test_call_without_a_deadline_gets_one(
    gateway: Gateway, channel: grpc.aio.Channel
) -> None:
    await stub(channel).GetPayment(payments_pb2.GetPaymentRequest())

    assert gateway.backend.seconds_left[-1] is not None


async def test_health_is_served(gateway: Gateway, channel: grpc.aio.Channel) -> None:
    health: Any = health_pb2_grpc.HealthStub(channel)

    answer = await health.Check(
        health_pb2.HealthCheckRequest(service="caravel.payments.v1.WebhookService"), timeout=10
    )

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_lists_and_describes_the_services(
    gateway: Gateway, channel: grpc.aio.Channel, version: str
) -> None:
    reflect: Any = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    questions = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(
            file_containing_symbol="caravel.payments.v1.PaymentService"
        ),
    ]

    listed, described = [answer async for answer in reflect(questions, timeout=10)]

    names = {service.name for service in listed.list_services_response.service}
    assert {"caravel.payments.v1.PaymentService", "caravel.payments.v1.WebhookService"} <= names
    file = FileDescriptorProto.FromString(
        described.file_descriptor_response.file_descriptor_proto[0]
    )
    assert file.name == "caravel/payments/v1/payments.proto"


@pytest.mark.parametrize(
    "method", ["/caravel.fees.v1.FeeService/CalculateFees", "/grpc.channelz.v1.Channelz/GetServers"]
)
async def test_internal_services_are_out_of_reach(
    gateway: Gateway, channel: grpc.aio.Channel, method: str
) -> None:
    call: Any = channel.unary_unary(method)

    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await call(b"", timeout=10)

    assert refusal.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_native_grpc_on_the_rest_port_is_refused_with_its_cause(gateway: Gateway) -> None:
    async with grpc.aio.insecure_channel(gateway.rest.removeprefix("http://")) as wrong:
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await stub(wrong).GetPayment(payments_pb2.GetPaymentRequest(), timeout=10)

    assert refusal.value.details() == "native gRPC has its own port"
    assert not gateway.backend.requests
