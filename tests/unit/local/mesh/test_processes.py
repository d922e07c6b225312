"""The table of processes: their order, and the settings of each."""

from pathlib import Path

import pytest

from deploy.local.mesh import processes
from deploy.local.mesh.credentials import load_or_make
from deploy.local.mesh.database import Database
from deploy.local.mesh.placement import Placement
from deploy.local.mesh.postgres import Cluster
from deploy.local.mesh.processes import Plan
from deploy.local.mesh.state import DataDir
from deploy.local.process.child import Spec
from services.providers.simulator.catalogue import APIS

DATABASE = Database(
    migration_url="postgresql://owner@db/caravel", application_url="postgresql://db"
)


def _plan(folder: Path, *, embedded: bool = True) -> Plan:
    data_dir = DataDir.at(folder)
    credentials = load_or_make(data_dir.credentials)
    placement = Placement(home=data_dir.postgres, binaries=folder / "bin")
    return Plan(
        data_dir=data_dir,
        rest_port=8080,
        grpc_port=9090,
        operators_port=8081,
        operators_grpc_port=9091,
        ports={name: 20_000 + at for at, name in enumerate(processes.PORT_NAMES)},
        credentials=credentials,
        database=DATABASE,
        cluster=Cluster(placement, credentials) if embedded else None,
    )


def _processes(folder: Path, *, embedded: bool = True) -> dict[str, Spec]:
    return {spec.name: spec for spec in processes.processes(_plan(folder, embedded=embedded))}


@pytest.mark.parametrize("embedded", [True, False])
def test_everybody_waits_only_for_those_shown_before(tmp_path: Path, embedded: bool) -> None:
    shown: set[str] = set()
    for name, spec in _processes(tmp_path, embedded=embedded).items():
        assert set(spec.after) <= shown
        shown.add(name)


def test_database_of_somebody_else_is_not_run(tmp_path: Path) -> None:
    assert "postgresql" not in _processes(tmp_path, embedded=False)


def test_database_outlives_those_who_use_it(tmp_path: Path) -> None:
    processes = _processes(tmp_path)

    assert all("postgresql" in processes[name].after for name in ("payments", "worker"))


def test_only_migrations_know_the_owner(tmp_path: Path) -> None:
    knowing = [
        name
        for name, spec in _processes(tmp_path).items()
        if DATABASE.migration_url in spec.environment.values()
    ]

    assert knowing == ["migrations"]


def test_all_of_it_is_a_sandbox_that_reaches_only_the_simulator(tmp_path: Path) -> None:
    plan = _plan(tmp_path)
    providers = _processes(tmp_path)["providers"].environment

    assert providers["DEPLOYMENT"] == "sandbox"
    assert providers["SIMULATOR_URL"] == plan.urls["simulator"]
    # A provider without an address of its own is there.
    assert {providers[f"{name.upper()}_BASE_URL"] for name in APIS} == {""}


@pytest.mark.parametrize("provider", list(APIS))
def test_each_provider_and_its_stand_in_share_their_secrets(tmp_path: Path, provider: str) -> None:
    processes = _processes(tmp_path)
    adapters, simulator = (processes[name].environment for name in ("providers", "simulator"))
    key = f"{provider.upper()}_API_KEY"
    secret = f"{provider.upper()}_WEBHOOK_SECRET"

    assert adapters[key] == simulator[key]
    assert adapters[f"{secret}S"] == simulator.get(secret, simulator[key])


def test_persons_own_variables_do_not_replace_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_API_KEY", "sk_live_of_a_person")
    monkeypatch.setenv("STRIPE_API_KEY_FILE", "/run/secrets/stripe")
    monkeypatch.setenv("STRIPE_BASE_URL", "https://api.stripe.com")
    monkeypatch.setenv("DATABASE_URL", "postgresql://production")
    monkeypatch.setenv("LOG_LEVEL", "debug")

    providers = _processes(tmp_path)["providers"].environment

    assert providers["STRIPE_API_KEY"].startswith("sk_test_")
    assert not providers["STRIPE_BASE_URL"]
    assert providers["LOG_LEVEL"] == "debug"
    assert not {"STRIPE_API_KEY_FILE", "DATABASE_URL"} & providers.keys()


def test_nobody_inside_the_mesh_is_behind_a_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "intranet")

    assert _processes(tmp_path)["providers"].environment["no_proxy"] == (
        "intranet,127.0.0.1,localhost"
    )


@pytest.mark.parametrize("name", ["payments", "worker"])
def test_no_port_of_the_mesh_is_a_merchants_endpoint(tmp_path: Path, name: str) -> None:
    processes = _processes(tmp_path)
    own = {int(port) for port in processes[name].environment["OWN_PORTS"].split(",")}

    listening = {spec.port for spec in processes.values()}
    listening |= {spec.metrics_port for spec in processes.values()}
    assert listening - {None} <= own
    # REST, gRPC, and the database that is somebody else's.
    assert {8080, 9090, 5432} <= own
