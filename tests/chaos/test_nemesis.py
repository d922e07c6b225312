"""A phase is sent to the simulator beside the lies of its time, recorded, and healed."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer

from deploy.local.mesh.credentials import load_or_make
from services.providers.simulator.app import create_app
from services.providers.simulator.catalogue import load_config
from tests.chaos import lies
from tests.chaos.nemesis import Nemesis
from tests.chaos.schedule import Action, Schedule
from tests.polling import until

STRANGE = {"unknown_status": {"probability": 1.0}}
BROWNOUT = {"brownout": {"probability": 0.1, "times": 1}}
LIES = {"stripe": {"seed": 7, "modes": BROWNOUT}}


@dataclass
class OneProcess:
    """A mesh of a simulator alone."""

    simulator_url: str
    pid: int = 1
    restarted: list[str] = field(default_factory=list)
    links: dict[str, Any] = field(default_factory=dict)

    @property
    def children(self) -> dict[str, Any]:
        return {"simulator": self}

    def heal_links(self) -> None:
        pass

    def resume(self, _: str) -> None:
        pass

    def let_up(self) -> None:
        pass

    async def healthy(self, *_: str) -> None:
        pass

    async def restart(self, name: str) -> None:
        self.restarted.append(name)


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Any]:
    known = load_or_make(tmp_path / "credentials.json")
    values = {name.upper(): value for name, value in known.stand_ins.items()}
    app = await create_app(
        load_config(
            {
                **values,
                "DEPLOYMENT": "sandbox",
                "BOOK_FILE": str(tmp_path / "book.jsonl"),
                "GATEWAY_URL": "http://127.0.0.1:1",
            }
        )
    )
    async with TestServer(app) as server:
        yield OneProcess(str(server.make_url("")))


def _nemesis(mesh: Any, folder: Path, modes: dict[str, Any]) -> Nemesis:
    def action(kind: str, at: float, parameters: dict[str, Any]) -> Action:
        return Action(at_seconds=at, kind=kind, target="anything", parameters=parameters)

    plan = Schedule(
        seconds=0.5,
        actions=(
            action("lies", 0.0, LIES),
            action("phase", 0.1, {"seconds": 3600.0, "modes": modes}),
        ),
        settings={},
        has_short_quotes=False,
    )
    return Nemesis(mesh, plan, folder / "nemesis.jsonl")


async def test_a_phase_is_set_beside_the_lies_and_healed(mesh: Any, tmp_path: Path) -> None:
    nemesis = _nemesis(mesh, tmp_path, {"stripe": STRANGE, "paystack": STRANGE})

    await nemesis.run()

    async def on() -> dict[str, list[str]]:
        modes_on = await lies.modes_on(mesh.simulator_url)
        return {name: sorted(regime["modes"]) for name, regime in modes_on.items()}

    during = await until(on, lambda modes: "unknown_status" in modes["stripe"])
    assert during["stripe"] == ["brownout", "unknown_status"]
    assert during["paystack"] == ["unknown_status"] and during["local_wallet"] == []
    # The checker computes by these whom a lie has struck.
    struck = {"provider": "stripe", "seed": 7, "modes": {**BROWNOUT, **STRANGE}}
    assert struck in nemesis.modes_set
    assert [action["kind"] for action in nemesis.actions()] == ["lies", "phase"]

    await nemesis.heal()

    assert not any((await on()).values())
    assert mesh.restarted == []


async def test_a_fault_that_a_phase_has_begun_does_not_outlast_the_healing(
    mesh: Any, tmp_path: Path
) -> None:
    late = {"late_effect": {"probability": 1, "seconds": 90}}
    nemesis = _nemesis(mesh, tmp_path, {"stripe": late})

    await nemesis.run()
    await nemesis.heal()

    assert mesh.restarted == ["simulator"]
