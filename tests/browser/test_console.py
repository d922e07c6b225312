"""The console for everyone: by keyboard alone, without scripts, in light and dark, on a small
screen and enlarged, and without a barrier that axe knows."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from gateway.console.listings import LISTINGS
from gateway.console.listings.payments import LETTERS
from gateway.console.verbs import address_of
from tests.browser.conftest import SCHEMES, Console, visiting
from tests.browser.payment_sample import MERCHANT, PAYMENT
from tests.browser.samples import PROPOSAL

SUBJECT = {
    "transaction_id": PAYMENT,
    "proposal_id": PROPOSAL,
    "merchant_id": MERCHANT,
    "dead_letter_id": "step_MDE5YWJjZGU",
    "key_id": "opk_01m83mbj55ewdbrd2wha9z9eok",
    "override_id": "ovr_01m83mbj55ewdbrd2wha9z9eov",
}
# One form of each kind of field, and one confirmation.
FORMS = ("approve", "resolve", "override-rate", "create-operator-key", "revoke-merchant-key")
PAGES = (
    "/",
    f"/payments/{PAYMENT}",
    f"/proposals/{PROPOSAL}",
    *(listing.path.format(**SUBJECT) for listing in LISTINGS),
    *(address_of(name, SUBJECT) for name in FORMS),
    "/account",
    "/no-such-page",
)
FIRST_PAGE_BYTES = 150_000


async def sign_in(console: Console, name: str = "grace") -> None:
    await console.open("/sign-in")
    await console.page.get_by_role("button", name=f"Sign in as {name}").click()
    await expect(console.page.get_by_role("heading", level=1)).to_have_text("Overview")


@pytest.fixture(params=SCHEMES)
async def coloured(
    chromium: Browser, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[str, Console]]:
    """A console in light, and one in dark."""
    options: dict[str, Any] = {"color_scheme": request.param, "java_script_enabled": True}
    async with visiting(chromium, viewport={"width": 1280, "height": 900}, **options) as console:
        yield request.param, console


async def test_axe_finds_no_barrier_on_any_page(coloured: tuple[str, Console]) -> None:
    scheme, console = coloured
    found = {}
    await console.open("/sign-in")
    await console.shoot(f"{scheme}-sign-in")
    results = await Axe().run(console.page)
    found["/sign-in"] = [one["id"] for one in results.response["violations"]]
    await sign_in(console)
    for path in PAGES:
        await console.open(path)
        await console.shoot(f"{scheme}{path.partition('?')[0].replace('/', '-')}"[:40])
        results = await Axe().run(console.page)
        found[path] = [
            (one["id"], one["nodes"][0]["html"]) for one in results.response["violations"]
        ]
    await console.open("/account")
    await console.page.get_by_role("button", name="Sign out").click()
    results = await Axe().run(console.page)
    found["/sign-out"] = [one["id"] for one in results.response["violations"]]

    assert not any(found.values()), found
    # The page that is not there is the one that the browser says is not there.
    assert [one for one in console.complaints if "404" not in one] == []


async def test_a_key_signs_in_by_keyboard_alone(console: Console) -> None:
    await console.open("/sign-in")
    focused = console.page.locator(":focus")
    await console.page.keyboard.press("Tab")
    await expect(focused).to_have_text("Skip to the content")
    await console.page.keyboard.press("Enter")
    for _ in range(8):
        await console.page.keyboard.press("Tab")
        if await focused.get_attribute("id") == "key":
            break
    outline = await focused.evaluate("one => getComputedStyle(one).outlineStyle")
    assert outline == "solid"
    await console.page.keyboard.type("cvo_test_a-key")
    await console.page.keyboard.press("Enter")

    await expect(console.page.get_by_role("heading", level=1)).to_have_text("Overview")
    assert console.payments.asked_for[0].credential == "cvo_test_a-key"
    assert "cvo_" not in console.page.url


async def test_an_operator_signs_in_and_out_at_the_provider(console: Console) -> None:
    await console.open("/payments/pay_01m83mbj55ewdbrd2wha9z9e00")
    await console.page.get_by_role("link", name="Continue at").click()
    await expect(console.page.get_by_role("heading", level=1)).to_contain_text("Payment pay_")
    assert console.payments.asked_for[0].credential.count(".") == 2

    await console.page.get_by_role("button", name="Sign out").click()

    await expect(console.page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert console.openid.signed_out[0]["client_id"] == "caravel-console"
    await console.open("/account")
    await expect(console.page.get_by_role("heading", level=1)).to_have_text("Sign in")


async def test_payments_that_wait_are_shown_with_amounts_ages_and_deadlines(
    console: Console,
) -> None:
    await sign_in(console)
    await console.shoot("waiting")

    held = console.page.get_by_role("region", name="Payments on hold: 5 or more")
    row = held.get_by_role("row").nth(1)
    await expect(row).to_contain_text("12345.00 USD")
    await expect(row).to_contain_text("provider_contradicts_itself")
    await expect(
        console.page.get_by_role("region", name="Overdue payments: 5 or more")
    ).to_be_visible()
    await expect(
        console.page.get_by_role("region", name=f"{LETTERS['ORPHAN']}: 1")
    ).to_contain_text("payment_intent.succeeded")
    await row.get_by_role("link").click()
    # A text of a merchant is text.
    await expect(console.page.locator("main")).to_contain_text("order <b>17</b>")


@pytest.mark.parametrize(("width", "zoom"), [(320, 1), (640, 2)])
async def test_no_page_is_wider_than_a_small_or_an_enlarged_screen(
    chromium: Browser, width: int, zoom: int
) -> None:
    """Enlarged to 200 %, a window of 1280 has 640 pixels of CSS."""
    size = {"width": width, "height": 640}
    options: dict[str, Any] = {"viewport": size, "device_scale_factor": zoom}
    async with visiting(chromium, **options) as console:
        await sign_in(console)
        for path in PAGES:
            await console.open(path)
            await console.shoot(f"{width}{path.partition('?')[0].replace('/', '-')}"[:40])
            wide = await console.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, path


async def test_the_first_page_is_small(console: Console) -> None:
    await sign_in(console)
    ask = console.context.request
    parts = ("/", "/static/console.css", "/static/icon.svg")
    answers = [await ask.get(f"{console.url}{path}") for path in parts]

    assert {answer.status for answer in answers} == {200}
    assert 5_000 < sum([len(await answer.body()) for answer in answers]) <= FIRST_PAGE_BYTES


async def press_until(console: Console, element_id: str) -> None:
    """Goes on by the keyboard until the element has the focus."""
    focused = console.page.locator(":focus")
    for _ in range(60):
        await console.page.keyboard.press("Tab")
        if await focused.get_attribute("id") == element_id:
            return
    pytest.fail(f"{element_id} cannot be reached by the keyboard")


async def test_a_proposal_is_approved_by_keyboard_alone(console: Console) -> None:
    await sign_in(console)
    await console.open(f"/proposals/{PROPOSAL}")
    await press_until(console, "verb-approve")
    await console.page.keyboard.press("Enter")
    await expect(console.page.get_by_role("heading", level=1)).to_have_text("Approve")
    await press_until(console, "do")
    await console.page.keyboard.press("Enter")

    await expect(console.page.get_by_role("status")).to_have_text("Done: Approve.")
    assert len(console.payments.requests("ApproveProposal")) == 1
    assert console.complaints == []


async def test_a_hold_is_released_by_keyboard_alone(console: Console) -> None:
    await sign_in(console)
    await console.open(f"/payments/{PAYMENT}")
    await press_until(console, "verb-release")
    await console.page.keyboard.press("Enter")
    await press_until(console, "note")
    await console.page.keyboard.type("seen at the bank")
    await press_until(console, "continue")
    await console.page.keyboard.press("Enter")
    await expect(console.page.get_by_role("heading", level=2)).to_have_text(
        "You are about to do this"
    )
    await console.shoot("confirm")
    assert console.payments.requests("ReleaseHold") == []
    await press_until(console, "do")
    await console.page.keyboard.press("Enter")

    await expect(console.page.get_by_role("status")).to_have_text("Done: Release the hold.")
    assert console.payments.requests("ReleaseHold") == [
        {"transaction_id": PAYMENT, "note": "seen at the bank"}
    ]
    assert console.complaints == []
