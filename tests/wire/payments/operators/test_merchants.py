"""Merchants as operators administer them, over the wire and on a real database: created, listed,
shown, disabled and enabled; and the keys of one: the first, the list, the end of one and of all."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from caravel.payments.v1 import admin_pb2, keys_pb2, merchants_pb2, payments_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base.paging import write_token
from services.payments.merchants.convert import MERCHANT_SCOPES
from services.payments.merchants.domain import ApiKeyRevoked
from services.payments.merchants.store import PostgresKeys
from services.payments.merchants.usecases import Keys
from services.payments.model.principal import CredentialKind, MerchantId, Principal
from services.payments.operators.convert.access import command_first_key
from services.payments.operators.domain import MERCHANTS_A_DAY_MAX
from tests.poison import rows, run
from tests.wire.payments.calls import new_key as idempotent
from tests.wire.payments.calls import order
from tests.wire.payments.conftest import Service
from tests.wire.payments.merchant import new_merchant
from tests.wire.payments.operators.calls import actions, refusals, refused
from tests.wire.payments.operators.keys import operator_key


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


async def test_a_repeated_request_is_answered_as_the_first_one(service: Service) -> None:
    first = await create(service, key="one")
    named = merchants_pb2.DisableMerchantRequest(merchant_id=first.merchant_id)
    await service.merchants.DisableMerchant(named)

    call = service.merchants.CreateMerchant(
        merchants_pb2.CreateMerchantRequest(name="Acme"), metadata=idempotent("one")
    )

    assert await call == first
    assert ("idempotent-replayed", "true") in tuple(await call.initial_metadata())
    page = await service.merchants.ListMerchants(merchants_pb2.ListMerchantsRequest())
    assert [merchant.merchant_id for merchant in page.merchants] == [first.merchant_id]


async def test_a_used_idempotency_key_is_refused_for_another_name(service: Service) -> None:
    await create(service, key="one")

    again = create(service, "Borealis", key="one")

    assert (await refused(again))[:2] == ("FAILED_PRECONDITION", "IDEMPOTENCY_KEY_REUSED")
    assert await refusals(service) == [("ada", "CREATE_MERCHANT", "", "IDEMPOTENCY_KEY_REUSED")]


async def test_two_operators_may_use_one_idempotency_key(
    service: Service, engine: AsyncEngine
) -> None:
    grace = await operator_key(engine, "grace")
    request = merchants_pb2.CreateMerchantRequest(name="Acme")

    first = await create(service, key="one")
    second = await service.merchants.CreateMerchant(
        request, metadata=(grace.header, *idempotent("one"))
    )

    assert first.merchant_id != second.merchant_id


async def test_requests_at_once_with_one_key_make_one_merchant(service: Service) -> None:
    made = await asyncio.gather(*(create(service, key="one") for _ in range(20)))

    assert len({merchant.merchant_id for merchant in made}) == 1
    assert len(await actions(service)) == 1


@pytest.mark.parametrize("key", [None, "", "a b", "x" * 256])
async def test_a_creation_needs_an_idempotency_key(service: Service, key: str | None) -> None:
    metadata = () if key is None else (("idempotency-key", key),)
    call = service.merchants.CreateMerchant(
        merchants_pb2.CreateMerchantRequest(name="Acme"), metadata=metadata
    )

    wanted = "IDEMPOTENCY_KEY_REQUIRED" if key is None else "IDEMPOTENCY_KEY_INVALID"
    assert (await refused(call))[1] == wanted


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "FIELD_REQUIRED"),
        ("  ", "FIELD_REQUIRED"),
        ("x" * 101, "FIELD_INVALID"),
        ("x" * 200_000, "FIELD_INVALID"),
        ("a\u202eb", "CHARACTER_FORBIDDEN"),
        ("a\0b", "CHARACTER_FORBIDDEN"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_the_name_of_a_merchant_or_key_is_read_strictly(
    service: Service, name: str, reason: str
) -> None:
    merchant = await create(service)

    assert (await refused(create(service, name)))[1] == reason
    assert (await refused(first_key(service, merchant.merchant_id, name=name)))[1] == reason


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


ASKED: Mapping[str, Mapping[str, Any]] = {
    "GetMerchant": {},
    "DisableMerchant": {},
    "EnableMerchant": {},
    "ListMerchantKeys": {},
    "CreateMerchantKey": {"name": "first"},
    "RevokeMerchantKey": {"key_id": "key_01m83kn3s0e24t886s6p8k72tv"},
    "RevokeMerchantKeys": {"all": True},
}


@pytest.mark.parametrize("rpc", ASKED)
@pytest.mark.parametrize(
    "merchant_id",
    [
        "mer_01m83kn3s0e24t886s6p8k72tv",
        "key_01m83kn3s0e24t886s6p8k72tv",
        "sandbox",
        "nonsense",
        "",
        "mer_\0",
        "x" * 200_000,
    ],
    ids=lambda value: repr(value)[:20],
)
async def test_an_unknown_merchant_is_refused_and_the_attempt_kept(
    service: Service, rpc: str, merchant_id: str
) -> None:
    request = getattr(merchants_pb2, f"{rpc}Request")(merchant_id=merchant_id, **ASKED[rpc])

    call = getattr(service.merchants, rpc)(request)

    assert (await refused(call))[:2] == ("NOT_FOUND", "MERCHANT_NOT_FOUND")
    kept = [] if rpc.startswith(("Get", "List")) else ["MERCHANT_NOT_FOUND"]
    assert [refusal for *_, refusal in await refusals(service)] == kept


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


async def test_a_verb_that_is_repeated_changes_and_logs_nothing(service: Service) -> None:
    merchant = await create(service)
    made = await first_key(service, merchant.merchant_id)
    named = {"merchant_id": merchant.merchant_id}
    of_key = merchants_pb2.RevokeMerchantKeyRequest(**named, key_id=made.key.key_id)
    disable = merchants_pb2.DisableMerchantRequest(**named)

    keys = await asyncio.gather(*(service.merchants.RevokeMerchantKey(of_key) for _ in range(5)))
    shown = await asyncio.gather(*(service.merchants.DisableMerchant(disable) for _ in range(5)))
    ended = await service.merchants.RevokeMerchantKeys(
        merchants_pb2.RevokeMerchantKeysRequest(**named, all=True)
    )

    assert len({key.revoked_at.ToNanoseconds() for key in keys}) == 1
    assert len({one.disabled_at.ToNanoseconds() for one in shown}) == 1
    assert list(ended.revoked_key_ids) == []
    assert [action for _, action, *_ in await actions(service)] == [
        *("DISABLE_MERCHANT", "REVOKE_MERCHANT_KEY"),
        *("CREATE_MERCHANT_KEY", "CREATE_MERCHANT"),
    ]


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


async def test_an_action_names_the_merchant_the_address_and_the_request(service: Service) -> None:
    merchant = await create(service)
    metadata = (("x-client-address", "203.0.113.9"), ("x-request-id", "req-7"))

    await service.merchants.DisableMerchant(
        merchants_pb2.DisableMerchantRequest(merchant_id=merchant.merchant_id), metadata=metadata
    )

    request = admin_pb2.ListOperatorActionsRequest(merchant_id=merchant.merchant_id)
    newest = (await service.admin.ListOperatorActions(request)).actions[0]
    assert (newest.action, newest.subject) == ("DISABLE_MERCHANT", merchant.merchant_id)
    assert (newest.address, newest.request_id) == ("203.0.113.9", "req-7")


async def test_pages_lead_through_all_merchants(service: Service) -> None:
    made = [(await create(service, f"merchant {number}")).merchant_id for number in range(5)]
    seen, token = [], ""

    while token or not seen:
        request = merchants_pb2.ListMerchantsRequest(page_size=2, page_token=token)
        page = await service.merchants.ListMerchants(request)
        seen += [merchant.merchant_id for merchant in page.merchants]
        token = page.next_page_token

    assert seen == made[::-1]


@pytest.mark.parametrize("token", ["x", "WyJhIl0", "W10", write_token(["mer_1"])])
async def test_a_token_of_no_page_is_refused(service: Service, token: str) -> None:
    call = service.merchants.ListMerchants(merchants_pb2.ListMerchantsRequest(page_token=token))

    assert (await refused(call))[:2] == ("INVALID_ARGUMENT", "FIELD_INVALID")


async def test_an_operator_makes_so_many_merchants_a_day(
    service: Service, engine: AsyncEngine
) -> None:
    await run(
        engine,
        """
        INSERT INTO merchants (id, display_name, created_by)
        SELECT 'mer_' || n, 'x', 'ada' FROM generate_series(1, :count) AS n
        """,
        count=MERCHANTS_A_DAY_MAX,
    )
    beyond = await refused(create(service))

    assert beyond[:2] == ("FAILED_PRECONDITION", "MERCHANTS_EXHAUSTED")
    assert await refusals(service) == [("ada", "CREATE_MERCHANT", "", "MERCHANTS_EXHAUSTED")]


async def test_a_payment_that_was_admitted_before_is_created(
    service: Service, engine: AsyncEngine
) -> None:
    """The merchant is disabled while its payment is priced."""
    merchant = await create(service)
    text = (await first_key(service, merchant.merchant_id)).api_key
    disable = merchants_pb2.DisableMerchantRequest(merchant_id=merchant.merchant_id)
    calculate = service.fees.calculate

    async def meanwhile(*given: Any) -> Any:
        await service.merchants.DisableMerchant(disable)
        return await calculate(*given)

    service.fees.calculate = meanwhile  # type: ignore[method-assign]
    metadata = (("authorization", f"Bearer {text}"), *idempotent())
    payment = await service.payments.CreatePayment(order(), metadata=metadata)

    owner = "SELECT merchant_id FROM payments"
    assert payment.status == payments_pb2.Payment.PENDING
    assert await rows(engine, owner) == [(merchant.merchant_id,)]


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
