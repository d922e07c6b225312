"""The console for everyone: by keyboard alone, without scripts, in light and dark, on a small
screen and enlarged, and without a barrier that axe knows."""

import pytest
from playwright.async_api import Browser, expect

from gateway.console.listings.payments import LETTERS
from tests.browser.conftest import Console, sign_in, visiting
from tests.browser.payment_sample import PAYMENT
from tests.browser.samples import PROPOSAL


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


async def press_until(console: Console, element_id: str) -> None:
    """Goes on by the keyboard until the element has the focus."""
    for _ in range(60):
        await console.page.keyboard.press("Tab")
        if await console.page.evaluate("document.activeElement.id") == element_id:
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
    await expect(console.page.get_by_role("heading", level=1)).to_have_text("Release the hold")
    await press_until(console, "note")
    await console.page.keyboard.type("seen at the bank")
    await press_until(console, "continue")
    await console.page.keyboard.press("Enter")
    await expect(console.page.get_by_role("heading", level=2).first).to_have_text(
        "You are about to do this"
    )
    await console.shoot("confirm")
    assert console.payments.requests("ReleaseHold") == []
    await press_until(console, "do")
    await console.page.keyboard.press("Enter")

    await expect(console.page.get_by_role("status").first).to_have_text("Done: Release the hold.")
    assert console.payments.requests("ReleaseHold") == [
        {"transaction_id": PAYMENT, "note": "seen at the bank"}
    ]
    assert console.complaints == []


async def test_a_change_is_on_the_screen_without_a_reload(chromium: Browser) -> None:
    async with visiting(chromium, java_script_enabled=True) as console:
        await sign_in(console)
        await console.open(f"/payments/{PAYMENT}")
        await expect(console.page.locator("#live")).to_contain_text("Live")
        await console.page.evaluate("document.body.dataset.marked = 'yes'")
        shown = console.payments.answers["InspectPayment"]
        assert isinstance(shown, dict)
        shown["payment"]["status"] = "COMPLETED"
        console.moved.set()

        await expect(console.page.locator("main .state").first).to_have_text("COMPLETED")
        await expect(console.page.locator("#live")).to_contain_text("read again")
        assert await console.page.evaluate("document.body.dataset.marked") == "yes"
        assert console.complaints == []
