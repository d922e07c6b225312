"""The time from an event of a payment to its sight on the operator's screen, and the size of the
first page. Both are printed (`-s`); only the size has a limit, as no test asserts a time."""

from collections.abc import AsyncIterator
from datetime import datetime
from statistics import median

import aiohttp
import pytest
from playwright.async_api import Browser, Response, expect

from deploy.local.process.terminal import say
from tests.browser.conftest import sign_in, visiting
from tests.browser.operators import Operator
from tests.e2e.conftest import Mesh, Rest

FIRST_PAGE_BYTES = 150_000
CHANGES = (":hold", ":release") * 3
# The instant, in milliseconds, at which the page shows another status than this.
SHOWN = """(before) => new Promise((resolve) => {
  const look = () => {
    const shown = document.querySelector(".lead .state");
    if (shown && shown.textContent !== before) resolve(Date.now());
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  look();
})"""


@pytest.fixture
async def admin(mesh: Mesh) -> AsyncIterator[Rest]:
    """The operators' API."""
    async with aiohttp.ClientSession(mesh.operators_url) as session:
        yield Rest(session)


async def test_a_change_comes_to_the_screen_by_itself(
    ada: Operator, rest: Rest, admin: Rest
) -> None:
    made = await rest.create(reference="sim:hold")
    path = f"/payments/{made['transaction_id']}"
    await rest.wait(made["transaction_id"], {"SENT"})
    await ada.open(path)
    await expect(ada.page.locator("#live")).to_contain_text("Live")
    lengths = []
    for verb in CHANGES:
        before = await ada.state.text_content()
        done = await admin.say(f"/api/admin{path}{verb}", {"note": "to be seen"})
        assert done.status == 200, done.body
        shown = await ada.page.evaluate(SHOWN, before)
        last = (await rest.events(made["transaction_id"]))[-1]
        happened = datetime.fromisoformat(last["occurred_at"]).timestamp()
        lengths.append(shown / 1000 - happened)

    say(f"\nevent to screen: median {median(lengths):.2f} s, longest {max(lengths):.2f} s")


async def test_the_first_page_is_small(chromium: Browser) -> None:
    async with visiting(chromium, java_script_enabled=True) as console:
        await sign_in(console)
        page = await console.context.new_page()
        answers: list[Response] = []

        def keep(one: Response) -> None:
            answers.append(one)

        page.on("response", keep)
        await page.goto(f"{console.url}/", wait_until="load")
        sizes = {one.url: len(await one.body()) for one in answers if not one.url.endswith("/live")}

    say(f"\nfirst page: {sum(sizes.values())} bytes of {len(sizes)} answers")
    assert {url.rpartition("/")[2] for url in sizes} >= {"", "console.css", "live.js"}
    assert sum(sizes.values()) <= FIRST_PAGE_BYTES
