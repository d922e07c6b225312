"""The embedded PostgreSQL: durable, with a role that may do little, and repaired when its making
was interrupted. The database ring runs on the same class."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import pytest

from deploy.local.mesh import postgres
from deploy.local.mesh.credentials import load_or_make
from deploy.local.mesh.placement import place
from deploy.local.mesh.postgres import Cluster
from deploy.local.process.child import RunAs
from deploy.local.process.terminal import Problem
from tests.servers import PrivateCluster, private_cluster


@pytest.fixture(scope="module")
def server() -> Iterator[PrivateCluster]:
    with private_cluster() as server:
        yield server


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    # Not tmp_path: PostgreSQL's user could not pass through it.
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        credentials = load_or_make(folder / "credentials.json")
        yield Cluster(place(folder / "home", elsewhere=folder / "elsewhere"), credentials)


async def _ask(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
async def test_acknowledged_commit_is_durable(server: PrivateCluster, setting: str) -> None:
    assert await _ask(server.application_url, f"SHOW {setting}") == "on"


async def test_services_log_in_without_privileges(server: PrivateCluster) -> None:
    question = "SELECT rolsuper OR rolcreatedb OR rolcreaterole FROM pg_roles WHERE rolname = $$"
    role = postgres.APPLICATION

    assert await _ask(server.owner_url, f"{question}{role}$$") is False


async def test_wrong_password_is_refused(server: PrivateCluster) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await _ask(server.application_url.replace(":", ":x", 2).replace(":x//", "://"), "SELECT 1")


async def test_interrupted_making_is_done_again(cluster: Cluster, tmp_path: Path) -> None:
    (cluster.placement.home / "cluster.new").mkdir(parents=True)
    (cluster.placement.home / "cluster.new" / "PG_VERSION").write_text("18")

    cluster.prepare()

    with postgres.running(cluster, tmp_path / "log") as server:
        assert await _ask(server.application_url, "SELECT 1") == 1


async def test_data_outlive_the_server(cluster: Cluster, tmp_path: Path) -> None:
    cluster.prepare()
    with postgres.running(cluster, tmp_path / "log") as server:
        await _ask(server.owner_url, "CREATE TABLE kept AS SELECT 42 AS number")

    cluster.prepare()
    with postgres.running(cluster, tmp_path / "log") as server:
        assert await _ask(server.owner_url, "SELECT number FROM kept") == 42


def test_cluster_of_another_sandbox_is_not_touched(cluster: Cluster) -> None:
    cluster.prepare()
    stranger = replace(cluster, credentials=replace(cluster.credentials, instance="another"))

    with pytest.raises(Problem, match="--fresh"):
        stranger.prepare()


def test_cluster_of_another_user_is_not_touched(cluster: Cluster) -> None:
    cluster.prepare()
    stranger = replace(cluster, placement=replace(cluster.placement, run_as=RunAs(4242, 4242)))

    with pytest.raises(Problem, match="another user"):
        stranger.prepare()


def test_failed_making_is_a_sentence(cluster: Cluster) -> None:
    placement = replace(cluster.placement, binaries=cluster.placement.home)
    cluster.placement.home.mkdir()
    (cluster.placement.home / "initdb").write_text("#!/bin/sh\necho no room left. >&2; exit 1\n")
    (cluster.placement.home / "initdb").chmod(0o755)

    with pytest.raises(Problem, match=r"PostgreSQL's initdb failed: no room left$"):
        replace(cluster, placement=placement).prepare()
