"""Two merchants, and every call of the contract: each id of the other is answered exactly like one
that never was, by each credential; each bad credential is refused; and nothing of one is changed
or listed by the other. Calls, their ids and their scopes are read from the contract."""

import json
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import grpc
import pytest
from caravel.common.v1 import options_pb2
from caravel.payments.v1 import payments_pb2
from caravel.payments.v1.tokens_pb2 import IssueTokenRequest
from google.api.httpbody_pb2 import HttpBody
from google.protobuf import descriptor_pool, json_format
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2
from grpc_status import rpc_status
from joserfc import jwk, jwt
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.merchants.convert import MERCHANT_SCOPES
from services.payments.merchants.key_text import digest_of, new_key_text, read_key_text
from services.payments.merchants.store import PostgresKeys, add_merchant
from services.payments.merchants.tokens.opening import TokenSettings
from services.payments.merchants.usecases import KeyOrder, NewMerchant, new_key, new_merchant
from services.payments.model.principal import MerchantId
from services.shared.deployment import Deployment
from services.shared.ids import decode_id, encode_id, new_id
from tests.makers import USER
from tests.poison import run
from tests.signing_keys import make_pem
from tests.wire.payments.calls import new_key as new_idempotency_key
from tests.wire.payments.conftest import CORRIDORS, Service, serving_payments
from tests.wire.payments.merchants.test_tokens_issuing import followed

PACKAGE = "caravel.payments.v1"
STUBS = {
    "PaymentService": "payments",
    "RefundService": "refunds",
    "EndpointService": "endpoints",
    "KeyService": "keys",
    "AdminService": "admin",
}
Access = options_pb2.Access
# The ids that belong to one merchant, by the names of their fields, with their prefixes.
KINDS = {
    "transaction_id": "pay",
    "quote_id": "quo",
    "refund_id": "ref",
    "endpoint_id": "whe",
    "key_id": "key",
}
# Ids that the caller itself gives out.
CALLERS_OWN = {"user_id"}
RECIPIENT = {
    "bank_account": {
        "holder_name": "Ada Obi",
        "bank_code": "044",
        "account_number": "0690000032",
    }
}
OTHER_RECIPIENT = {"bank_account": {**RECIPIENT["bank_account"], "holder_name": "Bale Gary"}}
PAY = {"amount_usd": "20.00", "destination_currency": "NGN", "recipient": RECIPIENT}
# The fields with which a call goes as far as the id that it names.
FIELDS: Mapping[str, Mapping[str, Any]] = {
    "CreatePayment": {**PAY, "user_id": str(USER)},
    "CreateQuote": PAY,
    "CheckRecipient": {"destination_currency": "NGN", "recipient": RECIPIENT},
    "CorrectRecipient": {"recipient": OTHER_RECIPIENT},
    "CreateRefund": {"full": True},
    "CreateEndpoint": {"url": "https://example.com/hook"},
    "CreateKey": {"name": "shop", "scopes": ["payments:read"]},
    "RollKey": {"overlap_hours": 1},
}
REVOKED, EXPIRED, NARROW = "revoked", "expired", "narrow"


def methods(*kinds: int) -> Iterator[Any]:
    """The calls of the contract for these kinds of principal."""
    for name in STUBS:
        service: Any = descriptor_pool.Default().FindServiceByName(f"{PACKAGE}.{name}")
        for method in service.methods:
            if method.GetOptions().Extensions[options_pb2.access].principal in kinds:
                yield method


def scopes_of(method: Any) -> list[str]:
    return [
        str(
            options_pb2.Scope.DESCRIPTOR.values_by_number[scope]
            .GetOptions()
            .Extensions[options_pb2.scope_name]
        )
        for scope in method.GetOptions().Extensions[options_pb2.access].scopes
    ]


def ids_in(method: Any) -> list[str]:
    """The fields of a request that hold an id of one merchant."""
    return [field.name for field in method.input_type.fields if field.name in KINDS]


@dataclass(frozen=True)
class Answer:
    """An answer as bytes, or a refusal; an id that was asked for stands in it as `<id>`."""

    status: grpc.StatusCode
    body: str
    reason: str


async def answer(
    service: Service, method: Any, text: str, fields: Mapping[str, Any], named: str = ""
) -> Answer:
    request: Any = json_format.ParseDict(dict(fields), GetMessageClass(method.input_type)())
    stub = getattr(service, STUBS[method.containing_service.name])
    credential = (("authorization", f"Bearer {text}"),) if text else ()
    metadata = (*credential, *new_idempotency_key())
    try:
        response = await getattr(stub, method.name)(request, metadata=metadata, timeout=30)
    except grpc.aio.AioRpcError as error:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]
        assert status is not None, method.name
        return Answer(error.code(), _without(status, named), _reason(status))
    return Answer(grpc.StatusCode.OK, str(response), "")


def _reason(status: status_pb2.Status) -> str:
    return str(json_format.MessageToDict(status)["details"][0]["reason"])


def _without(status: status_pb2.Status, named: str) -> str:
    """The refusal without the id that was asked for, and without the request's own."""
    written = json_format.MessageToDict(status)
    written["details"] = [
        detail for detail in written["details"] if not detail["@type"].endswith("RequestInfo")
    ]
    return str(written).replace(named, "<id>") if named else str(written)


@dataclass(frozen=True)
class Side:
    """One merchant with a key, and one thing of each kind that it owns."""

    merchant_id: str
    text: str
    # Keys and tokens that must not serve, by the reason.
    bad: Mapping[str, str]
    owned: Mapping[str, str]
    token: str


async def _side(service: Service, engine: AsyncEngine, name: str) -> Side:
    made = new_merchant(name, MERCHANT_SCOPES, datetime.now(UTC), is_live=False)
    await add_merchant(engine, made.merchant, made.key)
    token = await issue(service, made.text)
    side = Side(made.merchant.id, made.text, await _bad(service, engine, made), {}, token)
    created = {method.name: method for method in methods(Access.MERCHANT)}

    async def make(rpc: str, **fields: Any) -> Any:
        method = created[rpc]
        request: Any = json_format.ParseDict(
            {**FIELDS.get(rpc, {}), **fields}, GetMessageClass(method.input_type)()
        )
        stub = getattr(service, STUBS[method.containing_service.name])
        metadata = (("authorization", f"Bearer {side.text}"), *new_idempotency_key())
        return await getattr(stub, rpc)(request, metadata=metadata)

    payment = await make("CreatePayment")
    returned = await make("CreatePayment")
    await _return(engine, returned.transaction_id)
    refund = await make("CreateRefund", transaction_id=returned.transaction_id)
    owned = {
        "transaction_id": payment.transaction_id,
        "quote_id": (await make("CreateQuote")).quote_id,
        "refund_id": refund.refund_id,
        "endpoint_id": (await make("CreateEndpoint")).endpoint_id,
        "key_id": (await make("CreateKey")).key.key_id,
    }
    return replace(side, owned=owned)


async def _return(engine: AsyncEngine, transaction_id: str) -> None:
    payment_id = decode_id("pay", transaction_id)
    await run(engine, f"UPDATE payments SET state = 'RETURNED' WHERE id = '{payment_id}'")


async def issue(service: Service, text: str, scope: str = "") -> str:
    """A token of our own for a key."""
    said = read_key_text(text)
    body = urlencode(
        {
            "grant_type": "client_credentials",
            "client_id": encode_id("key", said.id),
            "client_secret": text,
            "scope": scope,
        }
    )
    form = HttpBody(content_type="application/x-www-form-urlencoded", data=body.encode())
    return str((await service.tokens.IssueToken(IssueTokenRequest(body=form))).access_token)


async def _bad(service: Service, engine: AsyncEngine, made: NewMerchant) -> Mapping[str, str]:
    """Keys and tokens of the merchant that must not serve, by the reason."""
    store, now = PostgresKeys(engine), datetime.now(UTC)
    order = KeyOrder(name="bad", scopes=MERCHANT_SCOPES, addresses=(), expires_at=None)
    merchant_id = MerchantId(made.merchant.id)
    texts = {}
    for name, changes in (
        (REVOKED, {}),
        (EXPIRED, {"expires_at": now - timedelta(seconds=1)}),
        *(
            (f"{NARROW} {scope}", {"scopes": MERCHANT_SCOPES - {scope}})
            for scope in MERCHANT_SCOPES
        ),
    ):
        key, text = new_key(merchant_id, replace(order, **changes), now, "command", is_live=False)
        await store.add(merchant_id, key)
        if name == REVOKED:
            texts[f"{name} token"] = await issue(service, text)
            await store.revoke(merchant_id, key.id)
        texts[name] = text
    for scope in MERCHANT_SCOPES:
        others = " ".join(sorted(MERCHANT_SCOPES - {scope}))
        texts[f"{NARROW} {scope} token"] = await issue(service, made.text, others)
    return texts


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.pem"
    path.write_text(make_pem())
    return path


@pytest.fixture
async def service(
    request: pytest.FixtureRequest, engine: AsyncEngine, key_file: Path
) -> AsyncIterator[Service]:
    """A deployment that issues tokens."""
    settings = TokenSettings(issuer="https://api.caravel.example", signing_keys=followed(key_file))
    async with serving_payments(engine, CORRIDORS, request.param, settings) as service:
        yield service


@pytest.fixture
async def sides(service: Service, engine: AsyncEngine) -> AsyncIterator[tuple[Side, Side]]:
    yield await _side(service, engine, "Acme"), await _side(service, engine, "Borealis")


in_staging = pytest.mark.parametrize("service", [Deployment.STAGING], indirect=True)


@in_staging
async def test_anothers_id_is_answered_like_an_unknown_one(
    service: Service, sides: tuple[Side, Side]
) -> None:
    ours, theirs = sides
    wrong, cases = [], 0
    for credential, method in product((ours.text, ours.token), methods(Access.MERCHANT)):
        for field in ids_in(method):
            asked = {
                "own": ours.owned[field],
                "another's": theirs.owned[field],
                "unknown": encode_id(KINDS[field], new_id()),
                "malformed": f"{KINDS[field]}_nothing",
            }
            given = {
                name: await answer(
                    service, method, credential, {**FIELDS.get(method.name, {}), field: id_}, id_
                )
                for name, id_ in asked.items()
                # A verb on one's own would change it, and has tests of its own.
                if name != "own" or method.name.startswith(("Get", "List"))
            }
            cases += len(given)
            if given["another's"] != given["unknown"]:
                wrong.append((method.name, field, given["another's"], given["unknown"]))
            if given["unknown"].status is not grpc.StatusCode.NOT_FOUND:
                wrong.append((method.name, field, "unknown", given["unknown"]))
            if given["malformed"] != given["unknown"]:
                wrong.append((method.name, field, given["malformed"], given["unknown"]))
            if "own" in given and given["own"].status is not grpc.StatusCode.OK:
                wrong.append((method.name, field, "own", given["own"]))

    assert not wrong
    assert cases > 80


@in_staging
async def test_nothing_of_anothers_is_changed_or_listed(
    service: Service, sides: tuple[Side, Side]
) -> None:
    ours, theirs = sides
    readers = [
        method
        for method in methods(Access.MERCHANT)
        if method.name.startswith(("Get", "List")) and method.name != "ListCorridors"
    ]

    async def seen(side: Side) -> dict[str, str]:
        return {
            method.name: (
                await answer(
                    service,
                    method,
                    side.text,
                    {field: side.owned[field] for field in ids_in(method)},
                )
            ).body
            for method in readers
        }

    before = await seen(theirs)
    for method in methods(Access.MERCHANT):
        for field in ids_in(method):
            fields = {**FIELDS.get(method.name, {}), field: theirs.owned[field]}
            await answer(service, method, ours.text, fields)

    assert await seen(theirs) == before
    shown = "".join((await seen(ours)).values())
    assert [id_ for id_ in (*theirs.owned.values(), theirs.merchant_id) if id_ in shown] == []
    assert [id_ for id_ in ours.owned.values() if id_ not in shown] == []


@in_staging
async def test_one_idempotency_key_serves_each_merchant_by_itself(
    service: Service, sides: tuple[Side, Side]
) -> None:
    request = json_format.ParseDict(
        dict(FIELDS["CreatePayment"]), payments_pb2.CreatePaymentRequest()
    )
    key = ("idempotency-key", "the-same")
    made = []
    for side in (*sides, *sides):
        metadata = (("authorization", f"Bearer {side.text}"), key)
        made.append(await service.payments.CreatePayment(request, metadata=metadata))

    assert made[0] == made[2]
    assert made[1] == made[3]
    assert made[0].transaction_id != made[1].transaction_id


@in_staging
async def test_each_call_is_refused_by_each_bad_credential(
    service: Service, sides: tuple[Side, Side], engine: AsyncEngine, key_file: Path
) -> None:
    ours, _ = sides
    unknown = new_key_text(new_id(), is_operators=False, is_live=False)
    live = new_key_text(new_id(), is_operators=False, is_live=True)
    operators = await _operators_key(engine)
    wrong, cases = [], 0
    for method in methods(Access.MERCHANT, Access.OPERATOR):
        is_merchants = method in set(methods(Access.MERCHANT))
        wanted = {
            "": "CREDENTIALS_MISSING",
            unknown: "API_KEY_INVALID",
            unknown[:-1]: "API_KEY_MISTYPED",
            live: "API_KEY_OF_OTHER_DEPLOYMENT",
            ours.bad[REVOKED]: "API_KEY_REVOKED",
            ours.bad[EXPIRED]: "API_KEY_EXPIRED",
            ours.bad[f"{REVOKED} token"]: "API_KEY_REVOKED",
            ours.token[:-4] + "AAAA": "TOKEN_INVALID",
            expired(ours.token, key_file): "TOKEN_EXPIRED",
            expired(ours.token, None): "TOKEN_INVALID",
        }
        if is_merchants:
            wanted[operators] = "PRINCIPAL_NOT_ALLOWED"
            for scope in scopes_of(method):
                wanted[ours.bad[f"{NARROW} {scope}"]] = "SCOPE_MISSING"
                wanted[ours.bad[f"{NARROW} {scope} token"]] = "SCOPE_MISSING"
        else:
            wanted[ours.text] = wanted[ours.token] = "PRINCIPAL_NOT_ALLOWED"
        for text, reason in wanted.items():
            given = await answer(service, method, text, {})
            cases += 1
            if given.reason != reason:
                wrong.append((method.name, reason, given))

    assert not wrong
    assert cases > 300


def expired(token: str, key_file: Path | None) -> str:
    """The token as it was an hour ago, signed by our own key, or else by somebody's."""
    pem = key_file.read_text() if key_file else make_pem()
    key = jwk.import_key(pem, "OKP")
    kid = json.loads(b64decode(token.split(".", maxsplit=1)[0] + "==", altchars="-_"))["kid"]
    claims = json.loads(b64decode(token.split(".")[1] + "==", altchars="-_"))
    claims |= {name: claims[name] - 3600 for name in ("exp", "iat", "nbf") if name in claims}
    header = {"alg": "EdDSA", "typ": "at+jwt", "kid": kid}
    return str(jwt.encode(header, claims, key, algorithms=["EdDSA"]))


async def _operators_key(engine: AsyncEngine) -> str:
    key_id = new_id()
    text = new_key_text(key_id, is_operators=True, is_live=False)
    await run(
        engine,
        "INSERT INTO operator_keys (id, operator, name, digest, scopes, addresses, created_by, "
        f"version) VALUES ('{key_id}', 'amina', 'laptop', '\\x{digest_of(text).hex()}', "
        """'["operate:read"]', '[]', 'command', 1000)""",
    )
    await run(engine, "UPDATE credential_version SET version = 1000")
    return text


@pytest.mark.parametrize("service", [Deployment.LIVE], indirect=True)
async def test_a_test_key_is_refused_by_each_call_of_a_live_deployment(service: Service) -> None:
    texts = [
        new_key_text(new_id(), is_operators=is_operators, is_live=False)
        for is_operators in (False, True)
    ]
    given = {
        (await answer(service, method, text, {})).reason
        for method in methods(Access.MERCHANT, Access.OPERATOR)
        for text in texts
    }

    assert given == {"API_KEY_OF_OTHER_DEPLOYMENT"}


def test_every_id_of_the_contract_has_its_place_here() -> None:
    unknown = {
        field.name
        for method in methods(Access.MERCHANT)
        for field in method.input_type.fields
        if field.name.endswith("_id") and field.name not in {*KINDS, *CALLERS_OWN}
    }

    assert not unknown
