"""The pages look as they did when a person last looked at them: where each landmark, heading,
table, list and field begins and how wide it is, in which order, and in which colours.

Pixels would differ with every machine's fonts, and so would heights and places of text. Places and
widths of boxes come from the style sheet alone. `LAYOUT=write` writes them again, to be looked at
beside the pictures of `SCREENSHOTS_DIR`."""

import os
from difflib import unified_diff
from pathlib import Path

from playwright.async_api import Browser, ViewportSize

from tests.browser.conftest import sign_in, visiting
from tests.browser.payment_sample import PAYMENT
from tests.browser.samples import PROPOSAL

TONES = ("good", "busy", "warn", "bad")
KEPT = Path(__file__).with_name("layout.txt")
# A page of each kind.
PAGES = (
    "/",
    "/payments",
    "/dead-letters",
    f"/payments/{PAYMENT}",
    f"/proposals/{PROPOSAL}",
    f"/do/resolve?transaction_id={PAYMENT}",
    "/account",
)
SCREENS = (
    ViewportSize(width=1280, height=900),
    ViewportSize(width=320, height=640),
)
BOXES = """() => {
  const chosen = "header, nav, main, footer, h1, h2, h3, .notice, .counts > li, .table, .flow, dl, "
    + "form.verb input:not([type=hidden]), form.verb textarea, form.filters";
  const nameOf = (one) => /^H[1-3]$/.test(one.tagName) ? one.textContent
    : one.getAttribute("aria-label") || one.getAttribute("aria-labelledby") || one.id;
  const lines = [];
  for (const one of document.querySelectorAll(chosen)) {
    const { left, width } = one.getBoundingClientRect();
    if (!one.checkVisibility() || width <= 1) continue;
    const columns = [...one.querySelectorAll(":scope > table > thead th")];
    const place = `${Math.round(left)} + ${Math.round(width)}`;
    const words = [one.tagName.toLowerCase(), place, nameOf(one)];
    words.push(...columns.map((cell) => cell.textContent));
    lines.push(words.join(" ").replace(/\\s+/g, " ").trim());
  }
  return lines;
}"""
PAINTED = ("body", "main a[href]", "button", *(f".state.{one}" for one in TONES))
COLOURS = """(chosen) => chosen.map((one) => {
  const { color, backgroundColor } = getComputedStyle(document.querySelector(one));
  return `${one}: ${color} on ${backgroundColor}`;
})"""


async def lines_of(chromium: Browser) -> list[str]:
    """Each page on each screen, box by box."""
    lines: list[str] = []
    async with visiting(chromium) as console:
        await sign_in(console)
        for path in PAGES:
            await console.open(path)
            for screen in SCREENS:
                await console.page.set_viewport_size(screen)
                lines.append(f"== {path} on {screen['width']}")
                lines += await console.page.evaluate(BOXES)
        await console.open("/payments")
        for scheme in ("light", "dark"):
            await console.page.emulate_media(color_scheme=scheme)
            lines.append(f"== {scheme}")
            lines += await console.page.evaluate(COLOURS, PAINTED)
    return [f"{line}\n" for line in lines]


async def test_the_pages_are_laid_out_as_before(chromium: Browser) -> None:
    found = await lines_of(chromium)
    if os.environ.get("LAYOUT") == "write":
        KEPT.write_text("".join(found))
    kept = KEPT.read_text().splitlines(keepends=True)

    changed = "".join(unified_diff(kept, found, "as before", "now"))
    assert not changed, f"{changed}LAYOUT=write keeps it, once it was looked at."
