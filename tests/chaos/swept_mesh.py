"""A mesh with failpoints in payments, its worker and providers."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from deploy.local.process.child import Spec
from tests.chaos.failpoints import FOLDER_VARIABLE, Failpoints
from tests.chaos.lives import COUNT_VARIABLE, SETTINGS_VARIABLE
from tests.chaos.mesh import ChaosMesh
from tests.chaos.topology import kind_of

SWEPT = ("services.payments", "services.payments.worker", "services.providers")
LEASE_SECONDS = 20
# Few payments at a time in each of many workers, so that one that hangs or ends holds few others.
CLAIM_MAX, UNDER_WAY_MAX = 1, 4
# The processes of a kind that are forked from one, each forked again when a case has ended it.
LIVES: Mapping[str, int] = {"payments": 2, "worker": 12, "providers": 3}


def launched_by(folder: Path, lives: Mapping[str, int]) -> Callable[[Spec], Spec]:
    """Starts the swept services through tests.chaos.process; of some, so many that are forked."""

    def launch(spec: Spec) -> Spec:
        if spec.command[-1] not in SWEPT:
            return spec
        command = (*spec.command[:-1], "tests.chaos.process", spec.command[-1])
        variables = {**spec.environment, FOLDER_VARIABLE: str(folder)}
        if kind_of(spec.name) in lives:
            variables[COUNT_VARIABLE] = str(lives[kind_of(spec.name)])
            variables[SETTINGS_VARIABLE] = str(settings_of(folder, spec.name))
        return replace(spec, command=command, environment=variables)

    return launch


def settings_of(folder: Path, name: str) -> Path:
    """The variables of the lives of a process that are forked from now on."""
    return folder / f"settings-{name}"


@asynccontextmanager
async def swept_mesh(
    folder: Path,
    *,
    workers: int = 1,
    claim_max: int = CLAIM_MAX,
    under_way_max: int = UNDER_WAY_MAX,
    lives: Mapping[str, int] = LIVES,
) -> AsyncIterator[tuple[ChaosMesh, Failpoints]]:
    """A mesh with failpoints, gone afterwards with all its files but the logs."""
    worker = {
        "LEASE_SECONDS": LEASE_SECONDS,
        "CLAIM_MAX": claim_max,
        "UNDER_WAY_MAX": under_way_max,
        # The audit runs at the end.
        "AUDIT_SECONDS": 0,
        "EVENTS_SECONDS": 2,
    }
    fired = folder / "failpoints"
    fired.mkdir(parents=True)
    mesh = ChaosMesh(
        data_dir=folder / "data",
        payments=2,
        workers=workers,
        launch=launched_by(fired, lives),
        settings={"worker": {name: str(value) for name, value in worker.items()}},
        proxied=False,
    )
    async with mesh:
        yield mesh, Failpoints(fired)
    mesh.forget_database()
