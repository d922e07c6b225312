"""Four ways in which a database becomes an older one: a dump, a base backup, a base backup with the
archived log up to a moment, and a snapshot of the volume. The first two are the product's own
commands; the other two are done by PostgreSQL's own means, as an operator of a server would."""

import shutil
import subprocess
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import asyncpg

from deploy.local.mesh import backup, postgres
from deploy.local.mesh.backup import Kind
from deploy.local.mesh.placement import Placement
from deploy.local.mesh.postgres import Cluster
from deploy.local.process.child import Spec
from tests.chaos.mesh import ChaosMesh
from tests.polling import until

POSTGRESQL = "postgresql"
# Below the folder of the cluster, where its user may write.
ARCHIVE, SNAPSHOT, STAGED = "archive", "snapshot", "recovering"
_ARCHIVED = "SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver"


class Way(StrEnum):
    """How the database is brought back."""

    DUMP = "dump"
    BASE = "base"
    POINT_IN_TIME = "point-in-time"
    SNAPSHOT = "snapshot"


def archiving(spec: Spec) -> Spec:
    """Starts PostgreSQL such that it archives its log beside the cluster."""
    if spec.name != POSTGRESQL:
        return spec
    archive = Path(spec.command[spec.command.index("-D") + 1]).parent / ARCHIVE
    copy = f"test ! -f {archive}/%f && cp %p {archive}/%f"
    settings = ("-c", "archive_mode=on", "-c", f"archive_command={copy}")
    return replace(spec, command=(*spec.command, *settings))


class Keeper:
    """Takes one backup of a mesh's database, and puts it back as often as it is asked to."""

    def __init__(self, mesh: ChaosMesh, way: Way) -> None:
        self._mesh = mesh
        self._way = way
        self._target: datetime | None = None

    @property
    def cluster(self) -> Cluster:
        """The mesh's own server."""
        cluster = self._mesh.plan.cluster
        if cluster is None:
            raise RuntimeError("the database is somebody else's")
        return cluster

    async def begin(self) -> None:
        """Does what must be done before the moment to which the database is brought back."""
        if self._way is Way.POINT_IN_TIME:
            placement = self.cluster.placement
            placement.make_folder(placement.home / ARCHIVE)
            self._take(Kind.BASE)

    async def take(self) -> None:
        """The moment to which the database is brought back."""
        if self._way is Way.POINT_IN_TIME:
            async with self._superuser() as connection:
                self._target = await connection.fetchval("SELECT clock_timestamp()")
        elif self._way is Way.SNAPSHOT:
            # As of a volume: the files of one instant, of a server that had no time to stop.
            async with self.server_down():
                _copy(self.cluster.placement.cluster, self.cluster.placement.home / SNAPSHOT)
        else:
            self._take(Kind(self._way.value))

    async def lose(self) -> None:
        """The last moment of the newer database. Its log is archived until here, as in a loss that
        leaves the archive whole."""
        if self._way is not Way.POINT_IN_TIME:
            return
        async with self._superuser() as connection:
            ended = await connection.fetchval("SELECT pg_walfile_name(pg_switch_wal())")

            async def archived() -> str:
                return str(await connection.fetchval(_ARCHIVED))

            await until(archived, lambda newest: newest >= ended)

    async def put_back(self) -> None:
        """Puts the older database in the place of the newer one. No server runs on it."""
        placement = self.cluster.placement
        if self._way is Way.SNAPSHOT:
            _copy(placement.home / SNAPSHOT, placement.cluster)
        elif self._way is Way.POINT_IN_TIME:
            await self._recover_to_target()
        elif replaced := backup.restore(self.cluster, self._file, self._log):
            shutil.rmtree(replaced)

    @asynccontextmanager
    async def server_down(self) -> AsyncIterator[None]:
        """Ends the server at once, and starts it again after the block."""
        member = self._mesh.children[POSTGRESQL]
        member.hold_down()
        await member.ended()
        (self.cluster.placement.cluster / "postmaster.pid").unlink(missing_ok=True)
        yield
        member.let_up()
        await self._mesh.healthy(POSTGRESQL)

    def _take(self, kind: Kind) -> None:
        backup.take(self.cluster, self._mesh.plan.ports[POSTGRESQL], kind, self._file)

    @property
    def _file(self) -> Path:
        return self._mesh.data_dir / "before"

    @property
    def _log(self) -> Path:
        return self._mesh.data_dir / "logs" / "restore.log"

    async def _recover_to_target(self) -> None:
        """The base backup, and on it the archived log up to the moment."""
        cluster = self.cluster
        home = cluster.placement.home
        staged = replace(
            cluster, placement=replace(cluster.placement, home=home / STAGED, link=None)
        )
        staged.placement.make_home()
        staged.placement.make_folder(staged.placement.cluster)
        with tarfile.open(self._file) as archive:
            archive.extractall(staged.placement.cluster, filter="data")
        settings = {
            "restore_command": f"cp {home / ARCHIVE}/%f %p",
            "recovery_target_time": f"{self._target}",
            "recovery_target_timeline": "current",
            "recovery_target_action": "promote",
        }
        with (staged.placement.cluster / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        (staged.placement.cluster / "recovery.signal").touch()
        _own(staged.placement, staged.placement.cluster)
        # It takes connections before it has come to the moment; stopped before its promotion has
        # ended, it would go on to the end of the log at its next start.
        with postgres.running_on_free_port(staged, self._log) as port:
            connection = await asyncpg.connect(cluster.owner_url(port))

            async def recovers() -> bool:
                return bool(await connection.fetchval("SELECT pg_is_in_recovery()"))

            await until(recovers, lambda still: not still)
            await connection.close()
        shutil.rmtree(cluster.placement.cluster)
        staged.placement.cluster.rename(cluster.placement.cluster)

    @asynccontextmanager
    async def _superuser(self) -> "AsyncIterator[asyncpg.Connection]":
        connection = await asyncpg.connect(self._mesh.backends.superuser_url)
        try:
            yield connection
        finally:
            await connection.close()


def _copy(source: Path, target: Path) -> None:
    """With owners and modes."""
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


def _own(placement: Placement, folder: Path) -> None:
    """Gives what we have unpacked to the user that runs the server."""
    for path in (folder, *folder.rglob("*")):
        if placement.run_as:
            shutil.chown(path, placement.run_as.uid, placement.run_as.gid)
        path.chmod(0o700 if path.is_dir() else 0o600)
