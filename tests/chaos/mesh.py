"""A real mesh whose processes may die: every process of `./caravel up`, several payments and
workers, each started again when it has ended, on ports that stay the same, with a proxy on every
connection. Its promises are checked by its books, not here."""

import asyncio
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy import authority
from deploy.local.mesh import credentials, database
from deploy.local.mesh.credentials import Credentials
from deploy.local.mesh.database import Database
from deploy.local.mesh.ports import claimed
from deploy.local.mesh.postgres import Cluster
from deploy.local.mesh.processes import Plan
from deploy.local.mesh.state import DataDir
from deploy.local.mesh.supervisor import start_in_order, stop_in_order
from deploy.local.process.child import Child, Spec, describe_end
from deploy.local.process.terminal import Problem
from tests.chaos.backends import Backends
from tests.chaos.members import Death, Member
from tests.chaos.proxy import Link
from tests.chaos.topology import Topology
from tests.servers import let_in_superuser

HEALTHY_SECONDS = 120.0
POLL_SECONDS = 0.1


def unchanged(spec: Spec) -> Spec:
    """Starts a process as it is."""
    return spec


def at_once() -> float:
    """Starts a process again without a delay."""
    return 0.0


class ChaosMesh:
    """One mesh in a data folder of its own. Two may run side by side.

    launch rewrites what a process is started with; settings adds to the environment of all
    processes of a kind.
    """

    def __init__(
        self,
        *,
        data_dir: Path,
        payments: int = 2,
        workers: int = 2,
        launch: Callable[[Spec], Spec] = unchanged,
        settings: Mapping[str, Mapping[str, str]] | None = None,
        proxied: bool = True,
        corridors_dir: Path | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.topology = Topology(payments=payments, workers=workers, proxied=proxied)
        self.children: dict[str, Member] = {}
        self.links: dict[str, Link] = {}
        self.deaths: list[Death] = []
        # How long a process that has died stays dead, in seconds.
        self.restart_delay: Callable[[], float] = at_once
        self._data = DataDir.at(data_dir)
        self._launch = launch
        self._settings = settings or {}
        self._corridors_dir = corridors_dir
        self.rng = rng or random.Random(0)
        self._held = ExitStack()
        self._plan: Plan | None = None
        self._superuser_url = ""

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def plan(self) -> Plan:
        """Ports, passwords and folders. Raises RuntimeError before the start."""
        if self._plan is None:
            raise RuntimeError("the mesh was never started")
        return self._plan

    @property
    def data_dir(self) -> Path:
        """The mesh's folder."""
        return self._data.root

    @property
    def rest_url(self) -> str:
        """Envoy's REST listener."""
        return self.plan.urls["rest"]

    @property
    def grpc_target(self) -> str:
        """Envoy's gRPC listener."""
        return self.plan.urls["grpc"]

    @property
    def simulator_url(self) -> str:
        """The simulator itself, past every proxy."""
        return self.plan.urls["simulator"]

    @property
    def owner_url(self) -> str:
        """The database for its owner, past every proxy."""
        return self.plan.database.migration_url

    @property
    def application_url(self) -> str:
        """The database for the services, past every proxy."""
        return self.plan.database.application_url

    @property
    def backends(self) -> Backends:
        """PostgreSQL's own processes."""
        return Backends(self._superuser_url)

    async def start(self) -> None:
        """Makes what is missing and starts everything; returns when all of it is healthy."""
        self._data.make()
        self._plan = await self._prepare()
        certificates = self._data.certificates
        authority.renew(certificates)
        self.links = self.topology.make_links(self.plan.ports, self.rng, certificates)
        for link in self.links.values():
            await link.open()
        specs = self.topology.specs(self.plan, self._settings, self._corridors_dir)
        await start_in_order(map(self._launch, specs), self._bring_up)

    async def stop(self) -> None:
        """Ends everything, each after those that need it, and frees the ports."""
        for link in self.links.values():
            link.heal()
        await stop_in_order(self.children.values())
        for link in self.links.values():
            await link.close()
        self._held.close()

    def forget_database(self) -> None:
        """Deletes PostgreSQL's files, the one large thing in the folder; for after the stop."""
        if self._plan and self._plan.cluster:
            shutil.rmtree(self._plan.cluster.placement.home, ignore_errors=True)

    def alive(self, name: str) -> bool:
        """Whether the process runs, or is stopped with SIGSTOP."""
        return self.children[name].alive

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Ends a process, PostgreSQL with all that belongs to it; it is started again."""
        self.children[name].signal(number)

    def pause(self, name: str) -> None:
        """Stops a process in the middle of whatever it does."""
        self.children[name].signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Lets a stopped process go on as if nothing had been."""
        self.children[name].signal(signal.SIGCONT)

    def hold_down(self, name: str) -> None:
        """Kills a process and does not start it again."""
        self.children[name].hold_down()

    def let_up(self, name: str) -> None:
        """Starts a process again that was held down."""
        self.children[name].let_up()

    async def restart(self, name: str) -> None:
        """Kills a process and waits until another one does its work."""
        member = self.children[name]
        member.hold_down()
        await member.ended()
        member.let_up()
        await self.healthy(name)

    async def restart_all(self) -> None:
        """Kills everything at once, then starts everything."""
        members = self.children.values()
        for member in members:
            member.hold_down()
        await asyncio.gather(*(member.ended() for member in members))
        for member in members:
            member.let_up()
        await self.healthy()

    async def healthy(self, *names: str, seconds: float = HEALTHY_SECONDS) -> None:
        """Waits until these processes, or all of them, can be relied on. Raises Problem."""
        wanted = set(names or self.children)
        deadline = time.monotonic() + seconds
        while wanted:
            asked = sorted(wanted)
            answers = await asyncio.gather(*(self.children[name].healthy() for name in asked))
            wanted = {name for name, answer in zip(asked, answers, strict=True) if not answer}
            if wanted and time.monotonic() > deadline:
                raise Problem(
                    f"not healthy after {seconds:.0f} s: {', '.join(sorted(wanted))}; "
                    f"their logs are in {self._data.logs}"
                )
            if wanted:
                await asyncio.sleep(POLL_SECONDS)

    def heal_links(self) -> None:
        """Takes every toxic away."""
        for link in self.links.values():
            link.heal()

    def logs(self) -> list[Path]:
        """The output of the processes."""
        return sorted(self._data.logs.glob("*.log*"))

    def of_kinds(self, kinds: Iterable[str]) -> list[str]:
        """The names of the processes of these kinds."""
        return [name for name, member in self.children.items() if member.kind in set(kinds)]

    async def _bring_up(self, spec: Spec) -> None:
        if spec.healthy is None:
            once = Child(spec, self._data.log(spec.name))
            await once.start()
            if code := await once.wait():
                raise Problem(f"{spec.name}: {describe_end(code)}; its log is {once.log}")
            return
        member = self.children[spec.name] = Member(
            spec,
            self._data.log(spec.name),
            delay=self._delay,
            on_death=self.deaths.append,
        )
        member.begin()
        await self.healthy(spec.name)

    def _delay(self) -> float:
        # Asked at each death: whoever set it may set another one while we run.
        return float(self.restart_delay())

    async def _prepare(self) -> Plan:
        picked = self._held.enter_context(claimed(self.topology.port_names))
        secrets = credentials.load_or_make(self._data.credentials)
        cluster = database.own_cluster(self._data, secrets)
        cluster.prepare()
        chosen = database.of_cluster(cluster, picked["postgresql"])
        self._superuser_url = let_in_superuser(cluster)(chosen.migration_url)
        return self._plan_of(picked, secrets, chosen, cluster)

    def _plan_of(
        self,
        picked: Mapping[str, int],
        secrets: Credentials,
        chosen: Database,
        cluster: Cluster | None,
    ) -> Plan:
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
