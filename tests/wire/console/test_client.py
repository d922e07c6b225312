"""The console in front of payments itself: the audit trail has the operator, and nobody acts by the
console's own right."""

import pytest
from caravel.payments.v1 import admin_pb2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.console import overview
from gateway.console.listings.payments import FOR_MERCHANT, FOR_US, LETTERS
from services.payments.model.timing import Waiting
from services.shared.ids import encode_id
from tests.openid import OpenIdServer
from tests.poison import run
from tests.wire.console.conftest import ADDRESS, Browser
from tests.wire.payments.operators.calls import new_payment
from tests.wire.payments.operators.keys import operator_key


async def test_an_operator_of_the_provider_is_known_by_its_subject(
    real: Browser, openid: OpenIdServer
) -> None:
    assert (await real.sign_in()).status_code == 303

    page = (await real.get("/account")).text

    assert openid.email in page
    assert f"{openid.url}#{openid.subject}" in page
    assert "operate:propose, operate:read" in page
    assert ADDRESS in page


async def test_a_refused_sign_in_stands_in_the_audit_trail_with_the_subject(
    real: Browser, openid: OpenIdServer, engine: AsyncEngine
) -> None:
    openid.groups = ("somebody else's",)

    assert (await real.sign_in()).status_code == 403

    assert real.reason == "SCOPE_MISSING"
    async with engine.connect() as connection:
        [row] = (await connection.execute(text("SELECT * FROM operator_actions"))).all()
    assert (row.operator, row.credential_id) == (openid.email, f"{openid.url}#{openid.subject}")
    assert (row.address, row.request_id) == (ADDRESS, "request-1")
    assert (row.action, row.refusal) == ("GET_OPERATOR", "SCOPE_MISSING")


async def test_an_access_token_that_payments_does_not_trust_signs_nobody_in(
    real: Browser, openid: OpenIdServer
) -> None:
    openid.access_token = {"aud": "another service"}

    assert (await real.sign_in()).status_code == 403
    assert real.reason == "TOKEN_INVALID"


async def test_a_key_signs_in_and_sees_what_waits(real: Browser, engine: AsyncEngine) -> None:
    key = await operator_key(engine, "grace")

    assert (await real.sign_in_by_key(key.text)).status_code == 303
    page = await real.get("/")
    assert page.status_code == 200 and "grace" in page.text
    assert (await real.get("/payments/pay_01m83mbj55ewdbrd2wha9z9eme")).status_code == 404
    assert real.reason == "PAYMENT_NOT_FOUND"


async def test_a_key_without_a_role_or_of_a_merchant_signs_nobody_in(
    real: Browser, engine: AsyncEngine
) -> None:
    key = await operator_key(engine, "eve", scopes=["keys:admin"])

    assert (await real.sign_in_by_key(key.text)).status_code == 403
    assert real.reason == "SCOPE_MISSING"
    assert (await real.sign_in_by_key("cvl_test_nobody")).status_code == 403
    assert real.reason in ("API_KEY_INVALID", "API_KEY_MISTYPED")


async def test_every_kind_of_dead_letter_is_asked_for() -> None:
    assert set(LETTERS) == set(admin_pb2.DeadLetter.Kind.keys()) - {"KIND_UNSPECIFIED"}
    assert {FOR_US, *FOR_MERCHANT} == set(Waiting)


async def test_payments_of_a_merchant_hide_no_payment_on_hold(
    real: Browser, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "COUNTED", 2)
    waits = "deadline_at = now() + interval '1 day', due_at = NULL, waiting_since = now()"
    for _ in range(3):
        payment = await new_payment(engine)
        await run(
            engine, f"UPDATE payments SET state = 'RETURNED', {waits} WHERE id = :id", id=payment
        )
    held = await new_payment(engine)
    hold = f"hold_reason = 'step_failed', {waits}"
    await run(engine, f"UPDATE payments SET {hold} WHERE id = :id", id=held)
    await real.sign_in_by_key((await operator_key(engine, "grace")).text)

    page = (await real.get("/")).text

    assert "Payments on hold: 1<" in page and encode_id("pay", held) in page
    assert "Payments that wait for their merchant: 2 or more<" in page
