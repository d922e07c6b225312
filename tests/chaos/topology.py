"""Which processes a chaos mesh has and which connections lead through a proxy: the mesh of
`./caravel up` with several payments and workers, and every address in a process's settings
replaced by that of a link. The processes themselves are declared in deploy.local.mesh.processes."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import asyncpg

from deploy.local.mesh import processes, supervisor
from deploy.local.mesh.ports import HOST
from deploy.local.mesh.processes import Plan
from deploy.local.process.child import Spec
from gateway import config as gateway
from services.shared.certificates import files_in
from tests.chaos.proxy import Identities, Link
from tests.chaos.wires import Http1, Http2, Postgres, Wire

# Run in numbers; each process carries its number behind its kind.
REPLICATED = ("payments", "worker")
# The connections between processes, with their protocols.
CALLS: dict[tuple[str, str], Callable[[], Wire]] = {
    ("gateway", "payments"): Http2,
    ("payments", "postgresql"): Postgres,
    ("payments", "fees"): Http2,
    ("payments", "fx"): Http2,
    ("payments", "providers"): Http2,
    ("worker", "postgresql"): Postgres,
    ("worker", "fees"): Http2,
    ("worker", "fx"): Http2,
    ("worker", "providers"): Http2,
    ("providers", "simulator"): Http1,
    ("simulator", "gateway"): Http1,
}
ANSWER_SECONDS = 2.0


def kind_of(name: str) -> str:
    """The role of a process: "worker" for "worker-2"."""
    return name.partition("-")[0]


@dataclass(frozen=True, kw_only=True)
class Topology:
    """How many there are of each, and whether there are proxies between them."""

    payments: int = 2
    workers: int = 2
    proxied: bool = True

    def names(self, kind: str) -> list[str]:
        """The processes of one kind."""
        # Nobody looks at the pages meanwhile.
        counts = {"payments": self.payments, "worker": self.workers, "console": 0}
        if kind not in counts:
            return [kind]
        return [f"{kind}-{number}" for number in range(1, counts[kind] + 1)]

    @property
    def processes(self) -> list[str]:
        """Every process by name, those first that others need."""
        kinds = ("postgresql", "fees", "fx", "simulator", "providers", *REPLICATED, "gateway")
        return [name for kind in kinds for name in self.names(kind)]

    @property
    def calls(self) -> list[tuple[str, str]]:
        """Every connection between two processes."""
        return [
            (caller, called)
            for one, other in CALLS
            for caller in self.names(one)
            for called in self.names(other)
        ]

    @property
    def links(self) -> list[str]:
        """The names of the proxies."""
        return [link_name(*call) for call in self.calls] if self.proxied else []

    @property
    def port_names(self) -> list[str]:
        """All that a port is needed for."""
        own = [name for name in self.processes if kind_of(name) in REPLICATED]
        numbered = [port for name in own for port in (name, f"{name} metrics")]
        gateways = ("", " grpc", " operators", " operators grpc")
        listeners = [f"gateway{one}" for one in gateways]
        return [*processes.PORT_NAMES, *listeners, *numbered, *self.links]

    def make_links(
        self, ports: Mapping[str, int], rng: random.Random, certificates: Path
    ) -> dict[str, Link]:
        """The proxies, not listening yet. certificates is the folder of all."""
        return {
            name: Link(
                name,
                port=ports[name],
                target_port=ports[called],
                wire=CALLS[kind_of(caller), kind_of(called)],
                rng=rng,
                identities=_identities(caller, called, certificates),
            )
            for caller, called in self.calls
            if (name := link_name(caller, called)) in self.links
        }

    def specs(
        self,
        plan: Plan,
        settings: Mapping[str, Mapping[str, str]],
        corridors_dir: Path | None,
    ) -> Iterator[Spec]:
        """Every process as it is to be started; the migrations are the one that ends by itself."""
        for spec in processes.processes(plan):
            for name in self.names(spec.name):
                environment = self._rerouted(plan, name, spec.environment)
                if corridors_dir and "CORRIDORS_DIR" in environment:
                    environment["CORRIDORS_DIR"] = str(corridors_dir)
                numbered = self._numbered(plan, name, spec)
                yield replace(
                    numbered,
                    environment={
                        **environment,
                        **_listening(numbered, spec),
                        **settings.get(spec.name, {}),
                    },
                )
        self._write_gateway(plan)

    def _rerouted(self, plan: Plan, name: str, environment: Mapping[str, str]) -> dict[str, str]:
        """The environment with every address of somebody behind a link replaced by the link's."""
        changed = dict(environment)
        for caller, called in self.calls:
            if caller != name or (link := link_name(caller, called)) not in self.links:
                continue
            here, there = f"{HOST}:{plan.ports[called]}", f"{HOST}:{plan.ports[link]}"
            changed = {key: value.replace(here, there) for key, value in changed.items()}
        return changed

    def _numbered(self, plan: Plan, name: str, spec: Spec) -> Spec:
        """The process under its own name and, where there are several, on ports of its own."""
        after = tuple(other for kind in spec.after for other in self.names(kind))
        if name == "postgresql":
            healthy = partial(_answers, plan.database.migration_url)
            return replace(spec, healthy=healthy, after=after)
        if kind_of(name) not in REPLICATED:
            return replace(spec, after=after)
        port = plan.ports[name]
        return replace(
            spec,
            name=name,
            after=after,
            port=port,
            metrics_port=plan.ports[f"{name} metrics"],
            healthy=partial(
                supervisor.grpc_serving, port, kind_of(name), plan.data_dir.certificates
            ),
        )

    def _write_gateway(self, plan: Plan) -> None:
        """Envoy's configuration once more, with every payments process behind it."""
        names = self.names("payments")
        if self.proxied:
            names = [link_name("gateway", name) for name in names]
        config = gateway.GatewayConfig(
            files=plan.data_dir.gateway,
            rest_port=plan.rest_port,
            grpc_port=plan.grpc_port,
            operators_port=plan.operators_port,
            operators_grpc_port=plan.operators_grpc_port,
            metrics_port=plan.ports["gateway metrics"],
            payments_ports=tuple(plan.ports[name] for name in names),
            identity=plan.data_dir.certificates / "gateway",
        )
        gateway.write(config, plan.data_dir.gateway)


def _identities(caller: str, called: str, certificates: Path) -> Identities | None:
    """The two ends of a link that carries gRPC, so that it can read what is said."""
    kinds = (kind_of(caller), kind_of(called))
    if CALLS[kinds] is not Http2:
        return None
    return Identities(*(files_in(certificates / kind) for kind in kinds))


def link_name(caller: str, called: str) -> str:
    """The proxy between two processes."""
    return f"{caller}>{called}"


def _listening(numbered: Spec, original: Spec) -> dict[str, str]:
    if numbered.name == original.name:
        return {}
    return {"PORT": str(numbered.port), "METRICS_PORT": str(numbered.metrics_port)}


async def _answers(url: str) -> bool:
    """Whether the database takes a connection; its own file says so also after it was killed."""
    try:
        connection = await asyncpg.connect(url, timeout=ANSWER_SECONDS)
        await connection.close(timeout=ANSWER_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True


def of_kinds(names: Iterable[str], *kinds: str) -> list[str]:
    """Those of the processes that are of one of these kinds."""
    return [name for name in names if kind_of(name) in kinds]
