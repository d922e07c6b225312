"""Servers of the tests' own, whose superuser may log in: it does what an administrator does, and
what nothing in Caravel may. No sandbox has such a login."""

import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from deploy.local.mesh.credentials import load_or_make
from deploy.local.mesh.placement import place
from deploy.local.mesh.postgres import SUPERUSER, Cluster, RunningCluster, running

MEMORY, MEMORY_MIN_BYTES = Path("/dev/shm"), 4 * 1024**3


@dataclass(frozen=True)
class PrivateCluster(RunningCluster):
    """A server that answers, and its three addresses."""

    superuser_url: str


def let_in_superuser(cluster: Cluster) -> Callable[[str], str]:
    """Gives the superuser of a cluster that no server runs on a password, which is kept nowhere.

    Returns what makes its address from the owner's.
    """
    password = secrets.token_hex(24)
    cluster.as_superuser([f"ALTER ROLE {SUPERUSER} PASSWORD '{password}'"])

    def superuser_url(owner_url: str) -> str:
        url = make_url(owner_url).set(username=SUPERUSER, password=password)
        return url.render_as_string(hide_password=False)

    return superuser_url


def folder_in_memory() -> str | None:
    """A folder whose files are in memory, where there is one with room: a copy or a drop of a
    database waits several times for a disk."""
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_MIN_BYTES
    return str(MEMORY) if has_room else None


@contextmanager
def private_cluster() -> Iterator[PrivateCluster]:
    """A new, empty database on a server of its own, gone after the block.

    To be entered in the main thread: the server dies with the thread that started it.
    """
    with tempfile.TemporaryDirectory(prefix="caravel-postgres-", dir=folder_in_memory()) as name:
        folder = Path(name)
        # The user it runs as has to pass through.
        folder.chmod(0o711)
        placement = place(folder / "home", elsewhere=folder / "elsewhere")
        cluster = Cluster(placement, load_or_make(folder / "credentials.json"))
        cluster.prepare()
        superuser_url = let_in_superuser(cluster)
        with running(cluster, folder / "postgresql.log") as server:
            yield PrivateCluster(
                server.owner_url, server.application_url, superuser_url(server.owner_url)
            )
