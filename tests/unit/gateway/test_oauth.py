"""The token endpoint at the gateway: a form and nothing else, and errors that any client of OAuth
reads, and any of ours."""

import re

import aiohttp
import pytest

from services.payments.merchants.domain import CredentialsUnverifiable
from services.payments.merchants.tokens.form_body import ClientInvalid
from services.payments.merchants.tokens.issuing import ClientNotAllowed, TokensNotIssued
from services.shared.errors import DomainError, field_invalid
from tests.unit.gateway.conftest import Gateway

FORM = {"content-type": "application/x-www-form-urlencoded"}
BODY = b"grant_type=client_credentials&scope=payments%3Aread"


async def test_a_form_arrives_byte_for_byte_with_its_client(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    headers = {**FORM, "authorization": "Basic a2V5OnNlY3JldA==", "x-other": "1"}

    async with http.post("/oauth/token", data=BODY, headers=headers) as response:
        assert response.status == 200
        assert response.headers["cache-control"] == "no-store"

    request, metadata = gateway.backend.requests[-1], gateway.backend.metadata[-1]
    assert request.body.data == BODY
    assert request.body.content_type == FORM["content-type"]
    assert metadata["authorization"] == headers["authorization"]
    assert "x-other" not in metadata


@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded; charset=utf-8", "Application/X-WWW-Form-Urlencoded"],
)
async def test_a_form_may_be_named_in_other_ways(
    gateway: Gateway, http: aiohttp.ClientSession, content_type: str
) -> None:
    async with http.post(
        "/oauth/token", data=BODY, headers={"content-type": content_type}
    ) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/json"},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded-not"},
        {"content-type": "multipart/form-data; boundary=x"},
        {**FORM, "content-encoding": "gzip"},
    ],
    ids=str,
)
async def test_another_body_is_415(
    gateway: Gateway, http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    async with http.post("/oauth/token", data=BODY, headers=headers) as response:
        assert response.status == 415
        error = await response.json()
    assert error["error"] == "invalid_request"
    assert error["details"][0]["reason"] == "CONTENT_TYPE_UNSUPPORTED"
    assert not gateway.backend.requests


REFUSALS: dict[str, tuple[DomainError, int, str]] = {
    "client": (ClientInvalid(), 401, "invalid_client"),
    "not allowed": (ClientNotAllowed(because="MERCHANT_DISABLED"), 400, "unauthorized_client"),
    "not issued": (TokensNotIssued(), 400, "unauthorized_client"),
    "grant": (
        field_invalid("grant_type", "no", "GRANT_TYPE_UNSUPPORTED"),
        *(400, "unsupported_grant_type"),
    ),
    "scope": (field_invalid("scope", "no", "SCOPE_INVALID"), 400, "invalid_scope"),
    "form": (field_invalid("body", "no"), 400, "invalid_request"),
    "quotes": (field_invalid('a"\\', 'say "a\\" \\ > é 印'), 400, "invalid_request"),
    "away": (CredentialsUnverifiable(), 503, "temporarily_unavailable"),
}


@pytest.mark.parametrize(("refusal", "status", "name"), REFUSALS.values(), ids=REFUSALS)
async def test_a_refusal_has_the_form_of_the_rfc_and_our_own(
    gateway: Gateway,
    http: aiohttp.ClientSession,
    refusal: DomainError,
    status: int,
    name: str,
) -> None:
    gateway.backend.refusal = refusal
    async with http.post("/oauth/token", data=BODY, headers=FORM) as response:
        error = await response.json()
        challenge = response.headers.get("www-authenticate", "")

    gateway.backend.refusal = None
    assert response.status == status
    assert error["error"] == name
    assert error["message"] == refusal.message
    assert error["details"][0]["reason"] == refusal.error_reason
    assert error["details"][-1]["request_id"] == response.headers["x-request-id"]
    # The characters of RFC 6749, section 5.2.
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+", error["error_description"])
    assert challenge.startswith("Basic") == (status == 401)
    assert response.headers["cache-control"] == "no-store"


async def test_a_body_that_is_too_large_is_413(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    async with http.post("/oauth/token", data=b"a" * 300_000, headers=FORM) as response:
        error = await response.json()

    assert (response.status, error["error"]) == (413, "invalid_request")


async def test_a_token_is_not_asked_for_by_get(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    async with http.get("/oauth/token") as response:
        assert response.status == 405
        assert response.headers["allow"] == "OPTIONS, POST"


@pytest.mark.parametrize(
    "path", ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server"]
)
async def test_public_facts_are_for_everybody(
    gateway: Gateway, http: aiohttp.ClientSession, path: str
) -> None:
    async with http.get(path) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("request_line", "headers", "status"),
    [
        ("GET /oauth/token", {}, 405),
        ("PUT /oauth/token", FORM, 405),
        ("POST /oauth/token?x=1", FORM, 400),
        ("POST /oauth/token", {**FORM, "origin": "https://elsewhere.example"}, 403),
        ("POST /oauth/token?x=1", {**FORM, "origin": "https://elsewhere.example"}, 403),
        ("POST /oauth/token", {**FORM, "authorization": "Basic \u00e9"}, 400),
    ],
)
async def test_a_refusal_of_the_gateway_itself_has_both_forms_too(
    gateway: Gateway,
    http: aiohttp.ClientSession,
    request_line: str,
    headers: dict[str, str],
    status: int,
) -> None:
    method, path = request_line.split()
    body = None if method == "GET" else BODY
    async with http.request(method, path, data=body, headers=headers) as response:
        error = await response.json()

    assert (response.status, error["error"]) == (status, "invalid_request")
    assert error["error_description"] == error["message"]
    assert error["details"][-1]["request_id"] == response.headers["x-request-id"]
    assert not gateway.backend.requests
