"""The mesh that is measured: the processes of `./caravel up`, on free ports and on a server of its
own, moved from database to database. It is the product as it is, but for the worker's audit."""

import asyncio
import os
import signal
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Self

from deploy.local.mesh import credentials, database, placement
from deploy.local.mesh.ports import HOST, claimed
from deploy.local.mesh.processes import Plan
from deploy.local.mesh.state import DataDir
from deploy.local.mesh.supervisor import start_in_order, stop_in_order
from deploy.local.process.child import Child, Spec, describe_end
from deploy.local.process.terminal import Problem
from tests.benchmarks.load import Target
from tests.benchmarks.server import Server
from tests.chaos.topology import Topology, kind_of
from tests.servers import let_in_superuser

HEALTHY_SECONDS = 120.0
POLL_SECONDS = 0.05
# Started and done before anything is measured.
LASTING = ("postgresql", "migrations")
MOST = Topology(payments=3, workers=2, proxied=False)
EXTRA_PORTS = ("baseline", "baseline with two workers")
# pgbench opens one for each of its clients.
MORE_CONNECTIONS = ("-c", "max_connections=400")
# The audit runs once a minute, which a measurement of ten seconds meets or does not.
SETTINGS = {"worker": {"AUDIT_SECONDS": "0"}}


class BenchMesh:
    """PostgreSQL for the whole block; the rest of the mesh from use() on."""

    def __init__(self, folder: Path) -> None:
        self.server = Server(database.Database(migration_url="", application_url=""), "")
        # The database that it works on.
        self.on = ""
        # The simulator may still have events for payments of a database that is left.
        self.has_leftovers = False
        self._sizes = (0, 0)
        self._settings: Mapping[str, Mapping[str, str]] = {}
        self._data = DataDir.at(folder)
        self._held = ExitStack()
        self._children: dict[str, Child] = {}
        self._specs: dict[str, Spec] = {}
        self._plan: Plan | None = None
        self._administrator_url = ""

    async def __aenter__(self) -> Self:
        try:
            self._data.make()
            self._plan = self._prepare()
            for spec in MOST.specs(self._plan, {}, None):
                if spec.name == "postgresql":
                    await self.start(replace(spec, command=(*spec.command, *MORE_CONNECTIONS)))
            self.server = Server(self._plan.database, self._administrator_url)
            await self.server.forget()
            await self.server.make_template()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop(name for name in list(self._children) if name != "postgresql")
        if self._plan and self._plan.cluster is None and self.server.given.migration_url:
            await self.server.forget()
        await self.stop(["postgresql"])
        self._held.close()

    @property
    def rest(self) -> Target:
        """Envoy."""
        return Target(HOST, self.plan.rest_port)

    @property
    def operators(self) -> Target:
        """Envoy's listener for operators."""
        return Target(HOST, self.plan.operators_port)

    @property
    def plan(self) -> Plan:
        """Ports, passwords and folders. Raises RuntimeError before the start."""
        if self._plan is None:
            raise RuntimeError("the mesh was never started")
        return self._plan

    @property
    def pids(self) -> dict[str, int]:
        """Every process of the mesh that runs. Raises Problem where one has ended by itself."""
        for name, child in self._children.items():
            if child.code is not None:
                raise Problem(f"{name}: {describe_end(child.code)}; its log is {child.log}")
        return {name: child.pid for name, child in self._children.items()}

    async def use(
        self,
        name: str,
        *,
        payments: int = 1,
        workers: int = 1,
        whole: bool = False,
        payments_settings: Mapping[str, str] | None = None,
    ) -> None:
        """Moves the mesh to this database: payments, workers and Envoy, or all of it, start
        again. It stays as it is where it is there already, with its workers."""
        settings = {**SETTINGS, "payments": dict(payments_settings or {})}
        as_is = (self.on, *self._sizes, False, self._settings)
        if (name, payments, workers, whole, settings) == as_is:
            await self.start_workers()
            return
        plan = replace(self.plan, database=self.server.database(name))
        topology = Topology(payments=payments, workers=workers, proxied=False)
        # A database may not meet operations of another one at its providers.
        is_other = whole or name != self.on or self.has_leftovers
        ended = [one for one in self.pids if one in self._specs]
        await self.stop(one for one in ended if whole or _moves(one, is_other=is_other))
        if is_other:
            self._data.simulator_book.unlink(missing_ok=True)
        specs = topology.specs(plan, settings, None)
        self._specs = {spec.name: spec for spec in specs if spec.name not in LASTING}
        self.on, self._sizes, self.has_leftovers = name, (payments, workers), False
        self._settings = settings
        await self._bring_up(self._specs.values())

    async def stop_workers(self) -> None:
        """Ends the workers, so that payments are created and nothing else happens to them."""
        await self.stop(name for name in self.pids if kind_of(name) == "worker")

    async def start_workers(self) -> None:
        """Starts them again."""
        await self._bring_up(self._specs.values())

    def pause_workers(self) -> None:
        """Stops the workers where they stand."""
        self._signal_workers(signal.SIGSTOP)

    def resume_workers(self) -> None:
        """Lets them go on."""
        self._signal_workers(signal.SIGCONT)

    def _signal_workers(self, number: int) -> None:
        for name, pid in self.pids.items():
            if kind_of(name) == "worker":
                os.kill(pid, number)

    async def start(self, spec: Spec) -> None:
        """Starts any process beside the mesh; returns when it is healthy."""
        child = self._children[spec.name] = Child(spec, self._data.log(spec.name))
        await child.start()
        async with asyncio.timeout(HEALTHY_SECONDS):
            while not (spec.healthy and await spec.healthy()):
                if child.code is not None and spec.name != "postgresql":
                    end = describe_end(child.code)
                    raise Problem(f"{spec.name} does not start ({end}); its log is {child.log}")
                await asyncio.sleep(POLL_SECONDS)

    async def stop(self, names: Iterable[str]) -> None:
        """Ends these processes, each after those that need it."""
        await stop_in_order(
            [self._children.pop(name) for name in list(names) if name in self._children]
        )

    async def _bring_up(self, specs: Iterable[Spec]) -> None:
        running = {*self._children, *LASTING}
        wanted = [spec for spec in specs if spec.name not in running]
        await start_in_order(wanted, self.start, running)

    def _prepare(self) -> Plan:
        picked = self._held.enter_context(claimed([*MOST.port_names, *EXTRA_PORTS]))
        secrets = credentials.load_or_make(self._data.credentials)
        chosen = database.external()
        cluster = None
        if chosen:
            self._administrator_url = chosen.migration_url
        else:
            cluster = database.own_cluster(self._data, secrets)
            cluster.prepare()
            chosen = database.of_cluster(cluster, picked["postgresql"])
            self._administrator_url = let_in_superuser(cluster)(chosen.migration_url)
        return Plan(
            data_dir=self._data,
            rest_port=picked["gateway"],
            grpc_port=picked["gateway grpc"],
            operators_port=picked["gateway operators"],
            operators_grpc_port=picked["gateway operators grpc"],
            ports=picked,
            credentials=secrets,
            database=chosen,
            cluster=cluster,
        )


def _moves(name: str, *, is_other: bool) -> bool:
    """Whether the process has to do with the database, or, for another one, with its operations."""
    kinds = ("payments", "worker", "gateway")
    return kind_of(name) in (*kinds, *(("simulator", "providers") if is_other else ()))


def forget(folder: Path) -> None:
    """Deletes the server's files of an earlier run."""
    data = DataDir.at(folder)
    data.forget()
    placement.forget_elsewhere(data.postgres)
