"""The tables that a process makes of the contract's options, held to facts written by hand."""

import pytest
from caravel.common.v1 import error_reason_pb2, options_pb2
from caravel.payments.v1 import endpoints_pb2, payments_pb2, webhooks_pb2
from google.protobuf import descriptor_pb2, descriptor_pool

from services.shared.contract import REFUSALS, Access, PrincipalKind, access_by_method

IMPORTED = (endpoints_pb2, payments_pb2, webhooks_pb2)
PACKAGE = "caravel.payments.v1"


@pytest.mark.parametrize(
    ("reason", "code", "seconds"),
    [
        ("FIELD_INVALID", 3, None),
        ("AMOUNT_ABOVE_MAXIMUM", 11, None),
        ("IDEMPOTENCY_KEY_REUSED", 9, None),
        ("PAYMENT_NOT_FOUND", 5, None),
        ("OVERLOADED", 8, 1),
        ("PAYMENT_BUSY", 10, 1),
        ("PAYMENT_ON_HOLD", 10, 60),
        ("SERVICE_UNAVAILABLE", 14, 1),
        ("INTERNAL_ERROR", 13, None),
    ],
)
def test_a_reason_has_its_code_and_its_time_to_wait(
    reason: str, code: int, seconds: int | None
) -> None:
    stated = REFUSALS[reason]

    assert (stated.grpc_code, stated.retry_after_seconds) == (code, seconds)


def test_every_reason_that_is_sent_is_in_the_table() -> None:
    assert {*REFUSALS, "ERROR_REASON_UNSPECIFIED"} == set(error_reason_pb2.ErrorReason.keys())


@pytest.mark.parametrize(
    ("call", "principal", "scopes"),
    [
        ("PaymentService/CreatePayment", PrincipalKind.MERCHANT, {"payments:write"}),
        ("PaymentService/GetPayment", PrincipalKind.MERCHANT, {"payments:read"}),
        ("RefundService/CreateRefund", PrincipalKind.MERCHANT, {"refunds:write"}),
        ("EndpointService/CreateEndpoint", PrincipalKind.MERCHANT, {"webhooks:manage"}),
        ("WebhookService/ReceiveProviderEvent", PrincipalKind.PROVIDER_EVENT, set()),
    ],
)
def test_a_call_has_its_principal_and_its_scopes(
    call: str, principal: PrincipalKind, scopes: set[str]
) -> None:
    access = access_by_method(f"{PACKAGE}.{call.partition('/')[0]}")

    wanted = Access(principal=principal, scopes=frozenset(scopes))
    assert access[f"/{PACKAGE}.{call}"] == wanted


def test_a_service_with_a_call_that_does_not_say_who_may_make_it_cannot_be_served() -> None:
    file = descriptor_pb2.FileDescriptorProto(
        name="open.proto", package="test.open", dependency=["google/protobuf/descriptor.proto"]
    )
    message = ".google.protobuf.MethodOptions"
    file.service.add(name="OpenService").method.add(
        name="Forgotten", input_type=message, output_type=message
    )
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())

    with pytest.raises(ValueError, match="PRINCIPAL_UNSPECIFIED"):
        access_by_method("test.open.OpenService")


def test_every_kind_of_principal_is_one_of_the_contract() -> None:
    kinds = options_pb2.Access.Principal.keys()

    assert {*PrincipalKind, "PRINCIPAL_UNSPECIFIED"} == set(kinds)
