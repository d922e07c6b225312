"""Signing in at the console: by a key, at a provider, and in a sandbox by a button. Each way that a
sign-in can go wrong is a page with a reason of its own, and nobody is signed in."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from gateway.console.sessions import SIGN_IN_SECONDS
from services.shared.deployment import Deployment
from services.shared.errors import Forbidden, NotAuthenticated, Unavailable
from tests.openid import CLIENT_ID, OpenIdServer
from tests.tokens import make_signer
from tests.wire.console.conftest import (
    ADDRESS,
    URL,
    Browser,
    Clock,
    ScriptedPayments,
    browsing,
    of_provider,
    parameters,
    settings,
)

KEY = "cvo_test_a-key-as-it-is-typed"


class ScopeMissing(Forbidden):
    """The credential lacks a scope."""

    reason = "SCOPE_MISSING"


class KeyRevoked(NotAuthenticated):
    """The key was revoked."""

    reason = "API_KEY_REVOKED"


async def is_signed_in(browser: Browser) -> bool:
    return (await browser.get("/account")).status_code == 200


async def test_an_operator_signs_in_at_the_provider(
    browser: Browser, payments: ScriptedPayments
) -> None:
    answer = await browser.sign_in()

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert await is_signed_in(browser)
    assert payments.asked_for[0].credential.count(".") == 2
    assert payments.asked_for[0].address == ADDRESS


async def test_the_provider_is_asked_with_state_nonce_and_challenge(
    browser: Browser, openid: OpenIdServer
) -> None:
    asked = parameters((await browser.get("/sign-in/oidc")).headers["location"])

    assert asked["response_type"] == "code"
    assert asked["redirect_uri"] == f"{URL}/sign-in/callback"
    assert asked["client_id"] == CLIENT_ID
    assert asked["code_challenge_method"] == "S256"
    assert all(len(asked[name]) >= 32 for name in ("state", "nonce", "code_challenge"))


async def test_a_page_that_was_asked_for_follows_the_sign_in(browser: Browser) -> None:
    back = await browser.at_provider("/sign-in/oidc?next=/account")

    assert (await browser.get(back)).headers["location"] == "/account"


@pytest.mark.parametrize(
    "wanted", ["//elsewhere.example", "https://elsewhere.example", "/static/x"]
)
async def test_no_other_place_follows_it(browser: Browser, wanted: str) -> None:
    back = await browser.at_provider(f"/sign-in/oidc?next={wanted}")

    assert (await browser.get(back)).headers["location"] == "/"


async def test_every_sign_in_is_a_new_session(browser: Browser) -> None:
    await browser.get("/sign-in")
    before = browser.client.cookies["caravel"]

    await browser.sign_in()
    after = browser.client.cookies["caravel"]
    assert after != before
    # The session from before counts no more, whoever knew it.
    browser.client.cookies.set("caravel", before, domain="127.0.0.1", path="/")
    assert not await is_signed_in(browser)


Change = Callable[[OpenIdServer], Any]
FAULTS: dict[str, tuple[Change, str]] = {
    "another state": (lambda p: p.answer.update(state="another"), "STATE_UNKNOWN"),
    "no state": (lambda p: p.answer.update(state=None), "STATE_UNKNOWN"),
    "no code": (lambda p: p.answer.update(code=None), "CODE_MISSING"),
    "an error": (lambda p: p.answer.update(error="access_denied"), "REFUSED_THERE"),
    "another issuer in the answer": (
        lambda p: p.answer.update(iss="https://elsewhere.example"),
        "ISSUER_WRONG",
    ),
    "another code": (lambda p: p.answer.update(code="another"), "CODE_REFUSED"),
    "another issuer": (
        lambda p: p.id_token.update(iss="https://elsewhere.example"),
        "ISSUER_WRONG",
    ),
    "another audience": (lambda p: p.id_token.update(aud="another"), "AUDIENCE_WRONG"),
    "one audience more": (
        lambda p: p.id_token.update(aud=[CLIENT_ID, "another"]),
        "AUDIENCE_WRONG",
    ),
    "another party": (lambda p: p.id_token.update(azp="another"), "AUDIENCE_WRONG"),
    "another audience, and ours as the party": (
        lambda p: p.id_token.update(aud="another", azp=CLIENT_ID),
        "AUDIENCE_WRONG",
    ),
    "another nonce": (lambda p: p.id_token.update(nonce="another"), "NONCE_WRONG"),
    "no nonce": (lambda p: p.id_token.update(nonce=None), "NONCE_WRONG"),
    "expired": (lambda p: p.id_token.update(exp=1_700_000_000), "ID_TOKEN_EXPIRED"),
    "no end": (lambda p: p.id_token.update(exp=None), "ID_TOKEN_INVALID"),
    "an end that is a text": (lambda p: p.id_token.update(exp="soon"), "ID_TOKEN_INVALID"),
    "no subject": (lambda p: p.id_token.update(sub=None), "ID_TOKEN_INVALID"),
    "an empty subject": (lambda p: p.id_token.update(sub=""), "ID_TOKEN_INVALID"),
    "a subject that is no text": (lambda p: p.id_token.update(sub=7), "ID_TOKEN_INVALID"),
    "an end beyond all numbers": (
        lambda p: (p.granted.update(expires_in=None), p.id_token.update(exp=10**400)),
        "ID_TOKEN_INVALID",
    ),
    "a length beyond all numbers": (
        lambda p: p.granted.update(expires_in=10**400),
        "ID_TOKEN_INVALID",
    ),
    "of another access token": (lambda p: p.id_token.update(at_hash="A" * 22), "ID_TOKEN_INVALID"),
    "of the future": (lambda p: p.id_token.update(iat=4_000_000_000), "ID_TOKEN_INVALID"),
    "another key": (lambda p: setattr(p, "stranger", make_signer("RS256")), "SIGNATURE_WRONG"),
    "no algorithm": (lambda p: p.id_header.update(alg="none"), "SIGNATURE_WRONG"),
    "a shared secret": (lambda p: p.id_header.update(alg="HS256"), "SIGNATURE_WRONG"),
    "an unknown key id": (lambda p: p.id_header.update(kid="another"), "SIGNATURE_WRONG"),
    "no ID token": (lambda p: p.granted.update(id_token=None), "ID_TOKEN_MISSING"),
    "an ID token that is none": (lambda p: p.granted.update(id_token="a.b"), "SIGNATURE_WRONG"),
    "an access token that no header can carry": (
        lambda p: p.granted.update(access_token="a\nb"),
        "ACCESS_TOKEN_INVALID",
    ),
    "no access token": (lambda p: p.granted.update(access_token=None), "ID_TOKEN_MISSING"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_fault_of_an_answer_has_its_own_refusal(
    browser: Browser, openid: OpenIdServer, payments: ScriptedPayments, fault: str
) -> None:
    change, reason = FAULTS[fault]
    change(openid)

    answer = await browser.sign_in()

    assert (answer.status_code, browser.reason) == (403, reason)
    assert "request-1" in answer.text
    assert not payments.asked_for
    assert not await is_signed_in(browser)


async def test_a_code_counts_once(browser: Browser) -> None:
    back = await browser.at_provider()
    await browser.get(back)

    assert (await browser.get(back)).status_code == 403
    assert browser.reason == "STATE_UNKNOWN"


async def test_a_stolen_code_serves_no_other_browser(
    browser: Browser, openid: OpenIdServer, payments: ScriptedPayments
) -> None:
    """The attacker has begun a sign-in too, and puts the other's code into the answer to it."""
    code = parameters(await browser.at_provider())["code"]
    async with browsing(of_provider(openid), payments) as attacker:
        own = parameters(await attacker.at_provider())
        await attacker.get(f"/sign-in/callback?code={code}&state={own['state']}")

        assert attacker.reason == "CODE_REFUSED"


async def test_a_sign_in_that_takes_too_long_is_refused(browser: Browser, clock: Clock) -> None:
    back = await browser.at_provider()
    clock.now += SIGN_IN_SECONDS + 1

    await browser.get(back)

    assert browser.reason == "SIGN_IN_TOO_SLOW"


@pytest.mark.parametrize(
    "path", ["/.well-known/openid-configuration", "/token", "/keys"], ids=lambda path: path[1:]
)
async def test_a_provider_that_is_away_has_a_page_of_its_own(
    browser: Browser, openid: OpenIdServer, path: str
) -> None:
    openid.broken = path
    answer = await browser.get("/sign-in/oidc")
    if path != "/.well-known/openid-configuration":
        answer = await browser.sign_in()

    assert (answer.status_code, browser.reason) == (503, "PROVIDER_AWAY")
    assert answer.headers["retry-after"]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"issuer": "https://elsewhere.example"}, "ISSUER_WRONG"),
        ({"token_endpoint": None}, "PROVIDER_AWAY"),
        ({"jwks_uri": "file:///etc/passwd"}, "PROVIDER_AWAY"),
    ],
)
async def test_a_discovery_document_must_be_of_the_provider_and_whole(
    browser: Browser, openid: OpenIdServer, document: dict[str, Any], reason: str
) -> None:
    openid.document = document

    await browser.get("/sign-in/oidc")

    assert browser.reason == reason


async def test_a_user_without_a_role_gets_a_page_that_says_so(
    browser: Browser, payments: ScriptedPayments
) -> None:
    payments.refusal = ScopeMissing()

    answer = await browser.sign_in()

    assert (answer.status_code, browser.reason) == (403, "SCOPE_MISSING")
    assert "no role" in answer.text
    payments.refusal = None
    assert not await is_signed_in(browser)


async def test_a_token_that_no_cookie_can_carry_is_refused(
    browser: Browser, openid: OpenIdServer
) -> None:
    openid.access_token = {"much": "x" * 9000}

    await browser.sign_in()

    assert browser.reason == "TOKEN_TOO_LONG"


async def test_a_long_token_is_kept_in_several_cookies_and_leaves_none(
    browser: Browser, openid: OpenIdServer
) -> None:
    openid.access_token = {"much": "x" * 4000}

    assert (await browser.sign_in()).status_code == 303
    assert {"caravel", "caravel-1"} <= set(browser.client.cookies)
    assert await is_signed_in(browser)
    await browser.post("/sign-out")
    assert set(browser.client.cookies) == {"caravel"}


async def test_the_end_of_the_token_is_the_end_of_the_session(
    browser: Browser, clock: Clock
) -> None:
    await browser.sign_in()
    clock.now += 299
    assert await is_signed_in(browser)

    clock.now += 2
    assert not await is_signed_in(browser)


async def test_an_operator_signs_out_here_and_at_the_provider(
    browser: Browser, openid: OpenIdServer
) -> None:
    await browser.sign_in()
    await browser.get("/account")
    kept = dict(browser.client.cookies)

    page = await browser.post("/sign-out")

    url = re.search(r'url=([^"]+)"', page.text)
    assert url
    asked = parameters(url[1].replace("&amp;", "&"))
    assert asked["client_id"] == CLIENT_ID and asked["id_token_hint"].count(".") == 2
    assert asked["post_logout_redirect_uri"] == f"{URL}/sign-in"
    assert not await is_signed_in(browser)
    for name, value in kept.items():
        browser.client.cookies.set(name, value, domain="127.0.0.1", path="/")
    assert not await is_signed_in(browser)


async def test_a_provider_without_a_sign_out_is_left_alone(
    browser: Browser, openid: OpenIdServer
) -> None:
    openid.document = {"end_session_endpoint": None}
    await browser.sign_in()
    await browser.get("/account")

    page = await browser.post("/sign-out")

    assert page.status_code == 200 and "http-equiv" not in page.text


async def test_a_key_signs_in_and_stands_in_no_page(
    browser: Browser, payments: ScriptedPayments
) -> None:
    answer = await browser.sign_in_by_key(f" {KEY} ")

    assert answer.status_code == 303
    assert payments.asked_for[0].credential == KEY
    assert KEY not in (await browser.get("/account")).text


@pytest.mark.parametrize("key", ["", " ", "two words", "k\u00e9y", "x" * 300])
async def test_a_text_that_is_no_key_is_refused_here(
    browser: Browser, payments: ScriptedPayments, key: str
) -> None:
    answer = await browser.sign_in_by_key(key)

    assert (answer.status_code, browser.reason) == (400, "FIELD_REQUIRED")
    assert not payments.asked_for


async def test_a_key_that_payments_refuses_signs_nobody_in(
    browser: Browser, payments: ScriptedPayments
) -> None:
    payments.refusal = KeyRevoked()

    answer = await browser.sign_in_by_key(KEY)

    assert (answer.status_code, browser.reason) == (403, "API_KEY_REVOKED")
    payments.refusal = None
    assert not await is_signed_in(browser)


async def test_a_mistyped_key_leaves_the_session_that_is_there(
    browser: Browser, payments: ScriptedPayments
) -> None:
    await browser.sign_in_by_key(KEY)
    payments.refusal = KeyRevoked()
    assert (await browser.sign_in_by_key(f"{KEY}x")).status_code == 403
    payments.refusal = None

    assert await is_signed_in(browser)


async def test_a_key_that_is_revoked_ends_the_session(
    browser: Browser, payments: ScriptedPayments
) -> None:
    await browser.sign_in_by_key(KEY)
    payments.refusal = KeyRevoked()
    assert (await browser.get("/")).status_code == 403

    payments.refusal = None
    assert (await browser.get("/")).status_code == 303


async def test_nobody_is_signed_in_while_payments_is_away(
    browser: Browser, payments: ScriptedPayments
) -> None:
    payments.refusal = Unavailable("payments cannot answer now")

    answer = await browser.sign_in_by_key(KEY)

    assert (answer.status_code, browser.reason) == (503, "SERVICE_UNAVAILABLE")


async def test_a_sandbox_offers_its_operators_and_nobody_else_does(
    payments: ScriptedPayments,
) -> None:
    async with browsing(settings(deployment=Deployment.SANDBOX), payments) as browser:
        page = await browser.get("/sign-in")
        assert 'value="ada"' in page.text and 'value="grace"' in page.text
        assert (await browser.post("/sign-in/built-in", operator="grace")).status_code == 303
        assert "grace" in payments.asked_for[0].credential
        await browser.get("/sign-in")
        assert (await browser.post("/sign-in/built-in", operator="eve")).status_code == 404
    async with browsing(settings(), payments) as browser:
        assert "grace" not in (await browser.get("/sign-in")).text
        assert (await browser.post("/sign-in/built-in", operator="grace")).status_code == 404


async def test_without_a_provider_keys_alone_sign_in(payments: ScriptedPayments) -> None:
    async with browsing(settings(), payments) as browser:
        assert "/sign-in/oidc" not in (await browser.get("/sign-in")).text
        for path in ("/sign-in/oidc", "/sign-in/callback?code=1&state=2"):
            assert (await browser.get(path)).status_code == 404
