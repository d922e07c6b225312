"""Every page, every form and every refusal of the console is for everyone: axe finds no barrier in
light and dark, the keyboard is enough, and no screen is too small."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from gateway.console.fields import Field
from gateway.console.verbs import VERBS, address_of
from gateway.console.verbs.model import Verb
from services.shared import errors
from tests.browser.barriers import barriers, bring_axe
from tests.browser.conftest import Console, sign_in, visiting
from tests.browser.places import (
    SUBJECT,
    begins_incomplete,
    fields_of,
    forms,
    makes_a_key,
    pages,
    typed,
)

# Forms that stand for the others where nothing is filled in; the long form looks at all.
INCOMPLETE = ("adjust", "hold")
FOCUSED = "() => [document.activeElement.id, document.activeElement.value]"


class Found(dict[str, list[Any]]):
    """All that is wrong, by page."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    async def look(self, name: str, part: str = "html") -> None:
        """Looks at the open page, or this part of it, and keeps what is wrong."""
        words = name.strip("/").replace("/", "-") or "overview"
        dark_part = "main" if self else "html"
        self[name] = await barriers(self._console, words, part, dark_part)

    def check(self) -> None:
        """Nothing is wrong, but for what the browser says of an answer that is meant to be none."""
        assert not any(self.values()), {name: one for name, one in self.items() if one}
        assert [one for one in self._console.complaints if "the server responded" not in one] == []


@asynccontextmanager
async def looking(chromium: Browser) -> AsyncIterator[tuple[Console, Found]]:
    size = {"width": 1280, "height": 900}
    async with visiting(chromium, viewport=size, java_script_enabled=True) as console:
        await bring_axe(console.context)
        yield console, Found(console)


async def test_no_page_has_a_barrier(chromium: Browser) -> None:
    async with looking(chromium) as (console, found):
        await console.open("/sign-in")
        await found.look("/signed-out")
        await sign_in(console)
        for path in (*pages(), "/payments?done=hold", "/payments?query=nothing&column=Status"):
            await console.open(path)
            await found.look(path)
        await console.page.get_by_role("button", name="Sign out").click()
        await found.look("/sign-out")
        found.check()


async def _arrive(console: Console, element_id: str) -> None:
    """Goes on by the Tab key until the element has the focus."""
    for _ in range(40):
        await console.page.keyboard.press("Tab")
        if (await console.page.evaluate(FOCUSED))[0] == element_id:
            return
    pytest.fail(f"{element_id} cannot be reached by the keyboard")


async def _type(console: Console, field: Field) -> None:
    """Fills the field in by the keyboard, as its kind asks for."""
    keyboard = console.page.keyboard
    if field.kind in ("check", "choice", "several"):
        option = f"-{field.options[0]}" if field.options else ""
        await _arrive(console, f"{field.name}{option}")
        await keyboard.press("Space")
        return
    await _arrive(console, field.name)
    if field.begins_now:
        return
    if field.kind == "instant":
        await keyboard.type("12012030")
        await keyboard.press("ArrowRight")
        await keyboard.type("0600PM")
        return
    await keyboard.press("Control+a")
    await keyboard.type(typed(field))


async def _press(console: Console, element_id: str) -> None:
    """Presses the button by the keyboard, from the beginning of the page's own part."""
    await console.page.locator("main").focus()
    await _arrive(console, element_id)
    async with console.page.expect_navigation():
        await console.page.keyboard.press("Enter")


async def _fill_in(console: Console, verb: Verb) -> None:
    await console.page.locator("main").focus()
    for field in fields_of(verb):
        await _type(console, field)
    await _arrive(console, "continue")
    async with console.page.expect_navigation():
        await console.page.keyboard.press("Enter")
    await expect(console.page.locator("#continue")).to_have_count(0)


async def test_no_form_has_a_barrier(chromium: Browser, *, is_long: bool) -> None:
    async with looking(chromium) as (console, found):
        await sign_in(console)
        for verb, address in forms():
            await console.open(address)
            await found.look(f"/do/{verb.name}")
            if begins_incomplete(verb) and (is_long or verb.name in INCOMPLETE):
                await _press(console, "continue")
                await expect(console.page.get_by_role("alert")).to_contain_text("not complete")
                await found.look(f"/do/{verb.name} with nothing", "main")
            if verb.fields:
                await _fill_in(console, verb)
                await found.look(f"/do/{verb.name} to confirm", "main")
        found.check()


async def test_no_key_is_shown_with_a_barrier(chromium: Browser) -> None:
    async with looking(chromium) as (console, found):
        await sign_in(console)
        for verb, address in forms():
            if makes_a_key(verb):
                await console.open(address)
                await _fill_in(console, verb)
                await _press(console, "do")
                await expect(console.page.get_by_role("heading", level=1)).to_have_text(
                    "The new key"
                )
                await found.look(f"/do/{verb.name} done")
        assert len(found) > 1
        found.check()


REFUSALS = (
    errors.Invalid(),
    errors.NotFound("There is no such merchant."),
    errors.Forbidden("The operator lacks a scope."),
    errors.NotAllowedNow(),
    errors.Overloaded(),
    errors.Unavailable(),
    errors.DomainError(),
)


async def test_no_refusal_has_a_barrier_and_each_keeps_the_menu(chromium: Browser) -> None:
    async with looking(chromium) as (console, found):
        await sign_in(console)
        menu = console.page.get_by_role("navigation", name="Console")
        for path in ("/no-such-page", "/do/no-such-verb", "/live/", "/payments?created_after=x"):
            await console.open(path)
            await expect(menu).to_be_visible()
            await found.look(path.replace("?", "-"))
        for refusal in REFUSALS:
            console.payments.refusals["ListMerchants"] = refusal
            await console.open("/merchants")
            await expect(menu).to_be_visible()
            await found.look(f"/merchants-{type(refusal).__name__}")
        console.payments.refusals["TryNow"] = errors.NotAllowedNow("Its state forbids it.")
        await console.open(address_of("try", SUBJECT))
        await _fill_in(console, VERBS["try"])
        await _press(console, "do")
        await expect(console.page.get_by_role("alert")).to_contain_text("Its state forbids it.")
        await found.look("/do/try refused")
        found.check()
