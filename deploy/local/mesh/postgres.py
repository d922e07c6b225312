"""PostgreSQL 18 from the installed wheel, over TCP with passwords: one private cluster with the
database `caravel`, its owner, and the role that the services log in as. Durable in all things.
The superuser has no password, so that nobody logs in as it: the work that it has to do is done on
the bare files, in one session without a port, while no server runs on them."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy import ROOT
from deploy.local.mesh import ports
from deploy.local.mesh.credentials import Credentials
from deploy.local.mesh.placement import Placement, copy_binaries
from deploy.local.process.child import end_of, launched, private
from deploy.local.process.terminal import Problem

INSTANCE_FILE = "instance"
DATABASE = "caravel"
# The superuser makes roles and databases; the owner has the tables and migrates them; the
# application may do only what the migrations grant it.
SUPERUSER, OWNER, APPLICATION = "postgres", "caravel", "caravel_app"
# Copies the whole server for a backup and may do nothing else; it has the owner's password.
COPIER = "caravel_backup"
PLAIN_OWNER = ROOT / "deploy" / "postgres" / "plain-owner.sql"
# Lies among the server's files and says that the owner is no superuser: so it goes where they go.
PLAIN_OWNER_MARK = "caravel-plain-owner"
# Likewise, that the role for backups is there and let in.
COPIER_MARK = "caravel-backup-role"
# A restored database that is whole, before it has taken the place of the other.
RESTORED = "cluster.restored"
SETTINGS = {
    "listen_addresses": ports.HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    # Compiling costs more than it brings for statements as short as ours.
    "jit": "off",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The details of an error are the row that it is about: people's names and accounts.
    "log_error_verbosity": "terse",
}
ACCESS = f"host all all {ports.HOST}/32 scram-sha-256\n"
COPIER_ACCESS = f"host replication {COPIER} {ports.HOST}/32 scram-sha-256\n"
# Fast: ends sessions, writes a checkpoint, leaves nothing to recover.
STOP_SIGNAL = signal.SIGINT
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}
# The error while the process of an earlier run is still being removed.
STILL_LISTED = 'lock file "postmaster.pid" already exists'
START_SECONDS = 30.0
_FAILURE = re.compile(r"(?:ERROR|FATAL|PANIC):\s+(.+)")


@dataclass(frozen=True)
class Cluster:
    """One PostgreSQL data folder, and how to run a server on it."""

    placement: Placement
    credentials: Credentials

    def prepare(self) -> None:
        """Makes the cluster where there is none yet, and takes the tables of an older one away from
        its superuser. No server runs on it. Raises Problem, which says why it cannot."""
        home, cluster = self.placement.home, self.placement.cluster
        if not cluster.exists():
            if (home / RESTORED).exists():
                # A restore was interrupted after its last check.
                (home / RESTORED).rename(cluster)
            else:
                self.make_home()
                self.make(home / "cluster.new")
                # Renamed when all is in it: what was interrupted is never taken for a cluster.
                (home / "cluster.new").rename(cluster)
        self.check_ownership()
        # As often as they are interrupted they are done again: the mark is made when all is done.
        if not (cluster / PLAIN_OWNER_MARK).exists():
            self.as_superuser([PLAIN_OWNER.read_text()], database=DATABASE)
            self._mark(cluster, PLAIN_OWNER_MARK)
        if not (cluster / COPIER_MARK).exists():
            self._let_in_copier(cluster)
            self._mark(cluster, COPIER_MARK)

    def make_home(self) -> None:
        """Makes the folder around a new cluster, and the programs that run it."""
        self.placement.make_home()
        (self.placement.home / INSTANCE_FILE).write_text(self.credentials.instance)
        copy_binaries(self.placement)

    def as_superuser(self, statements: Iterable[str], database: str = "postgres") -> None:
        """Runs statements, of which each may be several, as the superuser. No server runs on the
        cluster. Raises Problem where one fails; outside a transaction the others have run."""
        run_statements(self.placement, self.placement.cluster, statements, database)

    def command(self, port: int) -> tuple[str, ...]:
        """The command that starts a server on this port."""
        settings = {"port": str(port), **SETTINGS}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        binary = self.placement.binaries / "postgres"
        return (str(binary), "-D", str(self.placement.cluster), *options)

    def is_ready(self, port: int) -> bool:
        """Whether a server that was started on this port takes connections."""
        try:
            lines = (self.placement.cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return lines[3:4] == [str(port)] and lines[7:8] != [] and lines[7].strip() == "ready"

    def owner_url(self, port: int) -> str:
        """Address of the database for migrations."""
        return _url(OWNER, self.credentials.owner_password, port)

    def application_url(self, port: int) -> str:
        """Address of the database for the services."""
        return _url(APPLICATION, self.credentials.application_password, port)

    def make(self, folder: Path) -> None:
        """Makes an empty cluster in a folder. Raises Problem."""
        self.placement.make_folder(folder)
        # Nobody can connect while it is being made, so trust is given to nobody.
        options = ["--auth=trust", "--encoding=UTF8", "--no-instructions", "--locale=C"]
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        run_program(self.placement, "initdb", "-D", str(folder), "-U", SUPERUSER, *options)
        (folder / "pg_hba.conf").write_text(ACCESS + COPIER_ACCESS)
        roles = (
            f"CREATE ROLE {name} LOGIN PASSWORD '{it}'" for name, it in self._passwords().items()
        )
        copies = f"ALTER ROLE {COPIER} REPLICATION"
        database = f"CREATE DATABASE {DATABASE} OWNER {OWNER}"
        run_statements(self.placement, folder, (*roles, copies, database))
        for mark in (PLAIN_OWNER_MARK, COPIER_MARK):
            self._mark(folder, mark)

    def give_passwords(self, folder: Path) -> None:
        """Gives the roles of a cluster in a folder, which may be another sandbox's, the passwords
        of this one. Raises Problem."""
        run_statements(
            self.placement,
            folder,
            [f"ALTER ROLE {name} PASSWORD '{it}'" for name, it in self._passwords().items()],
        )

    def _passwords(self) -> dict[str, str]:
        known = self.credentials
        return {
            OWNER: known.owner_password,
            APPLICATION: known.application_password,
            COPIER: known.owner_password,
        }

    def _let_in_copier(self, folder: Path) -> None:
        password = self._passwords()[COPIER]
        run_statements(
            self.placement,
            folder,
            (
                f"DROP ROLE IF EXISTS {COPIER}",
                f"CREATE ROLE {COPIER} LOGIN REPLICATION PASSWORD '{password}'",
            ),
        )
        access = folder / "pg_hba.conf"
        known = access.read_text()
        if COPIER_ACCESS not in known:
            access.write_text(known + COPIER_ACCESS)

    def _mark(self, folder: Path, name: str) -> None:
        with open(folder / name, "w", opener=private):
            pass
        if self.placement.run_as:
            os.chown(folder / name, self.placement.run_as.uid, self.placement.run_as.gid)

    def check_ownership(self) -> None:
        """Raises Problem where the cluster is another user's, or another sandbox's."""
        home, run_as = self.placement.home, self.placement.run_as
        owner = self.placement.cluster.stat().st_uid
        if owner != (run_as.uid if run_as else os.geteuid()):
            raise Problem(
                f"{home} holds a database that was made by another user (id {owner}); run as that "
                "user, or use a --data-dir of your own"
            )
        if (home / INSTANCE_FILE).read_text().strip() != self.credentials.instance:
            raise Problem(
                f"{home} holds the database of an earlier sandbox, whose passwords are gone; "
                "start over with --fresh, which deletes it"
            )


def _url(role: str, password: str, port: int) -> str:
    return f"postgresql://{role}:{password}@{ports.HOST}:{port}/{DATABASE}"


def run_statements(
    placement: Placement, folder: Path, statements: Iterable[str], database: str = "postgres"
) -> None:
    """Runs statements as the superuser on the cluster in a folder. Raises Problem if one fails."""
    # -j: a statement ends with an empty line. The server writes down errors, but never the
    # statements, which may hold passwords.
    options = ("--single", "-j", "-D", str(folder))
    settings = ("log_min_messages=error", "log_checkpoints=off", "log_min_error_statement=panic")
    words = [word for setting in settings for word in ("-c", setting)]
    run_program(
        placement, "postgres", *options, *words, database, stdin=";\n\n".join((*statements, ""))
    )


def run_program(placement: Placement, name: str, *arguments: str, stdin: str = "") -> None:
    """Runs one of PostgreSQL's programs. Raises Problem, which gives the program's reason."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        done = subprocess.run(  # noqa: S603
            [str(placement.binaries / name), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            # Its user may not be allowed to stand where we stand.
            cwd="/",
            env=ENVIRONMENT,
            **(placement.run_as.options() if placement.run_as else {}),
        )
        if STILL_LISTED not in done.stderr or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    # The single-user server ends with 0 whatever its statements met, and then says of each that
    # follows only that the transaction is over.
    failure = _FAILURE.search(done.stderr)
    if done.returncode != 0 or failure:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        reason = failure[1] if failure else lines[-1]
        raise Problem(f"PostgreSQL's {name} failed: {reason.strip().rstrip('.')}")


@dataclass(frozen=True)
class RunningCluster:
    """A server that answers, and its two addresses."""

    owner_url: str
    application_url: str


@contextmanager
def running(cluster: Cluster, log: Path) -> Iterator[RunningCluster]:
    """Runs a server on a prepared cluster for the length of a block. Raises Problem."""
    with running_on_free_port(cluster, log) as port:
        yield RunningCluster(cluster.owner_url(port), cluster.application_url(port))


@contextmanager
def running_on_free_port(cluster: Cluster, log: Path) -> Iterator[int]:
    """The same, by the port of the server."""
    with ports.claimed(["postgresql"]) as claimed:
        port = claimed["postgresql"]
        process = start(cluster, port, log)
        try:
            yield port
        finally:
            process.send_signal(STOP_SIGNAL)
            process.wait()


def start(cluster: Cluster, port: int, log: Path) -> "subprocess.Popen[bytes]":
    """Starts a server that whoever calls has to stop; returns when it takes connections. Raises
    Problem."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with open(log, "ab", opener=private) as output:
            process = subprocess.Popen(  # noqa: S603
                launched(
                    cluster.command(port),
                    orphan_signal=STOP_SIGNAL,
                    folder=Path("/"),
                    run_as=cluster.placement.run_as,
                ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=ENVIRONMENT,
                start_new_session=True,
            )
        while process.poll() is None:
            if cluster.is_ready(port):
                return process
            time.sleep(0.02)
        if STILL_LISTED not in end_of(log):
            break
        time.sleep(0.2)
    raise Problem(f"PostgreSQL does not start; its reasons are in {log}")
