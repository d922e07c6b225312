"""Merchants as operators administer them, over the wire and on a real database: created, listed,
shown, disabled and enabled; and the keys of one: the first, the list, the end of one and of all."""

from typing import Any
from uuid import uuid4

import pytest
from caravel.payments.v1 import keys_pb2, merchants_pb2, payments_pb2

from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import actions, refused


def idempotent(key: str = "") -> tuple[tuple[str, str], ...]:
    return (("idempotency-key", key or uuid4().hex),)


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


async def test_a_merchant_is_created_shown_and_listed(service: Service) -> None:
    acme, borealis = await create(service), await create(service, "Borealis")

    shown = await service.merchants.GetMerchant(
        merchants_pb2.GetMerchantRequest(merchant_id=acme.merchant_id)
    )
    page = await service.merchants.ListMerchants(merchants_pb2.ListMerchantsRequest())

    assert (shown, shown.name, shown.status) == (acme, "Acme", merchants_pb2.Merchant.ENABLED)
    assert list(page.merchants) == [borealis, acme]
    assert await actions(service) == [
        ("ada", "CREATE_MERCHANT", borealis.merchant_id, ""),
        ("ada", "CREATE_MERCHANT", acme.merchant_id, ""),
    ]


async def test_a_disabled_merchant_is_refused_until_it_is_enabled(service: Service) -> None:
    merchant = await create(service)
    text = (await first_key(service, merchant.merchant_id)).api_key
    await listed(service, text)
    named = {"merchant_id": merchant.merchant_id}

    disabled = await service.merchants.DisableMerchant(
        merchants_pb2.DisableMerchantRequest(**named, note="contract ended")
    )

    assert disabled.status == merchants_pb2.Merchant.DISABLED
    assert await until_refused(service, text) == "MERCHANT_DISABLED"
    enabled = await service.merchants.EnableMerchant(merchants_pb2.EnableMerchantRequest(**named))
    assert enabled == merchant
    while True:
        try:
            await listed(service, text)
            break
        except Exception:  # noqa: BLE001 - until the change is read
            continue
    assert [one[1:] for one in await actions(service)][:2] == [
        ("ENABLE_MERCHANT", merchant.merchant_id, ""),
        ("DISABLE_MERCHANT", merchant.merchant_id, "contract ended"),
    ]


async def test_a_first_key_makes_others_and_is_no_second(service: Service) -> None:
    merchant = await create(service)

    made = await first_key(service, merchant.merchant_id)

    metadata = (("authorization", f"Bearer {made.api_key}"),)
    own = await service.keys.ListKeys(keys_pb2.ListKeysRequest(), metadata=metadata)
    assert list(own.keys) == [made.key]
    again = first_key(service, merchant.merchant_id)
    assert (await refused(again))[:2] == ("FAILED_PRECONDITION", "MERCHANT_HAS_KEY")


@pytest.mark.parametrize("everything", [False, True])
async def test_keys_of_a_merchant_are_revoked(service: Service, *, everything: bool) -> None:
    merchant = await create(service)
    made = await first_key(service, merchant.merchant_id)
    named = {"merchant_id": merchant.merchant_id}

    if everything:
        ended = await service.merchants.RevokeMerchantKeys(
            merchants_pb2.RevokeMerchantKeysRequest(**named, all=True)
        )
        assert list(ended.revoked_key_ids) == [made.key.key_id]
    else:
        await service.merchants.RevokeMerchantKey(
            merchants_pb2.RevokeMerchantKeyRequest(**named, key_id=made.key.key_id)
        )

    assert await until_refused(service, made.api_key) == "API_KEY_REVOKED"
    page = await service.merchants.ListMerchantKeys(merchants_pb2.ListMerchantKeysRequest(**named))
    assert [key.status for key in page.keys] == [keys_pb2.Key.REVOKED]
    await first_key(service, merchant.merchant_id)
