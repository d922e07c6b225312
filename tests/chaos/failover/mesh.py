"""A chaos mesh whose database is a pair of servers: every process knows both, and asks the one that
takes writes."""

from typing import Any

from deploy.local.mesh import credentials, database
from deploy.local.mesh.ports import claimed
from deploy.local.mesh.processes import Plan
from tests.chaos.failover.pair import Pair
from tests.chaos.mesh import ChaosMesh


class FailoverMesh(ChaosMesh):
    """One mesh. `synchronous` is False for the mistake that loses acknowledged payments."""

    def __init__(self, *, synchronous: bool, **options: Any) -> None:
        super().__init__(**options)
        self._synchronous = synchronous
        self._pair: Pair | None = None

    @property
    def pair(self) -> Pair:
        """The two servers. Raises RuntimeError before the start."""
        if self._pair is None:
            raise RuntimeError("the mesh was never started")
        return self._pair

    async def stop(self) -> None:
        """Ends everything, the servers last."""
        await super().stop()
        if self._pair is not None:
            self._pair.stop()

    def forget_database(self) -> None:
        """See ChaosMesh.forget_database."""
        self.pair.forget()

    async def _prepare(self) -> Plan:
        picked = self._held.enter_context(claimed([*self.topology.port_names, "standby"]))
        secrets = credentials.load_or_make(self._data.credentials)
        self._pair = Pair(
            database.own_cluster(self._data, secrets),
            (picked["postgresql"], picked["standby"]),
            self._data.logs,
            synchronous=self._synchronous,
        )
        await self._pair.start()
        return self._plan_of(picked, secrets, self._pair.database, None)
