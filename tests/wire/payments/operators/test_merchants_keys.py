"""The keys of a merchant, as operators administer them: the first, the list, the end of one and of
all."""

import asyncio
from typing import Any

import pytest
from caravel.payments.v1 import keys_pb2, merchants_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.merchants.convert import MERCHANT_SCOPES
from services.payments.merchants.domain import ApiKeyRevoked
from services.payments.merchants.store import PostgresKeys
from services.payments.merchants.usecases import Keys
from services.payments.model.principal import CredentialKind, MerchantId, Principal
from services.payments.operators.convert.access import command_first_key
from tests.poison import run
from tests.wire.payments.conftest import Service
from tests.wire.payments.merchant import new_merchant
from tests.wire.payments.operators.calls import refused
from tests.wire.payments.operators.merchants import create, first_key, listed, until_refused


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


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"allowed_addresses": ["10.0.0.1/8"]}, "FIELD_INVALID"),
        ({"allowed_addresses": ["10.0.0.0/8"] * 51}, "FIELD_INVALID"),
        ({"expires_at": {"seconds": 1}}, "FIELD_INVALID"),
        ({"expires_at": {"seconds": 1 << 60}}, "FIELD_INVALID"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_first_key_is_read_strictly(
    service: Service, fields: dict[str, Any], reason: str
) -> None:
    merchant = await create(service)

    assert (await refused(first_key(service, merchant.merchant_id, **fields)))[1] == reason


async def test_a_key_that_ends_at_infinity_serves_and_is_listed(
    service: Service, engine: AsyncEngine
) -> None:
    merchant = await create(service)
    made = await first_key(service, merchant.merchant_id)
    newest = "(SELECT version FROM credential_version)"
    await run(
        engine,
        "UPDATE credential_version SET version = version + 1",
        f"UPDATE api_keys SET expires_at = 'infinity', version = {newest}",
    )

    await listed(service, made.api_key)
    request = merchants_pb2.ListMerchantKeysRequest(merchant_id=merchant.merchant_id)
    (key,) = (await service.merchants.ListMerchantKeys(request)).keys
    assert key.status == keys_pb2.Key.ACTIVE


async def test_a_key_of_another_merchant_is_an_unknown_one(service: Service) -> None:
    acme, borealis = await create(service), await create(service, "Borealis")
    theirs = (await first_key(service, borealis.merchant_id)).key.key_id

    for key_id in (theirs, "key_01m83kn3s0e24t886s6p8k72tv", "opk_1", "\0", "x" * 200_000):
        call = service.merchants.RevokeMerchantKey(
            merchants_pb2.RevokeMerchantKeyRequest(merchant_id=acme.merchant_id, key_id=key_id)
        )
        assert (await refused(call))[:2] == ("NOT_FOUND", "KEY_NOT_FOUND")


async def test_all_keys_end_only_where_all_are_named(service: Service) -> None:
    merchant = await create(service)
    made = await first_key(service, merchant.merchant_id)
    named = {"merchant_id": merchant.merchant_id}

    for left_out in ({}, {"all": False}):
        call = service.merchants.RevokeMerchantKeys(
            merchants_pb2.RevokeMerchantKeysRequest(**named, **left_out)
        )
        assert (await refused(call))[:2] == ("INVALID_ARGUMENT", "FIELD_REQUIRED")
    await listed(service, made.api_key)


async def test_an_operator_at_once_with_another_makes_one_first_key(service: Service) -> None:
    merchant = await create(service)

    made = await asyncio.gather(
        *(first_key(service, merchant.merchant_id) for _ in range(10)), return_exceptions=True
    )

    assert len([one for one in made if isinstance(one, keys_pb2.NewKey)]) == 1


async def test_a_merchant_whose_keys_cannot_manage_keys_gets_a_first_one(
    service: Service, engine: AsyncEngine
) -> None:
    merchant = await create(service)
    await first_key(service, merchant.merchant_id)
    await run(engine, """UPDATE api_keys SET scopes = '["payments:read"]'""")

    await first_key(service, merchant.merchant_id)


async def test_a_key_that_has_ended_meanwhile_makes_no_other(
    service: Service, engine: AsyncEngine
) -> None:
    made = await new_merchant(engine)
    principal = Principal(
        kind=CredentialKind.MERCHANT_KEY,
        merchant_id=MerchantId(made.merchant.id),
        scopes=MERCHANT_SCOPES,
        credential_id=made.key.key_id,
    )
    store = PostgresKeys(engine)
    await store.revoke(MerchantId(made.merchant.id), made.key.id)

    with pytest.raises(ApiKeyRevoked):
        await Keys(store, is_live=False).create(
            MerchantId(made.merchant.id), principal, command_first_key()
        )
