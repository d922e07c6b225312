"""Our own tokens over the wire, on a real database: asked for with a key, used in its place, read
by another library, and ended with their key."""

from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import grpc
import pytest
from caravel.payments.v1 import keys_pb2, payments_pb2, tokens_pb2
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.json_format import MessageToDict
from joserfc import jwk, jwt
from pydantic import SecretStr
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.merchants.convert import MERCHANT_SCOPES
from services.payments.merchants.tokens.opening import TokenSettings
from services.shared.deployment import Deployment
from services.shared.secret_files import LiveSecret
from tests.conftest import owner_of
from tests.polling import until
from tests.signing_keys import make_pem
from tests.wire.payments.calls import refusal
from tests.wire.payments.conftest import CORRIDORS, Service, serving_payments
from tests.wire.payments.merchant import new_merchant

ISSUER = "https://api.caravel.example"
LIST = payments_pb2.ListPaymentsRequest()
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Client:
    """A merchant with one key that has every scope."""

    service: Service
    key_id: str
    key: str

    def issue(self, **changes: str) -> Any:
        """The call for a token."""
        parameters = {
            "grant_type": "client_credentials",
            "client_id": self.key_id,
            "client_secret": self.key,
            **changes,
        }
        return self.service.tokens.IssueToken(form(parameters))

    async def ask(self, scope: str = "") -> tokens_pb2.AccessToken:
        """A token."""
        token: tokens_pb2.AccessToken = await self.issue(scope=scope)
        return token

    async def refused(self, **changes: str) -> tuple[grpc.StatusCode, str, dict[str, str]]:
        """Code, reason and metadata of the refusal."""
        code, reason, metadata, _ = await refusal(self.issue(**changes))
        return code, reason, metadata

    async def admitted(self, token: str) -> str:
        """The reason with which a credential may not read; empty where it may."""
        metadata = (("authorization", f"Bearer {token}"),)
        call = self.service.payments.ListPayments(LIST, metadata=metadata)
        try:
            await call
        except grpc.aio.AioRpcError:
            return (await refusal(call))[1]
        return ""


def followed(path: Path) -> LiveSecret:
    """The text of a file, read at each use."""
    return LiveSecret(lambda: SecretStr(path.read_text()))


def form(parameters: dict[str, str]) -> tokens_pb2.IssueTokenRequest:
    body = HttpBody(content_type=FORM, data=urlencode(parameters).encode())
    return tokens_pb2.IssueTokenRequest(body=body)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.pem"
    path.write_text(make_pem())
    return path


@pytest.fixture
async def client(engine: AsyncEngine, key_file: Path) -> AsyncIterator[Client]:
    settings = TokenSettings(issuer=ISSUER, signing_keys=followed(key_file))
    async with serving_payments(engine, CORRIDORS, Deployment.STAGING, settings) as service:
        made = await new_merchant(engine)
        yield Client(service, made.key.key_id, made.text)


async def test_a_token_serves_in_the_place_of_its_key(client: Client) -> None:
    token = await client.ask()

    assert (token.token_type, token.expires_in) == ("Bearer", 600)
    assert set(token.scope.split()) == MERCHANT_SCOPES
    assert await client.admitted(token.access_token) == ""


async def test_a_client_may_come_by_http_basic(client: Client) -> None:
    header = b64encode(f"{client.key_id}:{client.key}".encode()).decode()

    token = await client.service.tokens.IssueToken(
        form({"grant_type": "client_credentials"}), metadata=(("authorization", f"Basic {header}"),)
    )

    assert await client.admitted(token.access_token) == ""


async def test_a_token_has_the_scopes_that_are_asked_for_and_no_others(client: Client) -> None:
    token = await client.ask("quotes:write")

    assert token.scope == "quotes:write"
    assert await client.admitted(token.access_token) == "SCOPE_MISSING"


async def test_another_library_verifies_a_token_by_what_we_publish(client: Client) -> None:
    token = await client.ask("payments:read")
    published = MessageToDict(await client.service.tokens.GetKeySet(tokens_pb2.GetKeySetRequest()))
    metadata = await client.service.tokens.GetServerMetadata(tokens_pb2.GetServerMetadataRequest())

    read = jwt.decode(token.access_token, jwk.KeySet.import_key_set(published), ["EdDSA"])

    jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": metadata.issuer},
        aud={"essential": True, "value": ISSUER},
        sub={"essential": True, "value": client.key_id},
        exp={"essential": True},
        jti={"essential": True},
    ).validate(read.claims)
    assert read.claims["exp"] - read.claims["iat"] == 600
    assert read.claims["scope"] == "payments:read"
    assert read.header["typ"] == "at+jwt"
    assert metadata.token_endpoint == f"{ISSUER}/oauth/token"
    assert metadata.jwks_uri == f"{ISSUER}/.well-known/jwks.json"
    assert set(metadata.scopes_supported) == MERCHANT_SCOPES


async def test_the_published_keys_may_be_kept(client: Client) -> None:
    call = client.service.tokens.GetKeySet(tokens_pb2.GetKeySetRequest())

    assert dict(await call.initial_metadata())["cache-control"] == "public, max-age=300"


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"client_id": "key_01jd8x3v9me7rb5k3n6q2f4h8z"}, "UNAUTHENTICATED", "CLIENT_INVALID"),
        ({"client_id": ""}, "UNAUTHENTICATED", "CLIENT_INVALID"),
        ({"client_secret": "nobody"}, "UNAUTHENTICATED", "API_KEY_INVALID"),
        ({"client_secret": "cvl_test_x"}, "UNAUTHENTICATED", "API_KEY_MISTYPED"),
        ({"scope": "payments:fly"}, "INVALID_ARGUMENT", "SCOPE_INVALID"),
        ({"scope": "payments:read payments:fly"}, "INVALID_ARGUMENT", "SCOPE_INVALID"),
        ({"scope": "operate:read"}, "INVALID_ARGUMENT", "SCOPE_INVALID"),
        ({"grant_type": "password"}, "INVALID_ARGUMENT", "GRANT_TYPE_UNSUPPORTED"),
    ],
)
async def test_a_client_that_may_have_no_token_is_refused(
    client: Client, changes: dict[str, str], code: str, reason: str
) -> None:
    found, said, _ = await client.refused(**changes)

    assert (found.name, said) == (code, reason)


async def test_a_scope_that_the_key_lacks_is_refused(client: Client, engine: AsyncEngine) -> None:
    new = await client.service.keys.CreateKey(
        keys_pb2.CreateKeyRequest(name="reader", scopes=["payments:read"]),
        metadata=(("x-api-key", client.key),),
    )
    reader = Client(client.service, new.key.key_id, new.api_key)

    assert (await reader.ask()).scope == "payments:read"
    assert (await reader.ask("payments:read quotes:write")).scope == "payments:read"
    assert (await reader.refused(scope="quotes:write"))[1] == "SCOPE_INVALID"


async def test_a_token_manages_keys_by_its_scope_alone(client: Client) -> None:
    token = (await client.ask("payments:read")).access_token
    call = client.service.keys.ListKeys(
        keys_pb2.ListKeysRequest(), metadata=(("authorization", f"Bearer {token}"),)
    )
    with pytest.raises(grpc.aio.AioRpcError):
        await call
    assert (await refusal(call))[1] == "SCOPE_MISSING"


async def test_a_token_ends_with_its_key(client: Client) -> None:
    token = (await client.ask()).access_token
    assert await client.admitted(token) == ""

    await client.service.keys.RevokeKey(
        keys_pb2.RevokeKeyRequest(key_id=client.key_id), metadata=(("x-api-key", client.key),)
    )

    seen = await until(lambda: client.admitted(token), bool)
    assert seen == "API_KEY_REVOKED"
    assert (await client.refused())[1] == "API_KEY_REVOKED"


async def test_a_token_ends_with_the_time_of_its_key(client: Client, engine: AsyncEngine) -> None:
    soon = datetime.now(UTC) + timedelta(days=1)
    request = keys_pb2.CreateKeyRequest(name="short", scopes=["payments:read"])
    request.expires_at.FromDatetime(soon)
    new = await client.service.keys.CreateKey(request, metadata=(("x-api-key", client.key),))
    short = Client(client.service, new.key.key_id, new.api_key)
    token = (await short.ask()).access_token
    assert await client.admitted(token) == ""

    await _change(engine, "UPDATE api_keys SET expires_at = now() WHERE name = 'short'")

    assert await until(lambda: client.admitted(token), bool) == "API_KEY_EXPIRED"


async def test_a_disabled_merchant_has_no_token_and_uses_none(
    client: Client, engine: AsyncEngine
) -> None:
    token = (await client.ask()).access_token

    await _change(engine, "UPDATE merchants SET disabled_at = now()")

    assert await until(lambda: client.admitted(token), bool) == "MERCHANT_DISABLED"
    code, reason, metadata = await client.refused()
    assert (code.name, reason) == ("FAILED_PRECONDITION", "CLIENT_NOT_ALLOWED")
    assert metadata == {"because": "MERCHANT_DISABLED"}


async def _change(engine: AsyncEngine, statement: str) -> None:
    """A change of merchants and keys, as the code makes each: it counts the version up."""
    async with owner_of(engine).begin() as connection:
        version = (
            await connection.execute(
                sql("UPDATE credential_version SET version = version + 1 RETURNING version")
            )
        ).scalar_one()
        table = statement.split()[1]
        await connection.execute(sql(statement))
        await connection.execute(sql(f"UPDATE {table} SET version = {version}"))


def rotate(path: Path, *, keeps_old: bool = False) -> None:
    path.write_text(make_pem() + (path.read_text() if keeps_old else ""))


async def test_a_new_signing_key_is_followed_and_the_old_one_verifies(
    client: Client, key_file: Path
) -> None:
    old = (await client.ask()).access_token
    rotate(key_file, keeps_old=True)
    new = (await client.ask()).access_token

    assert (await client.admitted(old), await client.admitted(new)) == ("", "")
    published = await client.service.tokens.GetKeySet(tokens_pb2.GetKeySetRequest())
    assert len(published.keys) == 2

    rotate(key_file)
    assert await client.admitted(old) == "TOKEN_INVALID"


async def test_replicas_with_the_same_file_take_each_others_tokens(
    client: Client, engine: AsyncEngine, key_file: Path
) -> None:
    token = (await client.ask()).access_token
    settings = TokenSettings(issuer=ISSUER, signing_keys=followed(key_file))
    async with serving_payments(engine, CORRIDORS, Deployment.STAGING, settings) as other:
        replica = Client(other, client.key_id, client.key)
        assert await replica.admitted(token) == ""


async def test_without_signing_keys_no_token_is_issued_or_taken(
    client: Client, engine: AsyncEngine
) -> None:
    token = (await client.ask()).access_token
    settings = TokenSettings(issuer=ISSUER)
    async with serving_payments(engine, CORRIDORS, Deployment.STAGING, settings) as other:
        keyless = Client(other, client.key_id, client.key)
        assert (await keyless.refused())[1] == "TOKENS_NOT_ISSUED"
        assert await keyless.admitted(token) == "TOKEN_INVALID"
        assert not (await other.tokens.GetKeySet(tokens_pb2.GetKeySetRequest())).keys
