"""The operators' console through the gateway: every path of the operators' port that is not the
API's."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from tests.e2e.conftest import Mesh, Rest


@pytest.fixture
async def browser(mesh: Mesh) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=mesh.operators_url, trust_env=False) as client:
        yield client


async def sign_in(browser: httpx2.AsyncClient, operator: str, **headers: str) -> httpx2.Response:
    page = await browser.get("/sign-in")
    token = re.search(r'name="form_token" value="([^"]*)"', page.text)
    if not token or 'value="ada"' not in page.text:
        pytest.skip("only a sandbox has operators built in")
    fields = {"form_token": token[1], "operator": operator}
    sent = {"origin": str(browser.base_url).rstrip("/"), **headers}
    return await browser.post("/sign-in/built-in", data=fields, headers=sent)


async def test_an_operator_signs_in_and_sees_a_payment_that_waits(
    browser: httpx2.AsyncClient, rest: Rest
) -> None:
    payment: Any = await rest.create(reference="sim:late_fail")
    await rest.wait(payment["transaction_id"], {"RETURNED"})
    assert (await sign_in(browser, "grace")).status_code == 303

    page = await browser.get(f"/payments/{payment['transaction_id']}")

    assert page.status_code == 200
    assert "payout_reversed" in page.text or "RETURNED" in page.text
    assert payment["transaction_id"] in (await browser.get("/")).text
    account = (await browser.get("/account")).text
    assert "grace" in account and "127.0.0.1" in account


async def test_two_operators_agree_on_a_rate_and_nobody_alone(mesh: Mesh) -> None:
    async with (
        httpx2.AsyncClient(base_url=mesh.operators_url, trust_env=False) as ada,
        httpx2.AsyncClient(base_url=mesh.operators_url, trust_env=False) as grace,
    ):
        await sign_in(ada, "ada")
        await sign_in(grace, "grace")
        ends_at = (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M")
        fields = {"corridor_id": "us-br", "markup_basis_points": "40", "ends_at": ends_at}
        form = await ada.get("/do/override-rate")
        fields |= {"proposal_reason": "agreed in a test", "as": "propose"}
        proposed = await send(ada, form, "/do/override-rate", fields)
        assert proposed.status_code == 303, proposed.text
        [name] = re.findall(r"prp_[0-9a-z]+", proposed.headers["location"])

        alone, approved = [await decide(operator, name) for operator in (ada, grace)]

        assert (alone.status_code, "APPROVER_IS_PROPOSER" in alone.text) == (403, True)
        assert approved.headers["location"] == f"/proposals/{name}?done=approve"
        rates = await grace.get("/rates")
        assert name in rates.text
        [override] = re.findall(r"override_id=(ovr_[0-9a-z]+)", rates.text)[:1]
        form = await ada.get(f"/do/end-override?override_id={override}")
        ended = await send(ada, form, "/do/end-override", {"override_id": override, "as": "do"})
        assert ended.headers["location"] == "/rates?done=end-override"
        trail = (await ada.get("/actions")).text
        for action in ("CREATE_PROPOSAL", "APPROVE_PROPOSAL", "END_RATE_OVERRIDE"):
            assert action in trail, action


async def decide(operator: httpx2.AsyncClient, name: str) -> httpx2.Response:
    page = await operator.get(f"/do/approve?proposal_id={name}")
    [digest] = re.findall(r'name="payload_sha256" value="([0-9a-f]+)"', page.text)
    fields = {"proposal_id": name, "payload_sha256": digest, "as": "do"}
    return await send(operator, page, "/do/approve", fields)


async def send(
    operator: httpx2.AsyncClient, page: httpx2.Response, path: str, fields: dict[str, str]
) -> httpx2.Response:
    [token] = set(re.findall(r'name="form_token" value="([^"]*)"', page.text))
    origin = str(operator.base_url).rstrip("/")
    return await operator.post(
        path, data={**fields, "form_token": token}, headers={"origin": origin}
    )


async def test_a_client_names_no_address_of_its_own(browser: httpx2.AsyncClient) -> None:
    headers = {"x-client-address": "203.0.113.9", "x-forwarded-for": "203.0.113.9"}
    await sign_in(browser, "ada")

    assert "203.0.113.9" not in (await browser.get("/account", headers=headers)).text


async def test_a_form_of_another_page_is_refused_by_the_console(
    browser: httpx2.AsyncClient,
) -> None:
    answer = await sign_in(browser, "ada", origin="https://elsewhere.example")

    assert answer.status_code == 403
    assert "ORIGIN_FORBIDDEN" in answer.text


async def test_a_sign_in_is_none_for_the_api(browser: httpx2.AsyncClient) -> None:
    """A page of another origin could use the cookie; the API does not read it."""
    await sign_in(browser, "grace")

    answer = await browser.get("/api/admin/operator")

    assert answer.json()["name"] == "ada"


async def test_paths_of_the_api_stay_the_apis(browser: httpx2.AsyncClient) -> None:
    assert (await browser.get("/docs")).status_code == 200
    assert (await browser.get("/healthz")).json() == {"status": "ok"}
    for path in ("/api/nothing", "/oauth/token", "/.well-known/jwks.json"):
        answer = await browser.get(path)
        assert answer.json()["details"][0]["reason"] == "ROUTE_NOT_FOUND", path
    missing = await browser.get("/nothing")
    assert (missing.status_code, missing.headers["content-type"]) == (
        404,
        "text/html; charset=utf-8",
    )
    assert missing.headers["x-request-id"] in missing.text


async def test_a_key_in_a_path_goes_no_further(mesh: Mesh, browser: httpx2.AsyncClient) -> None:
    key = "cvo_test_01k5000000e00800000000000"
    page = await browser.get(f"/payments/{key}", follow_redirects=False)

    assert page.status_code == 303 and key not in page.headers["location"]
    if mesh.data_dir:
        logs = mesh.data_dir / "logs"
        found = [
            line
            for log in logs.glob("*.log")
            for line in log.read_text(errors="replace").splitlines()
            if key in line
        ]
        assert found == []
