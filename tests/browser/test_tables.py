"""Wide tables on a screen that is too narrow for them: each scrolls alone, by keyboard too, and its
verbs stay in view."""

from playwright.async_api import Browser, Locator, ViewportSize, expect

from tests.browser.conftest import Console, sign_in, visiting
from tests.polling import until

NARROW: ViewportSize = {"width": 900, "height": 900}


async def beyond(table: Locator) -> int:
    """The pixels of the table that are out of view."""
    return int(await table.evaluate("one => one.scrollWidth - one.clientWidth"))


async def scrolled(table: Locator) -> int:
    return int(await table.evaluate("one => one.scrollLeft"))


async def test_a_wide_table_scrolls_alone_and_by_keyboard(console: Console) -> None:
    await console.page.set_viewport_size(NARROW)
    await sign_in(console)
    await console.open("/payments")
    table = console.page.get_by_role("group", name="Payments")
    assert await beyond(table) > 0

    await table.focus()
    await console.page.keyboard.press("ArrowRight")

    assert await until(lambda: scrolled(table), lambda pixels: pixels > 0)
    assert await console.page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]


async def test_the_verbs_of_a_wide_table_stay_in_view(console: Console) -> None:
    await console.page.set_viewport_size(NARROW)
    await sign_in(console)
    await console.open("/dead-letters")
    assert await beyond(console.page.get_by_role("group", name="Dead letters")) > 0

    verbs = console.page.get_by_role("row").nth(1).get_by_role("link", name="Discard")
    await expect(verbs).to_be_in_viewport(ratio=1)
    await verbs.click()
    await expect(console.page.get_by_role("heading", level=1)).to_have_text("Discard")


async def test_a_change_leaves_the_reader_where_she_is(chromium: Browser) -> None:
    async with visiting(chromium, java_script_enabled=True, viewport=NARROW) as console:
        await sign_in(console)
        await console.open("/payments")
        table, live = console.page.locator("div.table"), console.page.locator("#live")
        await expect(live).to_contain_text("Live")
        await table.focus()
        await table.evaluate("one => { one.scrollLeft = 40; }")

        console.moved.set()

        await expect(live).to_contain_text("read again")
        await expect(table).to_be_focused()
        assert await scrolled(table) == 40


async def test_a_change_does_not_take_away_text_that_is_being_copied(chromium: Browser) -> None:
    async with visiting(chromium, java_script_enabled=True) as console:
        await sign_in(console)
        await console.open("/payments")
        live = console.page.locator("#live")
        await expect(live).to_contain_text("Live")
        await console.page.locator("tbody code").first.select_text()

        console.moved.set()

        await expect(live).to_contain_text("Something has changed")
        assert await console.page.evaluate("getSelection().toString()") != ""
