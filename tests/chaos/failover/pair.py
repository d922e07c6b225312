"""Two PostgreSQL servers of the embedded kind: a primary, and its synchronous standby, which takes
over. They are led by hand as a cluster manager leads them: the old primary is fenced, the standby
promoted, and the next loss waits for the next synchronous standby."""

import asyncio
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg

from deploy.local.mesh import postgres
from deploy.local.mesh.database import Database
from deploy.local.mesh.ports import HOST
from deploy.local.mesh.postgres import APPLICATION, DATABASE, OWNER, SUPERUSER, Cluster
from tests.chaos.members import children_of, send

ANSWER_SECONDS = 5.0
LOOK_SECONDS = 0.05
SYNCHRONOUS_SECONDS = 60.0
STANDBY = "caravel_standby"
REPLICATES = f"host replication {SUPERUSER} {HOST}/32 scram-sha-256\n"


@dataclass(kw_only=True)
class Server:
    """One of the two."""

    cluster: Cluster
    port: int
    log: Path
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Starts it; returns when it takes connections."""
        self.process = postgres.start(self.cluster, self.port, self.log)

    def signal(self, number: int) -> None:
        """Sends a signal to all of its processes."""
        for pid in self._pids():
            send(pid, number)

    def fence(self) -> None:
        """Ends it as a loss of power would; afterwards it can take no write."""
        if self.process is None:
            return
        pids = tuple(self._pids())
        for pid in pids:
            send(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None
        # It still says that the server is ready.
        (self.cluster.placement.cluster / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """Ends it in good order."""
        if self.process is None:
            return
        self.signal(signal.SIGCONT)
        self.process.send_signal(postgres.STOP_SIGNAL)
        self.process.wait()
        self.process = None

    def _pids(self) -> Iterator[int]:
        if self.process is not None:
            yield self.process.pid
            yield from children_of(self.process.pid)


class Pair:
    """The two servers. `synchronous` is False for the mistake that loses acknowledged payments."""

    def __init__(
        self, cluster: Cluster, ports: tuple[int, int], logs: Path, *, synchronous: bool = True
    ) -> None:
        other = replace(cluster.placement, home=cluster.placement.home / "second", link=None)
        self.primary = Server(cluster=cluster, port=ports[0], log=logs / "postgresql-1.log")
        self.standby = Server(
            cluster=replace(cluster, placement=other), port=ports[1], log=logs / "postgresql-2.log"
        )
        self._ports = ports
        self.is_synchronous = synchronous
        self._password = ""

    @property
    def database(self) -> Database:
        """Both servers in one address, of which the one that takes writes is asked."""
        known = self.primary.cluster.credentials
        return Database(
            application_url=self._url(APPLICATION, known.application_password),
            migration_url=self._url(OWNER, known.owner_password),
        )

    async def start(self) -> None:
        """Makes the primary and starts both."""
        cluster = self.primary.cluster
        cluster.prepare()
        self._password = secrets.token_hex(24)
        cluster.as_superuser([f"ALTER ROLE {SUPERUSER} PASSWORD '{self._password}'"])
        access = cluster.placement.cluster / "pg_hba.conf"
        access.write_text(access.read_text() + REPLICATES)
        self.primary.start()
        await self.rejoin()

    def forget(self) -> None:
        """Deletes their files; for after the stop."""
        # The second one's are below the first one's.
        homes = [one.cluster.placement.home for one in (self.primary, self.standby)]
        shutil.rmtree(min(homes, key=lambda home: len(home.parts)), ignore_errors=True)

    def stop(self) -> None:
        """Ends both."""
        self.standby.stop()
        self.primary.stop()

    async def promote(self) -> None:
        """Makes the standby the primary. The old one is fenced before, or acknowledges nothing any
        more, because its commits wait for a standby."""
        self.primary, self.standby = self.standby, self.primary
        connection = await self._connect(self.primary)
        try:
            await connection.execute("SELECT pg_promote(wait => true)")
        finally:
            connection.terminate()

    async def rejoin(self) -> None:
        """Makes a standby of the server that is none; returns once it follows. Until it holds
        everything, commits do not wait for it."""
        await self._configure("")
        placement = self.standby.cluster.placement
        placement.make_home()
        placement.make_folder(placement.cluster)
        source = (
            f"host={HOST} port={self.primary.port} user={SUPERUSER} "
            f"password={self._password} application_name={STANDBY}"
        )
        await asyncio.to_thread(
            postgres.run_program,
            placement,
            "pg_basebackup",
            *("-D", str(placement.cluster), "-d", source),
            *("--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"),
        )
        await asyncio.to_thread(self.standby.start)
        if self.is_synchronous:
            await self._configure(STANDBY)
        await self._until("sync" if self.is_synchronous else "async")

    async def _configure(self, standby: str) -> None:
        connection = await self._connect(self.primary)
        try:
            await connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'")
            await connection.execute("SELECT pg_reload_conf()")
        finally:
            connection.terminate()

    async def _until(self, state: str) -> None:
        """Until the standby is in the state and has all commits before; the server notifies nobody
        of it."""
        connection = await self._connect(self.primary)
        try:
            written = await connection.fetchval("SELECT pg_current_wal_lsn()::text")
            async with asyncio.timeout(SYNCHRONOUS_SECONDS):
                while not await connection.fetchval(_HAS_ALL, state, written):  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_SECONDS)
        finally:
            connection.terminate()

    async def _connect(self, server: Server) -> asyncpg.Connection:
        return await asyncpg.connect(
            host=HOST,
            port=server.port,
            user=SUPERUSER,
            password=self._password,
            database="postgres",
            timeout=ANSWER_SECONDS,
        )

    def _url(self, role: str, password: str) -> str:
        servers = ",".join(f"{HOST}:{port}" for port in self._ports)
        return (
            f"postgresql://{role}:{password}@{servers}/{DATABASE}?target_session_attrs=read-write"
        )


_HAS_ALL = f"""
    SELECT sync_state = $1 AND flush_lsn >= $2::text::pg_lsn
      FROM pg_stat_replication WHERE application_name = '{STANDBY}'
"""


async def acknowledges(url: str, seconds: float) -> bool:
    """Whether a server takes a write and says so within this time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            connection = await asyncpg.connect(url, timeout=seconds)
            try:
                await connection.execute("SELECT pg_logical_emit_message(true, 'caravel', '')")
            finally:
                connection.terminate()
            return True
    return False
