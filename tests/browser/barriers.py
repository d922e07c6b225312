"""Looks at an open page as people with and without sight, in light and dark, with a small screen,
with an enlarged one and without a mouse would find it."""

from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import BrowserContext

from tests.browser.conftest import Console

# A small screen; and one of 1280 that is enlarged to 200 %, to 125 %, and as it is.
WIDTHS = (320, 640, 1024, 1280)
# No frame and no font is loaded, so there is nothing to wait for.
QUICK = {"resultTypes": ["violations"], "preload": False, "iframes": False}
# The scheme changes colours and nothing else.
COLOURS = {**QUICK, "runOnly": {"type": "rule", "values": ["color-contrast"]}}
RUN = """async ([part, options]) =>
  (await axe.run(document.querySelector(part), options)).violations
  .map((one) => [one.id, ...one.nodes.map((node) => node.html)])"""
# All that a mouse can press is reached by the Tab key in the order of the page, and shows it.
BY_KEYBOARD = """() => {
  const chosen = "a, button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  const before = document.activeElement;
  const wrong = [];
  // Backwards, as the last one with the focus among several radio buttons is where Tab leads to.
  for (const one of [...document.querySelectorAll(chosen)].reverse()) {
    if (!one.checkVisibility() || one.disabled) continue;
    one.focus({ preventScroll: true, focusVisible: true });
    const { outlineStyle, outlineWidth } = getComputedStyle(one);
    const shows = document.activeElement === one && outlineStyle === "solid"
      && parseFloat(outlineWidth) >= 2;
    if (one.tabIndex !== 0 || !shows) wrong.push(one.outerHTML.slice(0, 200));
  }
  document.activeElement.blur();
  if (before) before.focus({ preventScroll: true });
  return wrong;
}"""


# On the widest of these screens every column is in view.
OUT_OF_VIEW = """() => [...document.querySelectorAll(".table")]
  .filter((one) => one.scrollWidth > one.clientWidth)
  .map((one) => ["columns out of view", one.getAttribute("aria-labelledby")])"""


async def bring_axe(context: BrowserContext) -> None:
    """Gives axe to each page that is opened from now on."""
    await context.add_init_script(Axe().axe_script)


async def barriers(
    console: Console, name: str, part: str = "html", dark_part: str = "main"
) -> list[Any]:
    """All that is wrong with these parts of the open page, which has the same frame as each."""
    page = console.page
    await console.shoot(f"light-{name}")
    found: list[Any] = await page.evaluate(RUN, [part, QUICK])
    found += [["no focus", html] for html in await page.evaluate(BY_KEYBOARD)]
    await page.emulate_media(color_scheme="dark")
    await console.shoot(f"dark-{name}")
    found += await page.evaluate(RUN, [dark_part, COLOURS])
    await page.emulate_media(color_scheme="light")
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 640})
        wide = await page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            found.append(f"{wide} pixels wide on {width}")
        if width == min(WIDTHS):
            await console.shoot(f"{width}-{name}")
    found += await page.evaluate(OUT_OF_VIEW)
    await page.set_viewport_size({"width": 1280, "height": 900})
    return found
