"""A number that an enum of the contract does not have, in every method that takes an enum."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from caravel.payments.v1 import admin_pb2, endpoints_pb2, payments_pb2, webhooks_pb2
from google.protobuf import message_factory

from tests.wire.payments.conftest import Service

FILES = (admin_pb2, endpoints_pb2, payments_pb2, webhooks_pb2)
UNKNOWN = 99


def methods() -> Iterator[Any]:
    """Each method and enum field of its request."""
    for file in FILES:
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                for field in method.input_type.fields:
                    if field.enum_type is not None:
                        yield pytest.param(method, field, id=f"{method.name}-{field.name}")


@pytest.mark.parametrize(("method", "field"), list(methods()))
async def test_it_is_refused_by_the_name_of_its_field(
    service: Service, method: Any, field: Any
) -> None:
    request = message_factory.GetMessageClass(method.input_type)()
    if field.is_repeated:
        getattr(request, field.name).append(UNKNOWN)
    else:
        setattr(request, field.name, UNKNOWN)
    stubs = {
        "PaymentService": service.payments,
        "WebhookService": service.webhooks,
        "EndpointService": service.endpoints,
        "AdminService": service.admin,
    }

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await getattr(stubs[method.containing_service.name], method.name)(request)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field.name in (refused.value.details() or "")


def test_there_are_such_methods() -> None:
    assert len(list(methods())) > 1
