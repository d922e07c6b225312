"""The processes of payments refuse to start, in one sentence: on a server that may forget what it
acknowledged, as the application's own sessions see it, with providers of the other kind, and on
times that do not fit together."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from caravel.providers.v1 import deployments_pb2, providers_pb2, providers_pb2_grpc
from google.protobuf.duration_pb2 import Duration

from services.shared.db import DURABILITY
from services.shared.grpc_server import GrpcServer
from tests.conftest import ROOT, Database
from tests.corridors import live_corridors
from tests.identities import identity_of, variables_of
from tests.polling import PATIENCE_SECONDS, until
from tests.servers import PrivateCluster, private_cluster

PROCESSES = ("services.payments", "services.payments.worker")
NOBODY = "127.0.0.1:1"


async def complaint(module: str, **variables: str) -> str:
    """The standard error of a process that refuses to start."""
    name = module.rsplit(".", 1)[1]
    targets = dict.fromkeys(("PROVIDERS_TARGET", "FEES_TARGET", "FX_TARGET"), NOBODY)
    path = os.pathsep.join([str(ROOT), str(ROOT / "protos" / "gen")])
    sandbox = {"CORRIDORS_DIR": str(ROOT / "deploy" / "corridors"), "DEPLOYMENT": "sandbox"}
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        env={"PYTHONPATH": path, **sandbox, **targets, **variables_of(name), **variables},
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            _, complaints = await started.communicate()
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()
    assert started.returncode == 1
    return complaints.decode()


@pytest.fixture(scope="module")
def other_cluster() -> Iterator[PrivateCluster]:
    """A server whose settings a test may spoil."""
    with private_cluster() as server:
        yield server


@asynccontextmanager
async def server_set(cluster: PrivateCluster, setting: str, value: str) -> AsyncIterator[None]:
    """The server with one setting of its own changed, as an administrator would."""
    administrator = await asyncpg.connect(cluster.superuser_url)

    async def shown() -> str:
        return str(await administrator.fetchval(f"SHOW {setting}"))

    before = await shown()
    for command, wanted in ((f"SET {setting} = {value}", value), (f"RESET {setting}", before)):
        await administrator.execute(f"ALTER SYSTEM {command}")
        await administrator.execute("SELECT pg_reload_conf()")
        await until(shown, wanted.__eq__)
        if wanted == value:
            yield
    await administrator.close()


@pytest.mark.parametrize("module", PROCESSES)
@pytest.mark.parametrize("setting", DURABILITY)
async def test_a_server_that_may_forget_is_refused_in_one_sentence(
    other_cluster: PrivateCluster, setting: str, module: str
) -> None:
    async with server_set(other_cluster, setting, "off"):
        said = await complaint(module, DATABASE_URL=other_cluster.application_url)

    name = module.rsplit(".", 1)[1]
    assert said == (
        f"{name} cannot start: PostgreSQL runs with {setting}=off: "
        "acknowledged payments could be lost\n"
    )


@pytest.mark.parametrize("module", PROCESSES)
async def test_a_role_that_may_forget_is_refused_on_a_server_that_may_not(
    database: Database, module: str
) -> None:
    administrator = await asyncpg.connect(database.superuser_url)
    name = await administrator.fetchval("SELECT current_database()")
    await administrator.execute(
        f"ALTER ROLE caravel_app IN DATABASE {name} SET synchronous_commit = off"
    )
    await administrator.close()

    assert "synchronous_commit=off" in await complaint(module, DATABASE_URL=database.url)


@pytest.mark.parametrize("module", PROCESSES)
async def test_an_owner_and_a_superuser_are_refused_where_it_is_live(
    database: Database, module: str, tmp_path: Path
) -> None:
    live = {"DEPLOYMENT": "live", "CORRIDORS_DIR": str(live_corridors(tmp_path))}
    live["TOKEN_ISSUER"] = "https://pay.example"
    for url in (database.owner_url, database.superuser_url):
        said = await complaint(module, DATABASE_URL=url, **live)

        assert said == (
            f"{module.rsplit('.', 1)[1]} cannot start: DATABASE_URL logs in as the database's "
            "owner or as a superuser, who can change the history of payments; give the address of "
            "caravel_app\n"
        )


async def test_a_live_database_is_not_migrated_on_a_way_that_others_may_read() -> None:
    address = "postgresql://caravel:secret@db.example/caravel?sslmode=require"
    environment = {"DEPLOYMENT": "live", "MIGRATION_DATABASE_URL": address}
    path = os.pathsep.join([str(ROOT), str(ROOT / "protos" / "gen")])
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alembic", "upgrade", "head"),
        env={"PYTHONPATH": path, **environment},
        cwd=ROOT,
        stderr=PIPE,
    )
    _, said = await started.communicate()

    assert started.returncode == 1
    assert said.decode() == (
        "MIGRATION_DATABASE_URL must have sslmode=verify-full and sslrootcert where the database "
        "is not on this machine\n"
    )


class _Providers(providers_pb2_grpc.ProviderServiceServicer):
    """Says only which deployment it is, and what its providers declare."""

    def __init__(
        self, *declared: providers_pb2.Capabilities, deployment: deployments_pb2.Deployment
    ) -> None:
        self._said = providers_pb2.ListProvidersResponse(deployment=deployment, providers=declared)

    async def ListProviders(self, request: Any, context: Any) -> Any:  # noqa: N802
        return self._said


@asynccontextmanager
async def running(providers: _Providers) -> AsyncIterator[str]:
    """The target of a providers service."""
    server = GrpcServer(identity=identity_of("providers"))
    server.add(
        providers_pb2_grpc.add_ProviderServiceServicer_to_server,
        providers,
        "caravel.providers.v1.ProviderService",
    )
    await server.start("127.0.0.1", 0)
    await server.set_serving()
    yield f"127.0.0.1:{server.port}"
    await server.stop(0)


@pytest.mark.parametrize(
    ("module", "ours", "theirs"),
    [
        (PROCESSES[0], "sandbox", deployments_pb2.STAGING),
        (PROCESSES[0], "sandbox", deployments_pb2.LIVE),
        (PROCESSES[0], "staging", deployments_pb2.LIVE),
        (PROCESSES[0], "live", deployments_pb2.STAGING),
        (PROCESSES[0], "live", deployments_pb2.SANDBOX),
        (PROCESSES[1], "sandbox", deployments_pb2.DEPLOYMENT_UNSPECIFIED),
        (PROCESSES[1], "staging", deployments_pb2.SANDBOX),
        (PROCESSES[1], "staging", deployments_pb2.LIVE),
        (PROCESSES[1], "live", deployments_pb2.STAGING),
        (PROCESSES[1], "live", deployments_pb2.SANDBOX),
    ],
)
async def test_providers_of_another_deployment_are_refused_in_one_sentence(
    database: Database,
    module: str,
    ours: str,
    theirs: deployments_pb2.Deployment,
    tmp_path: Path,
) -> None:
    async with running(_Providers(deployment=theirs)) as target:
        said = await complaint(
            module,
            DATABASE_URL=database.url,
            DEPLOYMENT=ours,
            CORRIDORS_DIR=str(live_corridors(tmp_path)),
            PROVIDERS_TARGET=target,
        )

    known = deployments_pb2.Deployment.Name(theirs).lower()
    assert said == (
        f"{module.rsplit('.', 1)[1]} cannot start: DEPLOYMENT is {ours} here and "
        f"{known.replace('deployment_unspecified', 'unknown')} at providers; give both the same\n"
    )


@pytest.mark.parametrize(
    ("variable", "value", "names"),
    [
        (
            "LEASE_SECONDS",
            "9",
            "LEASE_SHORTER_THAN_A_CALL LEASE_TOO_SHORT_TO_FOLLOW LEASE_SHORTER_THAN_A_DELIVERY",
        ),
        ("LEASE_SECONDS", "3600", "LEASE_LONGER_THAN_THE_LIST"),
        ("POLL_SECONDS", "90", "POLL_LONGER_THAN_A_STEP"),
        ("OVERDUE_SECONDS", "0.5", "FORGOTTEN_BEFORE_THE_POLL"),
    ],
)
async def test_a_worker_refuses_times_that_do_not_fit_together_by_name(
    variable: str, value: str, names: str
) -> None:
    said = await complaint(PROCESSES[1], DATABASE_URL="postgresql://nobody", **{variable: value})

    assert said.startswith("worker cannot start: the times do not fit together: ")
    assert said.count("\n") == 1 and re.findall("([A-Z_]{20,}): ", said) == names.split()


async def test_a_worker_refuses_providers_whose_times_do_not_fit(database: Database) -> None:
    hasty = providers_pb2.Capabilities(
        provider="hasty",
        look_up=providers_pb2.EVENTUAL,
        look_up_lag=Duration(seconds=60),
        unknown_hold_after=Duration(seconds=60),
        key_lifetime=Duration(seconds=3600),
    )
    async with running(_Providers(hasty, deployment=deployments_pb2.SANDBOX)) as target:
        said = await complaint(PROCESSES[1], DATABASE_URL=database.url, PROVIDERS_TARGET=target)

    assert said.startswith(
        "worker cannot start: the times do not fit together: HELD_BEFORE_ABSENCE: hasty is held"
    )


@pytest.mark.parametrize(
    ("module", "variable"),
    [
        ("services.payments", "TOKEN_SIGNING_KEYS"),
        ("services.payments", "DATABASE_URL"),
        ("services.payments.worker", "DATABASE_URL"),
    ],
)
async def test_a_secret_beside_its_file_is_refused_in_one_sentence(
    tmp_path: Path, module: str, variable: str
) -> None:
    file = tmp_path / "secret"
    file.write_text("postgresql://nobody@127.0.0.1:1/none")
    variables = {"DATABASE_URL": file.read_text(), variable: file.read_text()}

    said = await complaint(module, **{**variables, f"{variable}_FILE": str(file)})

    assert said == (
        f"{module.rsplit('.', 1)[1]} cannot start: the environment cannot be used: "
        f"{variable} and {variable}_FILE are both set; keep one\n"
    )


async def test_a_migration_refuses_its_address_beside_the_file_of_it(tmp_path: Path) -> None:
    file = tmp_path / "address"
    file.write_text("postgresql://nobody@127.0.0.1:1/none")
    variables = {"MIGRATION_DATABASE_URL": file.read_text()}
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alembic", "upgrade", "head"),
        cwd=ROOT,
        env={**os.environ, **variables, "MIGRATION_DATABASE_URL_FILE": str(file)},
        stderr=PIPE,
    )
    _, complaints = await started.communicate()

    assert started.returncode == 1
    assert complaints.decode().splitlines()[-1] == (
        "MIGRATION_DATABASE_URL and MIGRATION_DATABASE_URL_FILE are both set; keep one"
    )
