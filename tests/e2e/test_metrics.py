"""The pages of metrics of a running mesh hold what docs/metrics.md says."""

import re
from typing import Any

import aiohttp
import pytest

from tests.conftest import ROOT
from tests.e2e.conftest import Mesh, Rest

PAGE = (ROOT / "docs" / "metrics.md").read_text()
OURS = re.findall(r"^\| `(caravel_\w+)` \| (\w+) \| [^|]*\| ([^|]+) \|", PAGE, re.MULTILINE)
ENVOYS = re.findall(r"^\| `(envoy_\w+)`", PAGE, re.MULTILINE)
FAMILY = re.compile(r"^# TYPE (\w+) (\w+)$", re.MULTILINE)


@pytest.fixture
async def pages(mesh: Mesh) -> dict[str, str]:
    """The text of every page, by process."""
    if mesh.data_dir is None:
        pytest.skip("the pages of another mesh are not published")
    found = {}
    async with aiohttp.ClientSession() as session:
        for process in mesh.status["processes"]:
            if process["metrics_port"]:
                url = f"http://127.0.0.1:{process['metrics_port']}/metrics"
                async with session.get(url) as answer:
                    assert answer.status == 200
                    found[process["name"]] = await answer.text()
    return found


async def test_every_process_has_a_page(pages: dict[str, str]) -> None:
    assert pages.keys() == {"fees", "fx", "providers", "payments", "worker", "console", "gateway"}


async def test_pages_hold_what_is_documented_and_nothing_else_of_ours(
    pages: dict[str, str],
) -> None:
    documented = {(name, kind) for name, kind, _ in OURS}
    shown = {
        family
        for text in pages.values()
        for family in FAMILY.findall(text)
        # Beside a counter or a histogram stands when it was made.
        if family[0].startswith("caravel_") and not family[0].endswith("_created")
    }

    assert shown == documented
    for name, kind, processes in OURS:
        where = pages.keys() - {"gateway"} if processes == "all" else processes.split(", ")
        assert all(f"# TYPE {name} {kind}" in pages[process] for process in where), name


async def test_envoys_are_there(pages: dict[str, str], rest: Rest) -> None:
    await rest.get("/api/corridors")

    families = {name for name, _ in FAMILY.findall(pages["gateway"])}
    assert set(ENVOYS) <= families


async def test_build_is_published(pages: dict[str, str]) -> None:
    for process in pages.keys() - {"gateway"}:
        (line,) = re.findall(r"^caravel_build_info\{(.*)\} 1.0$", pages[process], re.MULTILINE)
        labels: dict[str, Any] = dict(re.findall(r'(\w+)="([^"]*)"', line))
        assert labels.keys() == {"version", "commit", "service", "python"}
        assert labels["service"] == process
        assert all(labels.values())


async def test_wrong_signature_is_counted_by_provider(mesh: Mesh, rest: Rest) -> None:
    if mesh.data_dir is None:
        pytest.skip("the pages of another mesh are not published")
    refused = await rest.post("/api/webhooks/paystack", {"event": "charge.success"})
    assert refused.status == 401

    port = next(
        one["metrics_port"] for one in mesh.status["processes"] if one["name"] == "providers"
    )
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        text = await answer.text()
    assert re.search(
        r'caravel_provider_webhooks_total\{provider="paystack",'
        r'result="WEBHOOK_SIGNATURE_INVALID"\} [1-9]',
        text,
    )
