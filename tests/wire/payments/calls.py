"""The requests of the wire tests of payments, and a reader of refusals."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
from caravel.common.v1 import options_pb2
from caravel.payments.v1 import payments_pb2
from google.protobuf import descriptor_pool
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.makers import USER

PACKAGE = "caravel.payments.v1"
# The services of the contract, with the names of their stubs in Service.
STUBS = {
    "PaymentService": "payments",
    "RefundService": "refunds",
    "DisclosureService": "disclosures",
    "EndpointService": "endpoints",
    "AdminService": "admin",
    "OperatorKeyService": "operator_keys",
    "InspectionService": "inspection",
    "SearchService": "search",
    "OverviewService": "overview",
    "PauseService": "pauses",
    "ReplayService": "replays",
    "ProposalService": "proposals",
    "RecoveryService": "recovery",
    "VerbService": "verbs",
    "CorridorVersionService": "corridors",
    "MerchantService": "merchants",
    "KeyService": "keys",
    "TokenService": "tokens",
    "WebhookService": "webhooks",
}


def methods(*principals: int) -> Iterator[Any]:
    """The calls of the contract; those for these kinds of principal where any are named."""
    for name in STUBS:
        service: Any = descriptor_pool.Default().FindServiceByName(f"{PACKAGE}.{name}")
        for method in service.methods:
            access = method.GetOptions().Extensions[options_pb2.access]
            if not principals or access.principal in principals:
                yield method


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
