"""Starts a process of the mesh with a bug in it:
`python -m tests.chaos.planted.process regenerated_answers services.payments`. After the migrations
it takes from the database what the bug takes away."""

import asyncio
import os
import runpy
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import asyncpg

from deploy.local.process.child import Spec
from tests.chaos.conditions import Conditions
from tests.chaos.planted.catalogue import by_name
from tests.chaos.planted.plant import MEMBER_VARIABLE, Patches, Plant
from tests.chaos.planted.stalls import stop_when_signalled

MIGRATIONS = "alembic"
WORKER = "services.payments.worker"
SHARE_VARIABLE = "CHAOS_RECORDING_SHARE"
ALTERED = ("services.payments", WORKER, "services.providers")
# How deploy.local starts Python: the interpreter, and that its folder is no part of the program.
MODULE_AT = 3


def launched_with(plant: Plant, conditions: Conditions) -> Callable[[Spec], Spec]:
    """The launch of a mesh that has the bug, whose workers stop where the conditions say."""

    def launch(spec: Spec) -> Spec:
        if spec.name == "postgresql":
            settings = [f"{name}={value}" for name, value in plant.server.items()]
            options = [word for setting in settings for word in ("-c", setting)]
            return replace(spec, command=(*spec.command, *options))
        module = spec.command[MODULE_AT] if len(spec.command) > MODULE_AT else ""
        if module not in ALTERED and not (module == MIGRATIONS and plant.statements):
            return spec
        start, rest = spec.command[:MODULE_AT], spec.command[MODULE_AT:]
        return replace(
            spec,
            command=(*start, "tests.chaos.planted.process", plant.name, *rest),
            environment={
                **spec.environment,
                MEMBER_VARIABLE: spec.name,
                SHARE_VARIABLE: str(conditions.recording_share),
            },
        )

    return launch


def main(name: str, module: str, arguments: Sequence[str]) -> None:
    """Becomes the process."""
    plant, patches = by_name(name), Patches()
    plant.alter(patches)
    if module == WORKER:
        stop_when_signalled(patches, float(os.environ[SHARE_VARIABLE]))
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if ended.code:
            raise
    if module == MIGRATIONS:
        asyncio.run(_spoil(os.environ["MIGRATION_DATABASE_URL"], plant.statements))


async def _spoil(url: str, statements: Sequence[str]) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
