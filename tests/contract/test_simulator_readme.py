"""The simulator's pages keep their word: a fault that cannot happen at a provider is on its page
with its reason, and each example anywhere names one that can."""

import re
from pathlib import Path

from aiohttp import ClientSession

from services.providers.adapters import ADAPTERS
from services.providers.simulator.faults.modes import Mode, modes_of
from tests.conftest import ROOT
from tests.contract.lab import running_lab

README = ROOT / "services" / "providers" / "simulator" / "README.md"
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("services/**/*.md")]


async def refusals(book: Path) -> dict[tuple[str, str], str]:
    """Why a mode cannot happen at a provider, as the simulator says when it is turned on there."""
    found = {}
    async with running_lab(book) as lab, ClientSession() as session:
        for provider in sorted(ADAPTERS):
            for mode in Mode:
                url, body = f"{lab.url}/control/{provider}", {"modes": {mode.value: 1}}
                async with session.put(url, json=body) as answer:
                    said = await answer.text()
                    if answer.status != 200:
                        found[provider, mode.value] = said.partition(": ")[2] or said
    return found


async def test_each_provider_s_page_says_what_cannot_happen_there(tmp_path: Path) -> None:
    refused = await refusals(tmp_path / "book.jsonl")
    for provider in ADAPTERS:
        rows = [f"| `{mode}` | {why} |" for (p, mode), why in refused.items() if p == provider]
        table = "\n".join(["| mode | because |", "|---|---|", *rows])
        page = ROOT / "docs" / "providers" / f"{provider}.md"

        written = re.search(r"<!-- exempt -->\n(.*)<!-- /exempt -->", page.read_text(), re.DOTALL)

        assert written, f"{page.name}: mark the place of the table with <!-- exempt -->"
        assert written[1] == f"{table}\n", f"{page.name}: this should be\n\n{table}\n"


async def test_every_example_names_a_fault_that_can_happen(tmp_path: Path) -> None:
    refused = await refusals(tmp_path / "book.jsonl")
    word = re.compile(r"sim:[a-z0-9_]+(?:[+-]1)?(?:@([a-z_]+))?(?:=[0-9]+)?")
    for page in PAGES:
        for example in word.finditer(page.read_text()):
            provider = example[1] or "stripe"
            assert provider in ADAPTERS, (page, example[0])
            [mode] = modes_of(example[0], provider)
            if example[1]:
                assert (provider, mode.value) not in refused, (page, example[0])


async def test_the_pages_own_example_is_taken(tmp_path: Path) -> None:
    example = re.search(
        r"curl -X PUT \$SIMULATOR_URL(\S+) -d '(.*?)'", README.read_text(), re.DOTALL
    )
    assert example
    async with (
        running_lab(tmp_path / "book.jsonl") as lab,
        ClientSession() as session,
        session.put(f"{lab.url}{example[1]}", data=example[2]) as answer,
    ):
        assert answer.status == 200, await answer.text()
        setting = await answer.json()

    assert {"500_after", "lookup_lag"} == set(setting["modes"])
