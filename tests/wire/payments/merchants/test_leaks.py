"""The text of a key that somebody has found: its key ends on every replica, and nobody learns from
the answer whether there was one."""

import grpc
import pytest
from caravel.payments.v1 import keys_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.merchants.key_text import digest_of, new_key_text
from services.shared.deployment import Deployment
from services.shared.ids import decode_id, new_id
from tests.logs import logged
from tests.poison import rows, run
from tests.polling import until
from tests.wire.payments.calls import refusal
from tests.wire.payments.conftest import Service
from tests.wire.payments.merchants.test_servicer_usecases_store import Merchant, merchant

pytestmark = pytest.mark.parametrize("service", [Deployment.STAGING], indirect=True)
PLACE = "https://example.com/commit/1"


@pytest.fixture
async def acme(service: Service, engine: AsyncEngine) -> Merchant:
    return await merchant(service, engine)


async def _report(service: Service, text: str, place: str = PLACE) -> bytes:
    """The answer to a report without any credential, with all that a client sees of it."""
    call = service.keys.ReportLeakedKey(
        keys_pb2.ReportLeakedKeyRequest(api_key=text, place=place), metadata=()
    )
    answer: bytes = (await call).SerializeToString()
    names = sorted(
        name for name, _ in (*await call.initial_metadata(), *await call.trailing_metadata())
    )
    return answer + repr(names).encode()


async def _refused(acme: Merchant, text: str) -> str:
    async def look() -> str:
        return await acme.admitted(text)

    return await until(look, bool)


async def test_a_found_key_ends_at_once_and_its_owner_sees_where_it_was(
    service: Service, acme: Merchant
) -> None:
    found, other = await acme.create(name="found"), await acme.create(name="other")
    assert await acme.admitted(found.api_key) == ""

    with logged() as lines:
        await _report(service, f" {found.api_key}\n".strip())

    assert await _refused(acme, found.api_key) == "API_KEY_REVOKED"
    shown = await acme.on("GetKey", found.key.key_id)
    assert (shown.status, shown.leak_place) == (keys_pb2.Key.REVOKED, PLACE)
    assert await acme.admitted(other.api_key) == ""
    assert (await acme.on("GetKey", other.key.key_id)).leak_place == ""
    (line,) = [line for line in lines() if line["event"] == "key_leaked"]
    assert line["key_id"] == found.key.key_id
    assert found.api_key not in str(lines())


async def test_the_answer_is_the_same_whatever_was_found(
    service: Service, acme: Merchant, engine: AsyncEngine
) -> None:
    genuine, revoked = await acme.create(), await acme.create()
    await acme.on("RevokeKey", revoked.key.key_id)
    key_id = decode_id("key", genuine.key.key_id)
    assert key_id is not None
    before = await rows(engine, "SELECT id, revoked_at FROM api_keys ORDER BY id")
    answers = {
        name: await _report(service, text)
        for name, text in {
            "of another secret": new_key_text(key_id, is_operators=False, is_live=False),
            "of another owner": new_key_text(key_id, is_operators=True, is_live=False),
            "of another deployment": new_key_text(key_id, is_operators=False, is_live=True),
            "of nobody": new_key_text(new_id(), is_operators=False, is_live=False),
            "mistyped": genuine.api_key[:-1] + ("0" if genuine.api_key[-1] != "0" else "1"),
            "an id": genuine.key.key_id,
            "no key": "hunter2",
            "revoked": revoked.api_key,
        }.items()
    }
    assert await rows(engine, "SELECT id, revoked_at FROM api_keys ORDER BY id") == before

    answers["genuine"] = await _report(service, genuine.api_key, "")
    answers["again"] = await _report(service, genuine.api_key)

    assert len(set(answers.values())) == 1
    assert (await acme.on("GetKey", genuine.key.key_id)).leak_place == "unsaid"
    # A key that was revoked before keeps that time, and no place.
    assert (await acme.on("GetKey", revoked.key.key_id)).leak_place == ""


async def test_an_operators_key_ends_too(service: Service, engine: AsyncEngine) -> None:
    key_id = new_id()
    text = new_key_text(key_id, is_operators=True, is_live=False)
    digest = digest_of(text).hex()
    await run(
        engine,
        f"""
        INSERT INTO operator_keys (id, operator, name, digest, scopes, addresses, created_by)
        VALUES ('{key_id}', 'ada', 'laptop', decode('{digest}', 'hex'), '[]', '[]', 'command')
        """,
    )

    await _report(service, text)

    kept = await rows(engine, "SELECT revoked_at IS NOT NULL, leak_place FROM operator_keys")
    assert kept == [(True, PLACE)]


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({}, "FIELD_REQUIRED", "api_key"),
        ({"api_key": "x" * 201}, "FIELD_INVALID", "api_key"),
        ({"api_key": "x", "place": "x" * 501}, "FIELD_INVALID", "place"),
        ({"api_key": "x\u202e"}, "CHARACTER_FORBIDDEN", "api_key"),
    ],
)
async def test_a_malformed_report_is_refused_by_name(
    service: Service, fields: dict[str, str], reason: str, field: str
) -> None:
    call = service.keys.ReportLeakedKey(keys_pb2.ReportLeakedKeyRequest(**fields))

    code, said, _, names = await refusal(call)

    assert (code, said, names) == (grpc.StatusCode.INVALID_ARGUMENT, reason, [field])


async def test_a_flood_of_reports_keeps_no_genuine_one_out(
    service: Service, acme: Merchant
) -> None:
    for _ in range(60):
        invented = new_key_text(new_id(), is_operators=False, is_live=False)
        for found in ("x", invented):
            await service.keys.ReportLeakedKey(keys_pb2.ReportLeakedKeyRequest(api_key=found))

    await service.keys.ReportLeakedKey(keys_pb2.ReportLeakedKeyRequest(api_key=acme.text))

    await until(lambda: acme.admitted(acme.text), lambda refused: refused == "API_KEY_REVOKED")
