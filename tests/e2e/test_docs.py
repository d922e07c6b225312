"""The docs page in a real browser: Swagger UI over the generated description, and "Try it out"
creates a payment."""

import json
from collections.abc import AsyncIterator

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from playwright.async_api import Page, expect

from tests.browsers import opened_browser
from tests.e2e.conftest import Mesh, Rest


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with opened_browser() as browser:
        yield await browser.new_page(viewport={"width": 1280, "height": 1600})


async def test_the_served_description_is_valid_openapi_3_1(rest: Rest) -> None:
    answer = await rest.get("/openapi.json")

    document = answer.json
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()
    responses = document["paths"]["/api/payments"]["post"]["responses"]
    assert {"201", "400", "409", "422"} <= set(responses)


@pytest.mark.parametrize("path", ["/docs", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"])
async def test_the_docs_page_is_served_whole(rest: Rest, path: str) -> None:
    answer = await rest.get(path)

    assert answer.status == 200
    assert len(answer.body) > 200


async def test_the_root_leads_to_the_docs_and_health_answers(rest: Rest) -> None:
    assert b"swagger" in (await rest.get("/")).body.lower()
    assert (await rest.get("/healthz")).status == 200


async def test_try_it_out_creates_a_payment_without_typing(mesh: Mesh, page: Page) -> None:
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    await page.goto(f"{mesh.rest_url}/docs")
    operation = page.locator("#operations-PaymentService-CreatePayment")
    await operation.locator(".opblock-summary-control").click()
    await operation.get_by_role("button", name="Try it out").click()

    async with page.expect_response(lambda r: r.request.method == "POST") as response:
        await operation.get_by_role("button", name="Execute").click()

    answer = await response.value
    assert answer.status == 201, await answer.text()
    payment = json.loads(await answer.text())
    await expect(operation.locator(".live-responses-table")).to_contain_text(
        payment["transaction_id"]
    )
    assert problems == []
