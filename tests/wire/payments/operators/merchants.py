"""The requests of the wire tests of MerchantService."""

from typing import Any

from caravel.payments.v1 import keys_pb2, merchants_pb2, payments_pb2

from tests.wire.payments.calls import new_key as idempotent
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import refused


async def create(service: Service, name: str = "Acme", key: str = "") -> merchants_pb2.Merchant:
    request = merchants_pb2.CreateMerchantRequest(name=name)
    return await service.merchants.CreateMerchant(request, metadata=idempotent(key))


async def first_key(service: Service, merchant_id: str, **fields: Any) -> keys_pb2.NewKey:
    request = merchants_pb2.CreateMerchantKeyRequest(
        merchant_id=merchant_id, **{"name": "first", **fields}
    )
    return await service.merchants.CreateMerchantKey(request)


def listed(service: Service, text: str) -> Any:
    metadata = (("authorization", f"Bearer {text}"),)
    return service.payments.ListPayments(payments_pb2.ListPaymentsRequest(), metadata=metadata)


async def until_refused(service: Service, text: str) -> str:
    """The reason with which a key is refused, as soon as the change is read."""
    while True:
        try:
            await listed(service, text)
        except Exception:  # noqa: BLE001 - looked at below
            return (await refused(listed(service, text)))[1]
