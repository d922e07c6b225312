"""Operators' keys over the wire and on a real database: made with roles, used, listed, revoked; and
the two that a sandbox has built in."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from caravel.payments.v1 import admin_pb2, operator_keys_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.roles import ROLES
from services.shared.contract import PrincipalKind, scopes_of
from services.shared.deployment import Deployment
from services.shared.well_known import SANDBOX_OPERATORS
from tests.poison import rows
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import actions, refused, release
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


@pytest.mark.parametrize("key_id", ["nonsense", "opk_01m83kn3s0e24t886s6p8k72tv", "key_01"])
async def test_an_unknown_key_is_refused(service: Service, key_id: str) -> None:
    call = service.operator_keys.RevokeOperatorKey(
        operator_keys_pb2.RevokeOperatorKeyRequest(key_id=key_id)
    )

    assert (await refused(call))[:2] == ("NOT_FOUND", "OPERATOR_KEY_NOT_FOUND")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"operator": " "}, "FIELD_REQUIRED"),
        ({"operator": "x" * 65}, "FIELD_INVALID"),
        ({"operator": "a\u202eb"}, "CHARACTER_FORBIDDEN"),
        ({"name": ""}, "FIELD_REQUIRED"),
        ({"roles": []}, "FIELD_REQUIRED"),
        ({"roles": ["root"]}, "FIELD_INVALID"),
        ({"allowed_addresses": ["10.0.0.1/8"]}, "FIELD_INVALID"),
        ({"expires_at": {"seconds": 1}}, "FIELD_INVALID"),
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
