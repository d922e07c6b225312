"""Operators' keys over the wire and on a real database: made with roles, used, listed, revoked; and
the two that a sandbox has built in."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from caravel.payments.v1 import admin_pb2, operator_keys_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.merchants.domain import ApiKeyRevoked
from services.payments.model.principal import CredentialKind, Principal
from services.payments.model.roles import ROLES
from services.payments.operators.convert.access import COMMAND_PRINCIPAL, read_command_order
from services.payments.operators.domain import OPERATOR_KEYS_A_DAY_MAX, OPERATOR_KEYS_MAX
from services.payments.operators.keys import OperatorKeys
from services.payments.operators.store.keys import PostgresOperatorKeys
from services.payments.operators.store.operations import PostgresOperations
from services.payments.operators.trail import Trail
from services.shared.contract import PrincipalKind, scopes_of
from services.shared.deployment import Deployment
from services.shared.well_known import SANDBOX_OPERATORS
from tests.poison import rows, run
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import actions, refusals, refused, release
from tests.wire.payments.operators.keys import operator_key


def order(**fields: Any) -> operator_keys_pb2.CreateOperatorKeyRequest:
    given = {"operator": "grace", "name": "laptop", "roles": ["viewer"]}
    return operator_keys_pb2.CreateOperatorKeyRequest(**{**given, **fields})


def bearer(text: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {text}"),)


def letters(service: Service, text: str) -> Any:
    request = admin_pb2.ListDeadLettersRequest()
    return service.admin.ListDeadLetters(request, metadata=bearer(text))


def test_the_roles_together_are_all_that_an_operator_may() -> None:
    assert frozenset().union(*ROLES.values()) == scopes_of(PrincipalKind.OPERATOR)


@pytest.mark.parametrize("role", ROLES)
async def test_a_key_has_the_scopes_of_its_roles(service: Service, role: str) -> None:
    made = await service.operator_keys.CreateOperatorKey(order(roles=[role]))

    assert set(made.key.scopes) == ROLES[role]
    assert (await letters(service, made.api_key)).dead_letters == []
    call = service.admin.ReleaseHold(release("pay_1"), metadata=bearer(made.api_key))
    wanted = "PAYMENT_NOT_FOUND" if role == "operator" else "SCOPE_MISSING"
    assert (await refused(call))[1] == wanted


async def test_a_key_is_listed_without_its_text_and_kept_as_a_digest(
    service: Service, engine: AsyncEngine
) -> None:
    made = await service.operator_keys.CreateOperatorKey(order(allowed_addresses=["10.0.0.0/8"]))
    listed = await service.operator_keys.ListOperatorKeys(
        operator_keys_pb2.ListOperatorKeysRequest()
    )

    assert list(listed.keys) == [made.key]
    assert made.key.status == operator_keys_pb2.OperatorKey.ACTIVE
    stored = str(await rows(engine, "SELECT * FROM operator_keys"))
    assert made.api_key[-49:] not in stored
    assert await actions(service) == [("ada", "CREATE_OPERATOR_KEY", made.key.key_id, "")]


async def test_a_revoked_key_is_refused(service: Service) -> None:
    made = await service.operator_keys.CreateOperatorKey(order())
    request = operator_keys_pb2.RevokeOperatorKeyRequest(key_id=made.key.key_id)

    first = await service.operator_keys.RevokeOperatorKey(request)
    again = await service.operator_keys.RevokeOperatorKey(request)

    assert first.status == operator_keys_pb2.OperatorKey.REVOKED
    assert again.revoked_at == first.revoked_at

    async def until_refused() -> str:
        while True:
            try:
                await letters(service, made.api_key)
            except Exception:  # noqa: BLE001 - looked at below
                return (await refused(letters(service, made.api_key)))[1]

    assert await until_refused() == "API_KEY_REVOKED"
    assert [one[1] for one in await actions(service)] == [
        "REVOKE_OPERATOR_KEY",
        "CREATE_OPERATOR_KEY",
    ]


async def test_no_key_makes_one_that_goes_on_longer_or_serves_elsewhere(service: Service) -> None:
    end = Timestamp()
    end.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    bound = {"expires_at": end, "allowed_addresses": ["10.0.0.0/8"]}
    maker = await service.operator_keys.CreateOperatorKey(order(roles=["admin"], **bound))
    metadata = (*bearer(maker.api_key), ("x-client-address", "10.0.0.1"))

    for missing in bound:
        fields = {name: value for name, value in bound.items() if name != missing}
        call = service.operator_keys.CreateOperatorKey(order(**fields), metadata=metadata)
        assert (await refused(call))[:2] == ("INVALID_ARGUMENT", "FIELD_INVALID")
    made = await service.operator_keys.CreateOperatorKey(order(**bound), metadata=metadata)
    assert made.key.expires_at == end


def rolled(service: Service, key_id: str, text: str = "", /, **fields: Any) -> Any:
    request = operator_keys_pb2.RollOperatorKeyRequest(
        **{"key_id": key_id, "overlap_hours": 1, **fields}
    )
    return service.operator_keys.RollOperatorKey(request, metadata=bearer(text) if text else ())


async def shown(service: Service, key_id: str) -> operator_keys_pb2.OperatorKey:
    request = operator_keys_pb2.ListOperatorKeysRequest()
    listed = await service.operator_keys.ListOperatorKeys(request)
    return next(key for key in listed.keys if key.key_id == key_id)


async def test_a_rolled_key_serves_beside_the_new_one_for_the_overlap(service: Service) -> None:
    old = await service.operator_keys.CreateOperatorKey(order(allowed_addresses=["10.0.0.0/8"]))

    new = await rolled(service, old.key.key_id, overlap_hours=72)

    copied = ("operator", "name", "scopes", "allowed_addresses", "expires_at")
    for name in copied:
        assert getattr(new.key, name) == getattr(old.key, name)
    ending = await shown(service, old.key.key_id)
    assert ending.rolled_to == new.key.key_id
    assert ending.status == operator_keys_pb2.OperatorKey.ACTIVE
    left = ending.expires_at.ToDatetime(UTC) - datetime.now(UTC)
    assert timedelta(hours=71) < left <= timedelta(hours=72)
    for text in (old.api_key, new.api_key):
        metadata = (*bearer(text), ("x-client-address", "10.0.0.1"))
        await service.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest(), metadata=metadata)
    assert (await actions(service))[0] == ("ada", "ROLL_OPERATOR_KEY", old.key.key_id, "")


async def test_a_key_that_rolls_itself_without_overlap_ends_at_once(service: Service) -> None:
    old = await service.operator_keys.CreateOperatorKey(order(roles=["admin"]))
    await letters(service, old.api_key)

    new = await rolled(service, old.key.key_id, old.api_key, overlap_hours=0)

    assert (await shown(service, old.key.key_id)).status == operator_keys_pb2.OperatorKey.REVOKED
    assert new.key.created_by == old.key.key_id
    await letters(service, new.api_key)
    again = await refused(rolled(service, old.key.key_id))
    assert again[:2] == ("FAILED_PRECONDITION", "KEY_NOT_ACTIVE")
    assert (await refusals(service))[0][1:] == (
        *("ROLL_OPERATOR_KEY", old.key.key_id),
        "KEY_NOT_ACTIVE",
    )


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"overlap_hours": 73}, "FIELD_INVALID"),
        ({"overlap_hours": -1}, "FIELD_INVALID"),
        ({"overlap_hours": None}, "FIELD_REQUIRED"),
        ({"key_id": "opk_01m83kn3s0e24t886s6p8k72tv"}, "OPERATOR_KEY_NOT_FOUND"),
        ({"key_id": "key_01m83kn3s0e24t886s6p8k72tv"}, "OPERATOR_KEY_NOT_FOUND"),
        ({"key_id": "opk\0"}, "OPERATOR_KEY_NOT_FOUND"),
        ({"key_id": "x" * 200_000}, "OPERATOR_KEY_NOT_FOUND"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_roll_is_read_strictly(
    service: Service, fields: dict[str, Any], reason: str
) -> None:
    made = await service.operator_keys.CreateOperatorKey(order())

    assert (await refused(rolled(service, made.key.key_id, **fields)))[1] == reason


async def test_no_key_rolls_one_that_goes_on_longer_than_itself(service: Service) -> None:
    end = Timestamp()
    end.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    maker = await service.operator_keys.CreateOperatorKey(order(roles=["admin"], expires_at=end))
    endless = await service.operator_keys.CreateOperatorKey(order())

    reason = (await refused(rolled(service, endless.key.key_id, maker.api_key)))[1]

    assert reason == "FIELD_INVALID"


FILLED = """
    INSERT INTO operator_keys
           (id, operator, name, digest, scopes, addresses, created_by, expires_at)
    SELECT gen_random_uuid(), 'eve', 'n', '\\x00', '[]', '[]', :maker, {end}
      FROM generate_series(1, :count)
"""


async def test_one_key_makes_so_many_a_day(service: Service, engine: AsyncEngine) -> None:
    eve = await operator_key(engine, "eve")
    ended = FILLED.format(end="now()")
    await run(engine, ended, maker=eve.key_id, count=OPERATOR_KEYS_A_DAY_MAX - 1)
    create = service.operator_keys.CreateOperatorKey

    last = await create(order(), metadata=(eve.header,))
    beyond = await refused(create(order(), metadata=(eve.header,)))
    roll = await refused(rolled(service, last.key.key_id, eve.text))

    assert beyond[:2] == roll[:2] == ("FAILED_PRECONDITION", "KEYS_EXHAUSTED")
    await create(order())


async def test_operators_have_so_many_keys_and_the_command_makes_more(
    service: Service, engine: AsyncEngine
) -> None:
    await run(engine, FILLED.format(end="NULL"), maker="opk_other", count=OPERATOR_KEYS_MAX)

    beyond = await refused(service.operator_keys.CreateOperatorKey(order()))

    assert beyond[:2] == ("FAILED_PRECONDITION", "KEYS_EXHAUSTED")
    trail = Trail(PostgresOperations(engine))
    keys = OperatorKeys(PostgresOperatorKeys(engine), trail, is_live=False)
    made = await keys.create(COMMAND_PRINCIPAL, read_command_order("ada", ["admin"]))
    assert made.key.created_by == "command"


async def test_a_key_that_has_ended_meanwhile_makes_no_other(engine: AsyncEngine) -> None:
    eve = await operator_key(engine, "eve", changes="revoked_at = now()")
    principal = Principal(
        kind=CredentialKind.OPERATOR_KEY,
        merchant_id=None,
        scopes=frozenset({"keys:admin"}),
        credential_id=eve.key_id,
        name="eve",
    )
    trail = Trail(PostgresOperations(engine))
    keys = OperatorKeys(PostgresOperatorKeys(engine), trail, is_live=False)

    with pytest.raises(ApiKeyRevoked):
        await keys.create(principal, read_command_order("eve", ["admin"]))

    assert await rows(engine, "SELECT count(*) FROM operator_keys") == [(1,)]


async def test_the_last_admin_may_revoke_its_own_key(service: Service, engine: AsyncEngine) -> None:
    eve = await operator_key(engine, "eve")
    request = operator_keys_pb2.RevokeOperatorKeyRequest(key_id=eve.key_id)

    revoked = await service.operator_keys.RevokeOperatorKey(request, metadata=(eve.header,))

    assert revoked.status == operator_keys_pb2.OperatorKey.REVOKED


@pytest.mark.parametrize("key_id", ["nonsense", "opk_01m83kn3s0e24t886s6p8k72tv", "key_01"])
async def test_an_unknown_key_is_refused(service: Service, key_id: str) -> None:
    call = service.operator_keys.RevokeOperatorKey(
        operator_keys_pb2.RevokeOperatorKeyRequest(key_id=key_id)
    )

    assert (await refused(call))[:2] == ("NOT_FOUND", "OPERATOR_KEY_NOT_FOUND")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"operator": ""}, "FIELD_REQUIRED"),
        ({"operator": "x" * 65}, "FIELD_INVALID"),
        *(
            ({"operator": name}, "FIELD_INVALID")
            for name in (
                " ",
                "ada ",
                " ada",
                "\u0430da",
                "\uff41da",
                "ada\u200d",
                "a\u202eb",
                "a\0",
            )
        ),
        *(({"operator": name}, "FIELD_INVALID") for name in ("command", "sandbox", "operator:ada")),
        ({"expires_at": {"seconds": 253_402_300_799, "nanos": 999_999_999}}, "FIELD_INVALID"),
        ({"name": ""}, "FIELD_REQUIRED"),
        ({"roles": []}, "FIELD_REQUIRED"),
        ({"roles": ["root"]}, "FIELD_INVALID"),
        ({"allowed_addresses": ["10.0.0.1/8"]}, "FIELD_INVALID"),
        ({"expires_at": {"seconds": 1}}, "FIELD_INVALID"),
        ({"expires_at": {"seconds": 253402300799, "nanos": 999_999_999}}, "FIELD_INVALID"),
    ],
)
async def test_an_order_is_read_strictly(
    service: Service, fields: dict[str, Any], reason: str
) -> None:
    call = service.operator_keys.CreateOperatorKey(order(**fields))

    assert (await refused(call))[:2] == ("INVALID_ARGUMENT", reason)


async def test_only_keys_admin_makes_keys(service: Service, engine: AsyncEngine) -> None:
    others = scopes_of(PrincipalKind.OPERATOR) - {"keys:admin"}
    eve = await operator_key(engine, "eve", scopes=others)

    call = service.operator_keys.CreateOperatorKey(order(), metadata=(eve.header,))

    assert (await refused(call))[:2] == ("PERMISSION_DENIED", "SCOPE_MISSING")


@pytest.mark.parametrize("operator", SANDBOX_OPERATORS)
async def test_a_sandbox_knows_its_built_in_operators(service: Service, operator: str) -> None:
    text = SANDBOX_OPERATORS[operator]
    made = await service.operator_keys.CreateOperatorKey(order(), metadata=bearer(text))

    assert await actions(service) == [(operator, "CREATE_OPERATOR_KEY", made.key.key_id, "")]


@pytest.mark.parametrize("service", [Deployment.STAGING, Deployment.LIVE], indirect=True)
@pytest.mark.parametrize("operator", SANDBOX_OPERATORS)
async def test_no_other_deployment_knows_them(service: Service, operator: str) -> None:
    reason = (await refused(letters(service, SANDBOX_OPERATORS[operator])))[1]

    assert reason in {"API_KEY_INVALID", "API_KEY_OF_OTHER_DEPLOYMENT"}
