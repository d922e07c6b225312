"""Anything that a browser can send is answered by a page with a reason, and changes nothing."""

from typing import Any

import pytest

from gateway.console.requests import HEADERS
from services.shared.deployment import Deployment
from tests.wire.console.conftest import URL, Browser, ScriptedPayments, browsing, settings

KEY = "cvo_test_a-key"


@pytest.mark.parametrize("path", ["/sign-in", "/", "/nothing", "/static/console.css"])
async def test_every_answer_bounds_what_a_browser_does(browser: Browser, path: str) -> None:
    answer = await browser.get(path)

    assert HEADERS.items() <= dict(answer.headers).items()
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "<script" not in answer.text
    if path != "/static/console.css":
        assert answer.headers["cache-control"] == "no-store"


async def test_by_tls_a_browser_never_speaks_plainly_again(payments: ScriptedPayments) -> None:
    config = settings(console_url="https://operators.example")
    async with browsing(config, payments) as browser:
        answer = await browser.get("/sign-in")

    assert "max-age" in answer.headers["strict-transport-security"]
    assert "__Host-caravel=" in answer.headers["set-cookie"]


async def test_a_page_needs_a_sign_in_and_is_shown_after_it(browser: Browser) -> None:
    answer = await browser.get("/account")

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/account")


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://127.0.0.1:9", ""])
async def test_a_form_of_another_origin_is_refused(
    browser: Browser, payments: ScriptedPayments, origin: str
) -> None:
    await browser.get("/sign-in")

    await browser.post("/sign-in/key", {"origin": origin}, key=KEY)

    assert browser.reason == "ORIGIN_FORBIDDEN"
    assert not payments.asked_for


@pytest.mark.parametrize("token", ["", "another", "é"])
async def test_a_form_without_the_token_of_its_session_is_refused(
    browser: Browser, payments: ScriptedPayments, token: str
) -> None:
    await browser.get("/sign-in")

    await browser.post("/sign-in/key", key=KEY, form_token=token)

    assert browser.reason == "FORM_OUTDATED"
    assert not payments.asked_for


async def test_nobody_is_signed_out_by_another_page(browser: Browser) -> None:
    await browser.sign_in_by_key(KEY)
    await browser.get("/account")

    await browser.post("/sign-out", form_token="another")

    assert browser.reason == "FORM_OUTDATED"
    assert (await browser.get("/account")).status_code == 200


BODIES: list[tuple[dict[str, Any], int]] = [
    ({"content": b"\xff\xfe", "headers": {"content-type": "application/json"}}, 415),
    ({"content": b"key=%ff%fe"}, 400),
    ({"content": b"key=\xff"}, 400),
    ({"content": b"a=1&" * 30}, 400),
    ({"content": b"key=" + b"x" * 40_000}, 413),
    ({"content": b""}, 403),
    ({"files": {"key": b"x"}}, 415),
]


@pytest.mark.parametrize(("sent", "status"), BODIES)
async def test_an_odd_body_is_a_page_and_never_an_error(
    browser: Browser, sent: dict[str, Any], status: int
) -> None:
    headers = {"origin": URL, "content-type": "application/x-www-form-urlencoded"}
    if "files" in sent:
        del headers["content-type"]
    headers |= sent.pop("headers", {}) if "headers" in sent else {}
    answer = await browser.client.post("/sign-in/key", headers=headers, **sent)

    assert answer.status_code == status
    assert "<dt>Reason</dt>" in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/no-such-page", 404),
        ("GET", "/static/../config.py", 404),
        ("GET", "/static/nothing.css", 404),
        ("GET", "/payments/", 404),
        ("POST", "/", 405),
        ("DELETE", "/account", 405),
        ("GET", "/sign-out", 405),
    ],
)
async def test_an_unknown_page_or_method_is_a_page(
    browser: Browser, method: str, path: str, status: int
) -> None:
    answer = await browser.client.request(method, path)

    assert answer.status_code == status
    assert "<dt>Reason</dt>" in answer.text


async def test_a_stranger_s_name_for_this_machine_is_not_answered(
    payments: ScriptedPayments,
) -> None:
    async with browsing(settings(deployment=Deployment.SANDBOX), payments) as browser:
        for host, status in (("evil.example:8081", 421), ("localhost:9", 200), ("[::1]:9", 200)):
            answer = await browser.client.get("/sign-in", headers={"host": host})
            assert answer.status_code == status, host
    async with browsing(settings(), payments) as browser:
        answer = await browser.client.get("/sign-in", headers={"host": "localhost:8081"})
        assert answer.status_code == 421


async def test_a_fault_of_our_own_is_a_page_without_its_words(
    browser: Browser, payments: ScriptedPayments
) -> None:
    await browser.sign_in_by_key(KEY)
    payments.refusal = ZeroDivisionError("a secret")

    answer = await browser.get("/")

    assert (answer.status_code, browser.reason) == (500, "INTERNAL_ERROR")
    assert "secret" not in answer.text
