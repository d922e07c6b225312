"""The processes of the mesh, each with its command, its environment, and the processes for which
it waits. The one place to look when a process needs a variable more."""

import base64
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from deploy import CORRIDORS, POLICY, ROOT, authority
from deploy.local.mesh import postgres, supervisor
from deploy.local.mesh.credentials import Credentials
from deploy.local.mesh.database import Database
from deploy.local.mesh.ports import HOST
from deploy.local.mesh.postgres import Cluster
from deploy.local.mesh.state import DataDir
from deploy.local.process.child import Spec, private
from deploy.local.process.terminal import Problem
from deploy.version import commit
from gateway import config as gateway
from services.shared.certificates import files_in
from services.shared.db_address import servers_of
from services.shared.deployment import Deployment

# With a gRPC port and a page of metrics each.
SERVICES = ("fees", "fx", "providers", "payments", "worker", "console")
PORT_NAMES = (
    *SERVICES,
    *(f"{name} metrics" for name in SERVICES),
    *("simulator", "postgresql", "gateway metrics", "console pages"),
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that is decided before anything starts."""

    data_dir: DataDir
    rest_port: int
    grpc_port: int
    operators_port: int
    operators_grpc_port: int
    # One for each of PORT_NAMES.
    ports: Mapping[str, int]
    credentials: Credentials
    database: Database
    # The server to run; None where the database is somebody else's.
    cluster: Cluster | None
    deployment: Deployment = Deployment.SANDBOX

    @property
    def urls(self) -> dict[str, str]:
        """Where the mesh is reached from outside."""
        rest = f"http://{HOST}:{self.rest_port}"
        return {
            "rest": rest,
            "docs": f"{rest}/docs",
            "grpc": f"{HOST}:{self.grpc_port}",
            "operators": f"http://{HOST}:{self.operators_port}",
            "operators_grpc": f"{HOST}:{self.operators_grpc_port}",
            "simulator": f"http://{HOST}:{self.ports['simulator']}",
        }

    @property
    def own_ports(self) -> frozenset[int]:
        """Every port that the mesh or its database listens on: none is a merchant's endpoint."""
        addresses = (self.database.application_url, self.database.migration_url)
        databases = {port for address in addresses for _, port in servers_of(address)}
        return frozenset({*self.ports.values(), *self.gateway_ports, *databases})

    @property
    def gateway_ports(self) -> tuple[int, ...]:
        """The ports on which the gateway is reached from outside."""
        operators = (self.operators_port, self.operators_grpc_port)
        return (self.rest_port, self.grpc_port, *operators)

    def target(self, name: str) -> str:
        """host:port of a process inside the mesh."""
        return f"{HOST}:{self.ports[name]}"


def processes(plan: Plan) -> Iterator[Spec]:
    """Every process of the mesh, in the order in which they are shown."""
    authority.renew(plan.data_dir.certificates)
    if plan.cluster:
        yield _postgresql(plan.cluster, plan.ports["postgresql"])
    yield _migrations(plan)
    corridors = {"CORRIDORS_DIR": str(CORRIDORS)}
    yield _service(plan, "fees", corridors)
    yield _service(plan, "fx", corridors)
    yield _simulator(plan)
    yield _service(plan, "providers", corridors | _provider_access(plan), after=("simulator",))
    database = {
        "DATABASE_URL": plan.database.application_url,
        "FEES_TARGET": plan.target("fees"),
        "FX_TARGET": plan.target("fx"),
        "PROVIDERS_TARGET": plan.target("providers"),
        "OWN_PORTS": ",".join(map(str, sorted(plan.own_ports))),
    }
    # The server is named although the migrations imply it: it has to stop after these two.
    first = (*(("postgresql",) if plan.cluster else ()), "migrations", "fees", "fx", "providers")
    own = {"POLICY_FILE": str(POLICY), **_tokens(plan)}
    if plan.cluster:
        own["DATABASE_FOLDER"] = str(plan.cluster.placement.home)
    yield _service(plan, "payments", corridors | database | own, after=first)
    worker = corridors | database
    yield _service(plan, "worker", worker, after=first, module="services.payments.worker")
    yield _service(plan, "console", _console(plan), module="gateway.console")
    yield _gateway(plan)


def _postgresql(cluster: Cluster, port: int) -> Spec:
    async def ready() -> bool:
        # The file of a server that was killed still says that it is ready.
        return cluster.is_ready(port) and await supervisor.accepts(port)

    return Spec(
        name="postgresql",
        command=cluster.command(port),
        environment=postgres.ENVIRONMENT,
        healthy=ready,
        port=port,
        stop_signal=postgres.STOP_SIGNAL,
        orphan_signal=postgres.STOP_SIGNAL,
        run_as=cluster.placement.run_as,
        working_directory=Path("/"),
        start_again_on=postgres.STILL_LISTED,
    )


def migration_command() -> tuple[str, ...]:
    """The command that brings a database to the newest schema."""
    return _python("alembic", "-c", str(ROOT / "alembic.ini"), "upgrade", "head")


def migration_environment(database: Database) -> dict[str, str]:
    """The variables that the migrations read."""
    return environment({"MIGRATION_DATABASE_URL": database.migration_url})


def _migrations(plan: Plan) -> Spec:
    return Spec(
        name="migrations",
        command=migration_command(),
        environment=migration_environment(plan.database),
        healthy=None,
        after=("postgresql",) if plan.cluster else (),
    )


def _service(
    plan: Plan,
    name: str,
    variables: Mapping[str, str],
    *,
    after: tuple[str, ...] = (),
    module: str | None = None,
) -> Spec:
    port, metrics_port = plan.ports[name], plan.ports[f"{name} metrics"]
    certificates = plan.data_dir.certificates
    listening = {
        "DEPLOYMENT": plan.deployment.value,
        "HOST": HOST,
        "PORT": str(port),
        "METRICS_PORT": str(metrics_port),
    }
    return Spec(
        name=name,
        command=_python(module or f"services.{name}"),
        environment=environment(
            {**listening, **files_in(certificates / name).variables, **variables}
        ),
        healthy=partial(supervisor.grpc_serving, port, name, certificates),
        after=after,
        port=port,
        metrics_port=metrics_port,
    )


def _tokens(plan: Plan) -> dict[str, str]:
    # `cryptography` is a part of a second to import, which `status` and `logs` do without.
    from services.payments.merchants.tokens.key_file import ensure_key_file  # noqa: PLC0415

    ensure_key_file(plan.data_dir.signing_keys)
    return {
        "TOKEN_ISSUER": plan.urls["rest"],
        "TOKEN_SIGNING_KEYS_FILE": str(plan.data_dir.signing_keys),
    }


def _console(plan: Plan) -> dict[str, str]:
    return {
        "HTTP_PORT": str(plan.ports["console pages"]),
        "PAYMENTS_TARGET": plan.target("payments"),
        "CONSOLE_URL": plan.urls["operators"],
        "SESSION_KEYS_FILE": str(_session_keys(plan.data_dir.session_keys)),
    }


def _session_keys(path: Path) -> Path:
    """The file of the key that seals operators' sessions, which is made where it is missing."""
    if not path.exists():
        with open(path, "w", opener=private) as file:
            file.write(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    return path


def _provider_access(plan: Plan) -> dict[str, str]:
    stand_ins = plan.credentials.stand_ins
    variables = {"SIMULATOR_URL": plan.urls["simulator"]}
    for name, key in stand_ins.items():
        provider = name.removesuffix("_api_key")
        if provider != name:
            # Without a secret of its own for events, a provider signs them with the key.
            signing = stand_ins.get(f"{provider}_webhook_secret", key)
            variables[name.upper()] = key
            # At the simulator, whatever a person's own variable says.
            variables[f"{provider.upper()}_BASE_URL"] = ""
            variables[f"{provider.upper()}_WEBHOOK_SECRETS"] = signing
    return variables if plan.deployment is Deployment.SANDBOX else variables | _account()


def _account() -> dict[str, str]:
    """The settings of the simulator's account, which outside a sandbox have no default."""
    # The adapters are a second of work to import, which a sandbox does not need.
    from services.providers.adapters import ADAPTERS  # noqa: PLC0415
    from services.providers.adapters.kit.settings import OfTheAccount  # noqa: PLC0415

    return {
        name.upper(): str(field.default)
        for adapter in ADAPTERS.values()
        for name, field in adapter.settings.model_fields.items()
        if any(isinstance(mark, OfTheAccount) for mark in field.metadata)
    }


def _simulator(plan: Plan) -> Spec:
    port = plan.ports["simulator"]
    variables = {
        "DEPLOYMENT": plan.deployment.value,
        "HOST": HOST,
        "PORT": str(port),
        "BOOK_FILE": str(plan.data_dir.simulator_book),
        "GATEWAY_URL": plan.urls["rest"],
        **{name.upper(): secret for name, secret in plan.credentials.stand_ins.items()},
    }
    return Spec(
        name="simulator",
        command=_python("services.providers.simulator"),
        environment=environment(variables),
        healthy=partial(supervisor.http_ok, port),
        port=port,
    )


def _gateway(plan: Plan) -> Spec:
    metrics_port = plan.ports["gateway metrics"]
    config = gateway.GatewayConfig(
        files=plan.data_dir.gateway,
        host=HOST,
        rest_port=plan.rest_port,
        grpc_port=plan.grpc_port,
        operators_port=plan.operators_port,
        operators_grpc_port=plan.operators_grpc_port,
        metrics_port=metrics_port,
        payments_host=HOST,
        payments_ports=(plan.ports["payments"],),
        console_host=HOST,
        console_port=plan.ports["console pages"],
        identity=plan.data_dir.certificates / "gateway",
        collector=os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        traces_ratio=float(os.environ.get("OTEL_TRACES_SAMPLER_ARG") or 1),
    )
    arguments = gateway.arguments(gateway.write(config, plan.data_dir.gateway))
    return Spec(
        name="gateway",
        command=(str(gateway.START), str(envoy_binary()), *arguments),
        environment=environment({"TZ": "UTC"}),
        healthy=partial(supervisor.http_ok, plan.rest_port),
        after=("payments", "worker", "console"),
        port=plan.rest_port,
        metrics_port=metrics_port,
        # Its admin socket is made where it stands.
        working_directory=plan.data_dir.gateway,
    )


def envoy_binary() -> Path:
    """Envoy itself; the command in .venv would only start Python to start it. Raises Problem."""
    spec = find_spec("envoy")
    locations = list(spec.submodule_search_locations or ()) if spec else []
    binary = Path(locations[0] if locations else "") / "_bin" / "envoy"
    if not binary.is_file():
        raise Problem("Envoy is not in .venv; delete .venv and run again")
    return binary


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Our own environment, with a process's variables in place of whatever it said about them.

    The rest of our environment lets a person tune a service (LOG_LEVEL=debug ./caravel up).
    """
    ours = {
        "DEPLOYMENT": Deployment.SANDBOX.value,
        **variables,
        "PYTHONUNBUFFERED": "1",
        "BUILD_COMMIT": commit(),
    }
    hidden = {f"{name}_FILE" for name in ours} | set(_DATABASE_VARIABLES)
    inherited = {name: value for name, value in os.environ.items() if name not in hidden}
    # Nothing in the mesh may be looked for behind a proxy.
    for name in ("no_proxy", "NO_PROXY"):
        inherited[name] = ",".join(filter(None, (inherited.get(name), HOST, "localhost")))
    return inherited | ours


_DATABASE_VARIABLES = (
    "DATABASE_URL",
    "DATABASE_URL_FILE",
    "MIGRATION_DATABASE_URL",
    "MIGRATION_DATABASE_URL_FILE",
)


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    # -P: what lies in the working directory is no part of the program.
    return (sys.executable, "-P", "-m", module, *arguments)
