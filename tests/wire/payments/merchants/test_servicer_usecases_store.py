"""A merchant's own keys, over the wire and on a real database: made, used, rolled, revoked."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from caravel.payments.v1 import keys_pb2, payments_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.merchants.convert import MERCHANT_SCOPES
from services.payments.merchants.domain import (
    KEYS_A_DAY_MAX,
    KEYS_MAX,
    MerchantKey,
)
from services.payments.merchants.key_text import digest_of, new_key_text
from services.payments.merchants.store import PostgresCredentials
from services.shared.deployment import Deployment
from services.shared.ids import decode_id, new_id
from tests.wire.payments.calls import refusal
from tests.wire.payments.conftest import Service
from tests.wire.payments.merchant import new_merchant

pytestmark = pytest.mark.parametrize("service", [Deployment.STAGING], indirect=True)
LIST = payments_pb2.ListPaymentsRequest()
ALL = sorted(MERCHANT_SCOPES)
REQUESTS = {
    "GetKey": keys_pb2.GetKeyRequest,
    "RevokeKey": keys_pb2.RevokeKeyRequest,
    "RollKey": keys_pb2.RollKeyRequest,
}

# A database takes it for infinity.
NEVER = Timestamp(seconds=253402300799, nanos=999_999_999)


@dataclass(frozen=True)
class Merchant:
    """A merchant that calls with one key."""

    service: Service
    key_id: str
    text: str

    def call(self, rpc: str, request: Any) -> Any:
        return getattr(self.service.keys, rpc)(request, metadata=self.metadata)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.text}"),)

    async def create(self, **fields: Any) -> keys_pb2.NewKey:
        fields = {"name": "shop", "scopes": ALL} | fields
        created: keys_pb2.NewKey = await self.call("CreateKey", keys_pb2.CreateKeyRequest(**fields))
        return created

    async def on(self, rpc: str, key_id: str, **fields: Any) -> Any:
        return await self.call(rpc, REQUESTS[rpc](key_id=key_id, **fields))

    async def admitted(self, key: str) -> str:
        """The reason with which a key may not read; empty where it may."""
        call = self.service.payments.ListPayments(LIST, metadata=(("x-api-key", key),))
        try:
            await call
        except grpc.aio.AioRpcError:
            return (await refusal(call))[1]
        return ""


async def merchant(service: Service, engine: AsyncEngine) -> Merchant:
    made = await new_merchant(engine)
    return Merchant(service, made.key.key_id, made.text)


@pytest.fixture
async def acme(service: Service, engine: AsyncEngine) -> Merchant:
    return await merchant(service, engine)


async def test_a_new_key_is_admitted_with_its_scopes_and_no_others(acme: Merchant) -> None:
    new = await acme.create(scopes=["quotes:write"])
    reader = await acme.create(scopes=["payments:read", "payments:read"])

    assert await acme.admitted(reader.api_key) == ""
    assert await acme.admitted(new.api_key) == "SCOPE_MISSING"
    assert list(reader.key.scopes) == ["payments:read"]
    assert reader.key.created_by == acme.key_id
    assert reader.key.status == keys_pb2.Key.ACTIVE


async def test_only_the_digest_of_a_key_is_kept(acme: Merchant, engine: AsyncEngine) -> None:
    new = await acme.create()

    async with engine.connect() as connection:
        rows = (await connection.execute(sql("SELECT api_keys::text, digest FROM api_keys"))).all()

    assert digest_of(new.api_key) in {row.digest for row in rows}
    assert new.api_key[-49:] not in "".join(row[0] for row in rows)


async def test_a_key_is_shown_without_its_text_and_listed_newest_first(acme: Merchant) -> None:
    made = [(await acme.create(name=f"key {number}")).key for number in range(3)]

    assert await acme.on("GetKey", made[0].key_id) == made[0]
    first = await acme.call("ListKeys", keys_pb2.ListKeysRequest(page_size=2))
    request = keys_pb2.ListKeysRequest(page_size=2, page_token=first.next_page_token)
    second = await acme.call("ListKeys", request)
    assert [key.name for key in (*first.keys, *second.keys)] == [
        *("key 2", "key 1", "key 0", "first key")
    ]
    assert not second.next_page_token


async def test_a_revoked_key_is_refused_and_stays_revoked(acme: Merchant) -> None:
    new = await acme.create()
    assert await acme.admitted(new.api_key) == ""

    first = await acme.on("RevokeKey", new.key.key_id)
    second = await acme.on("RevokeKey", new.key.key_id)

    assert first == second
    assert first.status == keys_pb2.Key.REVOKED
    await _until_refused(acme, new.api_key, "API_KEY_REVOKED")


async def _until_refused(acme: Merchant, key: str, reason: str) -> None:
    """Within the time that a replica may go on with what it has read; the clock is the real one."""
    while not (refused := await acme.admitted(key)):
        continue
    assert refused == reason


async def test_a_key_may_revoke_itself(acme: Merchant) -> None:
    await acme.on("RevokeKey", acme.key_id)

    await _until_refused(acme, acme.text, "API_KEY_REVOKED")


async def test_a_rolled_key_serves_beside_the_new_one_for_the_overlap(acme: Merchant) -> None:
    old = await acme.create(name="till", scopes=["payments:read"])
    new = await acme.on("RollKey", old.key.key_id, overlap_hours=72)

    assert (new.key.name, list(new.key.scopes)) == ("till", ["payments:read"])
    assert (await acme.admitted(old.api_key), await acme.admitted(new.api_key)) == ("", "")
    shown = await acme.on("GetKey", old.key.key_id)
    assert shown.rolled_to == new.key.key_id
    hours = (shown.expires_at.seconds - new.key.created_at.seconds) / 3600
    assert 71.9 < hours < 72.1


async def test_a_key_that_is_rolled_without_overlap_ends_at_once(acme: Merchant) -> None:
    old = await acme.create()
    new = await acme.on("RollKey", old.key.key_id, overlap_hours=0)

    await _until_refused(acme, old.api_key, "API_KEY_REVOKED")
    assert await acme.admitted(new.api_key) == ""


async def test_an_overlap_never_lengthens_a_key(acme: Merchant) -> None:
    end = Timestamp()
    end.FromDatetime((datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0))
    old = await acme.create(expires_at=end)
    new = await acme.on("RollKey", old.key.key_id, overlap_hours=72)

    assert (await acme.on("GetKey", old.key.key_id)).expires_at == end
    assert new.key.expires_at == end


async def test_a_key_is_rolled_once_and_not_after_its_end(acme: Merchant) -> None:
    rolled, revoked = await acme.create(), await acme.create()
    await acme.on("RollKey", rolled.key.key_id, overlap_hours=1)
    await acme.on("RevokeKey", revoked.key.key_id)

    for key in (rolled, revoked):
        request = keys_pb2.RollKeyRequest(key_id=key.key.key_id, overlap_hours=1)
        assert (await refusal(acme.call("RollKey", request)))[1] == "KEY_NOT_ACTIVE"


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"name": ""}, "FIELD_REQUIRED", "name"),
        ({"name": "  "}, "FIELD_REQUIRED", "name"),
        ({"name": "a\u202eb"}, "CHARACTER_FORBIDDEN", "name"),
        ({"name": "n" * 101}, "FIELD_INVALID", "name"),
        ({"scopes": []}, "FIELD_REQUIRED", "scopes"),
        ({"scopes": ["payments:read", "payments:*"]}, "FIELD_INVALID", "scopes[1]"),
        ({"scopes": ["operate:read"]}, "FIELD_INVALID", "scopes[0]"),
        ({"allowed_addresses": ["nowhere"]}, "FIELD_INVALID", "allowed_addresses[0]"),
        ({"allowed_addresses": ["10.0.0.1/8"]}, "FIELD_INVALID", "allowed_addresses[0]"),
        ({"allowed_addresses": ["fe80::1%eth0"]}, "FIELD_INVALID", "allowed_addresses[0]"),
        ({"allowed_addresses": ["::%\0x"]}, "FIELD_INVALID", "allowed_addresses[0]"),
        ({"allowed_addresses": ["1" * 100_000]}, "FIELD_INVALID", "allowed_addresses[0]"),
        ({"allowed_addresses": ["10.0.0.1"] * 51}, "FIELD_INVALID", "allowed_addresses"),
        ({"expires_at": Timestamp(seconds=1)}, "FIELD_INVALID", "expires_at"),
        ({"expires_at": Timestamp(seconds=10**15)}, "FIELD_INVALID", "expires_at"),
        ({"expires_at": NEVER}, "FIELD_INVALID", "expires_at"),
    ],
)
async def test_a_bad_order_names_its_field_and_makes_no_key(
    acme: Merchant, fields: dict[str, Any], reason: str, field: str
) -> None:
    request = keys_pb2.CreateKeyRequest(**{"name": "shop", "scopes": ALL} | fields)
    _, given, _, named = await refusal(acme.call("CreateKey", request))

    assert (given, named) == (reason, [field])
    assert len((await acme.call("ListKeys", keys_pb2.ListKeysRequest())).keys) == 1


async def test_all_that_is_wrong_is_named_at_once(acme: Merchant) -> None:
    request = keys_pb2.CreateKeyRequest(allowed_addresses=["x"])
    _, _, _, named = await refusal(acme.call("CreateKey", request))

    assert named == ["name", "scopes", "allowed_addresses[0]"]


@pytest.mark.parametrize("hours", [None, -1, 73])
async def test_an_overlap_is_stated_and_bounded(acme: Merchant, hours: int | None) -> None:
    key = await acme.create()
    request = keys_pb2.RollKeyRequest(key_id=key.key.key_id, overlap_hours=hours)
    _, reason, _, named = await refusal(acme.call("RollKey", request))

    assert reason == ("FIELD_REQUIRED" if hours is None else "FIELD_INVALID")
    assert named == ["overlap_hours"]


async def test_nobody_grants_a_scope_that_his_own_credential_lacks(
    acme: Merchant, service: Service
) -> None:
    whole = await acme.create()
    keeper = await acme.create(scopes=["keys:manage"])
    caller = Merchant(service, keeper.key.key_id, keeper.api_key)

    request = keys_pb2.CreateKeyRequest(name="more", scopes=["payments:write"])
    _, reason, metadata, _ = await refusal(caller.call("CreateKey", request))
    assert (reason, metadata) == ("SCOPE_MISSING", {"scopes": "payments:write"})
    rolling = keys_pb2.RollKeyRequest(key_id=whole.key.key_id, overlap_hours=1)
    assert (await refusal(caller.call("RollKey", rolling)))[1] == "SCOPE_MISSING"
    assert (await caller.create(scopes=["keys:manage"])).key.status == keys_pb2.Key.ACTIVE


@pytest.mark.parametrize("rpc", REQUESTS)
async def test_anothers_key_is_an_unknown_one(
    acme: Merchant, service: Service, engine: AsyncEngine, rpc: str
) -> None:
    other = await merchant(service, engine)
    unknown = f"key_{acme.key_id[4:-4]}0000"

    def asked(key_id: str) -> Any:
        hours = {"overlap_hours": 1} if rpc == "RollKey" else {}
        return acme.call(rpc, REQUESTS[rpc](key_id=key_id, **hours))

    answers = [(await refusal(asked(key_id)))[:2] for key_id in (other.key_id, unknown, "nothing")]
    assert answers == [(grpc.StatusCode.NOT_FOUND, "KEY_NOT_FOUND")] * 3
    assert (await other.on("GetKey", other.key_id)).status == keys_pb2.Key.ACTIVE


async def test_a_merchant_has_so_many_active_keys_and_no_more(
    acme: Merchant, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            sql(
                "INSERT INTO api_keys (merchant_id, id, name, digest, scopes, addresses, "
                "created_by, version) SELECT merchant_id, gen_random_uuid(), name, digest, scopes, "
                "addresses, created_by, version FROM api_keys CROSS JOIN generate_series(2, :most)"
            ),
            {"most": KEYS_MAX},
        )

    request = keys_pb2.CreateKeyRequest(name="one more", scopes=ALL)
    assert (await refusal(acme.call("CreateKey", request)))[1] == "KEYS_EXHAUSTED"
    await acme.on("RevokeKey", acme.key_id)


async def test_the_hour_of_the_last_use_is_kept(acme: Merchant, engine: AsyncEngine) -> None:
    key_id = decode_id("key", acme.key_id)
    assert key_id is not None
    await PostgresCredentials(engine).note_uses({MerchantKey: {key_id}})

    used = (await acme.on("GetKey", acme.key_id)).last_used_at.ToDatetime(UTC)
    assert (used.minute, used.second, used.microsecond) == (0, 0, 0)
    assert datetime.now(UTC) - used < timedelta(hours=1, minutes=1)


async def test_a_key_of_nobody_is_refused(acme: Merchant) -> None:
    invented = new_key_text(new_id(), is_operators=False, is_live=False)

    assert await acme.admitted(invented) == "API_KEY_INVALID"


async def test_no_key_makes_one_that_goes_on_longer_or_serves_elsewhere(
    acme: Merchant, service: Service
) -> None:
    whole = await acme.create(name="whole")
    end, later = Timestamp(), Timestamp()
    end.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    later.FromDatetime(datetime.now(UTC) + timedelta(hours=2))
    bound = await acme.create(expires_at=end)
    caller = Merchant(service, bound.key.key_id, bound.api_key)

    for fields in ({}, {"expires_at": later}):
        request = keys_pb2.CreateKeyRequest(name="on", scopes=["payments:read"], **fields)
        _, reason, _, named = await refusal(caller.call("CreateKey", request))
        assert (reason, named) == ("FIELD_INVALID", ["expires_at"])
    rolling = keys_pb2.RollKeyRequest(key_id=whole.key.key_id, overlap_hours=1)
    assert (await refusal(caller.call("RollKey", rolling)))[3] == ["expires_at"]
    assert (await caller.create(expires_at=end)).key.expires_at == end


async def test_a_merchant_makes_so_many_keys_a_day(acme: Merchant, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            sql(
                "INSERT INTO api_keys (merchant_id, id, name, digest, scopes, addresses, "
                "created_by, version, revoked_at) SELECT merchant_id, gen_random_uuid(), name, "
                "digest, scopes, addresses, created_by, version, now() FROM api_keys "
                "CROSS JOIN generate_series(2, :most)"
            ),
            {"most": KEYS_A_DAY_MAX},
        )

    request = keys_pb2.CreateKeyRequest(name="one more", scopes=ALL)
    _, reason, metadata, _ = await refusal(acme.call("CreateKey", request))
    assert (reason, metadata) == ("KEYS_EXHAUSTED", {"maximum_a_day": str(KEYS_A_DAY_MAX)})


async def test_a_key_that_ended_long_ago_is_held_no_more(
    acme: Merchant, engine: AsyncEngine
) -> None:
    ended, lately = await acme.create(), await acme.create()
    await acme.on("RevokeKey", ended.key.key_id)
    await acme.on("RevokeKey", lately.key.key_id)
    key_id = decode_id("key", ended.key.key_id)
    async with engine.begin() as connection:
        await connection.execute(
            sql("UPDATE api_keys SET revoked_at = now() - interval '25 hours' WHERE id = :id"),
            {"id": key_id},
        )

    held = {key.key_id for key in (await PostgresCredentials(engine).changes(-1)).merchant_keys}

    assert lately.key.key_id in held
    assert ended.key.key_id not in held
