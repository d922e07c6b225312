"""The pages of disclosures for everyone: without a barrier that axe knows, in every locale."""

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser

from tests.golden import FOLDER

PAGES = sorted(FOLDER.glob("*.html"))


@pytest.mark.parametrize("name", sorted({path.name.partition(".")[0] for path in PAGES}))
async def test_axe_finds_no_barrier_on_any_disclosure(chromium: Browser, name: str) -> None:
    # Its own script is all that runs.
    context = await chromium.new_context()
    page = await context.new_page()
    found = {}
    for path in (one for one in PAGES if one.name.startswith(f"{name}.")):
        await page.set_content(path.read_text())
        results = await Axe().run(page)
        found[path.name] = [
            (one["id"], one["nodes"][0]["html"]) for one in results.response["violations"]
        ]
    await context.close()

    assert len(found) == 5
    assert not any(found.values()), found
