"""The drill: incidents are staged on a mesh, our own rules notice each, its documented verb ends
it, and the books hold afterwards. With `--long` one comes after another, Prometheus waits as
long as where it is deployed, and the books are verified after each. The seconds to each alert are
printed."""

import asyncio
import re
import time
from pathlib import Path

import pytest

from deploy import ROOT
from tests.chaos.incidents import TOGETHER, WITHOUT_WORK, Incident, Scene, opened_scene
from tests.chaos.prometheus import Prometheus, watching
from tests.chaos.sweep import say, verify
from tests.polling import until

# A minute where the machine does little else.
NOTICED_SECONDS = 180.0
# In the short form Prometheus asks, evaluates and waits so many times as fast.
FASTER = 5


async def _noticed(prometheus: Prometheus, incident: Incident) -> None:
    async def fires() -> bool:
        return any(
            labels["alertname"] == incident.alert and incident.labels.items() <= labels.items()
            for labels in await prometheus.firing()
        )

    try:
        await until(fires, bool, seconds=NOTICED_SECONDS)
    except AssertionError:
        raise AssertionError(f"nobody noticed that {incident.name}") from None


async def _drilled(scene: Scene, prometheus: Prometheus, incident: Incident) -> None:
    """Stages an incident, and ends it once it is noticed."""
    began = time.monotonic()
    end = await incident.stage(scene)
    staged = time.monotonic()
    await _noticed(prometheus, incident)
    say(f"  {incident.name}: {incident.alert} {time.monotonic() - staged:.0f} s after it was there")
    ending = time.monotonic()
    await end()
    ended = time.monotonic()
    say(f"  {incident.name}: ended in {ended - ending:.0f} s, {ended - began:.0f} s in all")


async def _holds(scene: Scene) -> None:
    code, verified = await verify(scene.mesh)
    assert code == 0, verified


async def test_eight_incidents_are_noticed_ended_and_leave_the_books_whole(
    tmp_path: Path, is_long: bool
) -> None:
    each = [[one] for one in (*TOGETHER, *WITHOUT_WORK)]
    rounds, faster = (each, 1) if is_long else ([TOGETHER, WITHOUT_WORK], FASTER)
    async with (
        opened_scene(tmp_path) as scene,
        watching(scene.mesh, tmp_path / "prometheus", faster=faster) as prometheus,
    ):
        for incidents in rounds:
            async with asyncio.TaskGroup() as tasks:
                for incident in incidents:
                    tasks.create_task(_drilled(scene, prometheus, incident))
            if is_long:
                await _holds(scene)
        await _holds(scene)


@pytest.mark.parametrize("incident", [one for one in (*TOGETHER, *WITHOUT_WORK) if one.verb])
def test_the_runbook_names_the_verb_that_ends_an_incident(incident: Incident) -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", runbook, re.M | re.S))
    own = sections[incident.alert]
    # A section may say that another one is followed.
    followed = [sections[name] for name in re.findall(r"\[(Caravel\w+)\]", own)]
    assert any(f"`{incident.verb}`" in text for text in (own, *followed))
