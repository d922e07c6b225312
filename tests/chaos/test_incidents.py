"""The drill: incidents are staged on a mesh, our own rules notice each, a documented verb ends it,
and the books hold afterwards. `DRILL=each` stages one after another. The seconds from each to its
alert are printed."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from tests.chaos.incidents import ALONE, TOGETHER, Incident, Scene, opened_scene
from tests.chaos.prometheus import Prometheus, watching
from tests.chaos.sweep import say, verify
from tests.polling import until
from tests.receiver import receiving

# A minute where the machine does little else.
NOTICED_SECONDS = 180.0


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


async def _drill(scene: Scene, prometheus: Prometheus, incidents: Sequence[Incident]) -> None:
    """Stages the incidents, waits for their alerts, and ends them."""
    staged = []
    for incident in incidents:
        end = await incident.stage(scene)
        staged.append((incident, time.monotonic(), end))
    for incident, began, _ in staged:
        await _noticed(prometheus, incident)
        say(f"  {incident.name}: {incident.alert} after {time.monotonic() - began:.0f} s")
    for _, _, end in staged:
        await end()


async def test_eight_incidents_are_noticed_ended_and_leave_the_books_whole(tmp_path: Path) -> None:
    apart = os.environ.get("DRILL") == "each"
    together = [[one] for one in TOGETHER] if apart else [TOGETHER]
    async with opened_scene(tmp_path) as scene, receiving() as receiver:

        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(status=scene.endpoint_status)

        receiver.answer, scene.endpoint_url = answer, receiver.url
        async with watching(scene.mesh, tmp_path / "prometheus") as prometheus:
            for incidents in (*together, *([one] for one in ALONE)):
                await _drill(scene, prometheus, incidents)
        code, verified = await verify(scene.mesh)

    assert code == 0, verified
