"""A chaos mesh of two versions: one payments and one worker of the version before a migration, and
others of the version with it, which start only when they are wanted. Services without a database
(fees, fx, providers) are of the later version from the start, as in every upgrade."""

from dataclasses import replace
from typing import Any

from deploy.local.process.child import Spec
from tests.chaos.mesh import ChaosMesh
from tests.chaos.topology import kind_of
from tests.chaos.upgrade.versions import Upgrade

OLD, NEW = ("payments-1", "worker-1"), ("payments-2", "worker-2")
MIGRATIONS = "migrations"


class UpgradeMesh(ChaosMesh):
    """One mesh, which begins at the schema of the version before."""

    def __init__(self, *, upgrade: Upgrade, **options: Any) -> None:
        super().__init__(**{**options, "launch": self._of_its_version})
        self.upgrade = upgrade
        self._later: dict[str, Spec] = {}
        self._migrations: Spec | None = None

    async def migrate(self) -> None:
        """Brings the database to the schema of the later version. Raises Problem."""
        if self._migrations is None:
            raise RuntimeError("the mesh was never started")
        await super()._bring_up(self.upgrade.after.runs(self._migrations))

    async def bring_up_new(self) -> None:
        """Starts the processes of the later version beside the others."""
        for name in NEW:
            await super()._bring_up(self._later.pop(name))

    async def retire_old(self) -> None:
        """Ends the processes of the version before, in good order."""
        for name in OLD:
            await self.children.pop(name).stop()

    def _of_its_version(self, spec: Spec) -> Spec:
        if spec.name == MIGRATIONS:
            self._migrations = spec
        if spec.name in (*OLD, MIGRATIONS):
            return self.upgrade.before.runs(spec)
        if kind_of(spec.name) in ("postgresql", "gateway"):
            return spec
        return self.upgrade.after.runs(spec)

    async def _bring_up(self, spec: Spec) -> None:
        if spec.name in NEW:
            self._later[spec.name] = replace(spec, after=())
            return
        await super()._bring_up(spec)
