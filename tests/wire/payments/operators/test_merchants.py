"""Merchants as operators administer them, over the wire and on a real database: created, listed,
shown, disabled and enabled."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from caravel.payments.v1 import admin_pb2, merchants_pb2, payments_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base.paging import write_token
from services.payments.operators.domain import MERCHANTS_A_DAY_MAX
from tests.poison import rows, run
from tests.wire.payments.calls import new_key as idempotent
from tests.wire.payments.calls import order
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import actions, refusals, refused
from tests.wire.payments.operators.keys import operator_key
from tests.wire.payments.operators.merchants import create, first_key, listed, until_refused


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
