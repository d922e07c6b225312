"""A real Prometheus that evaluates our own rules over a mesh of this machine."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from deploy import ROOT
from deploy.local.mesh.ports import HOST, claimed
from tests.chaos.mesh import ChaosMesh
from tests.polling import until
from tests.tools import debian_tool

FOLDER = ROOT / "deploy" / "observability"


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    session: aiohttp.ClientSession

    async def firing(self) -> list[Mapping[str, str]]:
        """The labels of each alert that fires now."""
        async with self.session.get("/api/v1/alerts") as answer:
            alerts = (await answer.json())["data"]["alerts"]
        return [one["labels"] for one in alerts if one["state"] == "firing"]


@asynccontextmanager
async def watching(mesh: ChaosMesh, folder: Path, *, faster: int = 1) -> AsyncIterator[Prometheus]:
    """Prometheus with the configuration and the rules that ship, but for the addresses, and with
    all of their waits so many times shorter; skips the test where its program cannot be had."""
    program = debian_tool("prometheus", "prometheus")
    _write(_configuration(mesh, faster), _rules(faster), folder)
    with claimed(["prometheus"]) as ports:
        address = f"{HOST}:{ports['prometheus']}"
        process = await asyncio.create_subprocess_exec(
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            "--log.level=warn",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=sys.stderr,
        )
        try:
            async with aiohttp.ClientSession(f"http://{address}") as session:
                await until(lambda: _is_ready(session), bool)
                yield Prometheus(session)
        finally:
            process.terminate()
            await process.wait()


def _write(configuration: Any, rules: Any, folder: Path) -> None:
    folder.mkdir()
    (folder / "rules.yml").write_text(yaml.safe_dump(rules))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))


def _rules(faster: int) -> Any:
    shipped = yaml.safe_load((FOLDER / "rules.yml").read_text())
    for rule in (rule for group in shipped["groups"] for rule in group["rules"]):
        if "for" in rule:
            rule["for"] = _shorter(rule["for"], faster)
    return shipped


def _shorter(duration: str, faster: int) -> str:
    return f"{int(duration.removesuffix('s')) * 1000 // faster}ms"


def _configuration(mesh: ChaosMesh, faster: int) -> Any:
    shipped = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    del shipped["alerting"]
    shipped["global"] = {
        name: _shorter(duration, faster) for name, duration in shipped["global"].items()
    }
    (job,) = shipped["scrape_configs"]
    del job["dns_sd_configs"], job["relabel_configs"]
    job["static_configs"] = [
        {
            "targets": [f"{HOST}:{member.spec.metrics_port}"],
            # In place of an address, which says nothing here.
            "labels": {"instance": name, "process": member.kind},
        }
        for name, member in mesh.children.items()
        if member.spec.metrics_port
    ]
    return shipped


async def _is_ready(session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get("/-/ready") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
