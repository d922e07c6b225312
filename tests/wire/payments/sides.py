"""The calls of the contract by kind of principal, and merchants with credentials good and bad and
one thing of each kind that a merchant owns."""

import json
from base64 import b64decode
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import grpc
from caravel.common.v1 import options_pb2
from caravel.payments.v1.tokens_pb2 import IssueTokenRequest
from google.api.httpbody_pb2 import HttpBody
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2
from grpc_status import rpc_status
from joserfc import jwk, jwt
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.merchants.convert import MERCHANT_SCOPES
from services.payments.merchants.key_text import new_key_text, read_key_text
from services.payments.merchants.store import PostgresKeys
from services.payments.merchants.usecases import KeyOrder, new_key
from services.payments.model.principal import MerchantId
from services.shared.contract import PrincipalKind
from services.shared.contract import scopes_of as scopes_of_kind
from services.shared.ids import decode_id, encode_id, new_id
from tests.makers import USER
from tests.poison import run
from tests.signing_keys import make_pem
from tests.wire.payments.calls import STUBS, methods
from tests.wire.payments.calls import new_key as new_idempotency_key
from tests.wire.payments.conftest import Service
from tests.wire.payments.merchant import NewMerchant, new_merchant
from tests.wire.payments.operators.keys import operator_key

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
# Ids of everybody's.
COMMON = {"corridor_id"}
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
GOOD, REVOKED, EXPIRED, NARROW = "good", "revoked", "expired", "narrow"


def lacked_by(method: Any) -> list[frozenset[str]]:
    """The sets of scopes without which a credential may not make the call."""
    access = method.GetOptions().Extensions[options_pb2.access]
    if access.or_scopes:
        return [frozenset(map(_scope_name, (*access.scopes, *access.or_scopes)))]
    return [frozenset({_scope_name(scope)}) for scope in access.scopes]


def _scope_name(scope: int) -> str:
    value = options_pb2.Scope.DESCRIPTOR.values_by_number[scope]
    return str(value.GetOptions().Extensions[options_pb2.scope_name])


def _narrow(lacked: Collection[str]) -> str:
    return " ".join((NARROW, *sorted(lacked)))


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


async def make_side(service: Service, engine: AsyncEngine, name: str) -> Side:
    """A new merchant with one thing of each kind."""
    made = await new_merchant(engine, name)
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


def expired(token: str, key_file: Path | None) -> str:
    """The token as it was an hour ago, signed by our own key, or else by somebody's."""
    pem = key_file.read_text() if key_file else make_pem()
    key = jwk.import_key(pem, "OKP")
    kid = json.loads(b64decode(token.split(".", maxsplit=1)[0] + "==", altchars="-_"))["kid"]
    claims = json.loads(b64decode(token.split(".")[1] + "==", altchars="-_"))
    claims |= {name: claims[name] - 3600 for name in ("exp", "iat", "nbf") if name in claims}
    header = {"alg": "EdDSA", "typ": "at+jwt", "kid": kid}
    return str(jwt.encode(header, claims, key, algorithms=["EdDSA"]))


async def make_operators(engine: AsyncEngine) -> Mapping[str, str]:
    """Keys of operators that must not serve, by the reason, and one that has every scope."""
    scopes = scopes_of_kind(PrincipalKind.OPERATOR)
    made = {
        GOOD: await operator_key(engine, "amina"),
        REVOKED: await operator_key(engine, "revoked", changes="revoked_at = now()"),
        EXPIRED: await operator_key(engine, "expired", changes="expires_at = now()"),
        **{
            _narrow(lacked): await operator_key(engine, _narrow(lacked), scopes=scopes - lacked)
            for lacked in {
                lacked for method in methods(Access.OPERATOR) for lacked in lacked_by(method)
            }
        },
    }
    return {name: key.text for name, key in made.items()}


def refusals_of(
    method: Any, ours: Side, operators: Mapping[str, str], key_file: Path
) -> Mapping[str, str]:
    """The credentials that a call is refused with, and the reason for each; "" is none."""
    unknown = new_key_text(new_id(), is_operators=False, is_live=False)
    wanted = {
        "": "CREDENTIALS_MISSING",
        unknown: "API_KEY_INVALID",
        new_key_text(new_id(), is_operators=True, is_live=False): "API_KEY_INVALID",
        unknown[:-1]: "API_KEY_MISTYPED",
        new_key_text(new_id(), is_operators=False, is_live=True): "API_KEY_OF_OTHER_DEPLOYMENT",
        new_key_text(new_id(), is_operators=True, is_live=True): "API_KEY_OF_OTHER_DEPLOYMENT",
        ours.bad[f"{REVOKED} token"]: "API_KEY_REVOKED",
        ours.token[:-4] + "AAAA": "TOKEN_INVALID",
        expired(ours.token, key_file): "TOKEN_EXPIRED",
        expired(ours.token, None): "TOKEN_INVALID",
    }
    for bad in (ours.bad, operators):
        wanted |= {bad[REVOKED]: "API_KEY_REVOKED", bad[EXPIRED]: "API_KEY_EXPIRED"}
    narrow = [_narrow(lacked) for lacked in lacked_by(method)]
    if method.GetOptions().Extensions[options_pb2.access].principal == Access.MERCHANT:
        wanted[operators[GOOD]] = "PRINCIPAL_NOT_ALLOWED"
        wanted |= {ours.bad[name]: "SCOPE_MISSING" for name in narrow}
        wanted |= {ours.bad[f"{name} token"]: "SCOPE_MISSING" for name in narrow}
    else:
        wanted |= dict.fromkeys((ours.text, ours.token), "PRINCIPAL_NOT_ALLOWED")
        wanted |= {operators[name]: "SCOPE_MISSING" for name in narrow}
    return wanted
