"""Operators at their browsers: each carries a verb out as a person does, from the button on a page
to the page that says that it is done."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from playwright.async_api import Locator, Page, expect

# A slow machine may take this long for a verb that asks providers first.
PATIENCE_MILLISECONDS = 60_000


@dataclass
class Operator:
    """One operator, signed in, and all that their browser complained about."""

    name: str
    url: str
    page: Page
    complaints: list[str] = field(default_factory=list)

    async def sign_in(self) -> None:
        """By the button of the sandbox."""
        await self.open("/sign-in")
        await self.page.get_by_role("button", name=f"Sign in as {self.name}").click()
        await expect(self.heading).to_have_text("Overview", timeout=PATIENCE_MILLISECONDS)

    async def open(self, path: str) -> None:
        answer = await self.page.goto(f"{self.url}{path}")
        assert answer is not None and answer.status == 200, (path, answer)

    @property
    def heading(self) -> Locator:
        return self.page.get_by_role("heading", level=1)

    @property
    def main(self) -> Locator:
        return self.page.get_by_role("main")

    @property
    def state(self) -> Locator:
        """The status of the payment, or of the proposal, that is open."""
        return self.main.locator(".lead .state").first

    async def begin(self, verb: str, within: Locator | None = None) -> None:
        """Presses the verb's button, on the open page or in a row of it."""
        # An id in the row may contain the verb.
        begins = re.compile(f"^{re.escape(verb)}")
        button = (within or self.main.locator("p.acts")).get_by_role("link", name=begins)
        await button.click()
        await expect(self.heading).to_have_text(verb, timeout=PATIENCE_MILLISECONDS)

    async def fill(self, fields: Mapping[str, str | bool]) -> None:
        """Fills the form in: a text by its label, and what is True by the label of its box."""
        for label, value in fields.items():
            if value is True:
                await self.main.get_by_label(label, exact=True).check()
            else:
                await self.main.get_by_label(label).first.fill(str(value))
        await self.main.get_by_role("button", name="Continue").click()

    async def confirm(self, verb: str, said: str = "") -> None:
        """Has it done, again while a worker has the payment, and sees how often it was."""
        busy = self.main.get_by_role("alert").filter(has_text="PAYMENT_BUSY")
        async with asyncio.timeout(PATIENCE_MILLISECONDS / 1000):
            while True:
                async with self.page.expect_navigation():
                    await self.main.get_by_role("button", name=f"{verb} now").click()
                if not await busy.count():
                    break
                # The browser says that it was refused.
                self.complaints.clear()
        await self._reads(f"Done: {verb}{said}.")

    async def carry_out(
        self,
        verb: str,
        fields: Mapping[str, str | bool],
        within: Locator | None = None,
        said: str = "",
    ) -> None:
        """The whole way of a verb with a form."""
        await self.begin(verb, within)
        await self.fill(fields)
        await self.confirm(verb, said)

    async def gets_a_key(self, verb: str) -> str:
        """Has a key made, and reads it on the one page that shows it."""
        await self.main.get_by_role("button", name=f"{verb} now").click()
        await expect(self.heading).to_have_text("The new key")
        return str(await self.main.get_by_role("definition").first.text_content())

    async def propose(self, reason: str = "") -> str:
        """Proposes what the form says; the path of the proposal."""
        if reason:
            await self.main.get_by_label("Reason of a proposal").fill(reason)
        await self.main.get_by_role("button", name="Propose it to another operator").click()
        await self._reads("Proposed.")
        return self.path

    @property
    def path(self) -> str:
        """The path of the open page."""
        return self.page.url.removeprefix(self.url).partition("?")[0]

    async def sees(self, state: str) -> None:
        """Awaits the state on the open page, which nobody loads again."""
        await expect(self.state).to_have_text(state, timeout=PATIENCE_MILLISECONDS)

    async def approve(self, proposal: str) -> None:
        """Reads the proposal, and approves it."""
        await self.open(proposal)
        await self.begin("Approve")
        await self.confirm("Approve")
        await self.sees("APPROVED")

    async def _reads(self, sentence: str) -> None:
        said = self.main.get_by_role("status").first
        await expect(said).to_have_text(sentence, timeout=PATIENCE_MILLISECONDS)


def row_of(operator: Operator, text: str) -> Locator:
    """The first row of the list that has this text."""
    return operator.main.locator("tbody tr").filter(has_text=text).first
