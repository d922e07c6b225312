"""`./caravel migrate`, `verify`, `explain`, `merchants`, `operators`: the commands that act on the
database itself, whether the mesh runs or not."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from deploy import ROOT
from deploy.local.mesh import credentials, database, postgres, processes, state
from deploy.local.mesh.database import Database
from deploy.local.mesh.ports import HOST
from deploy.local.mesh.state import DataDir
from deploy.local.process.terminal import Problem, say
from services.shared.certificates import files_in


def migrate(data_dir: DataDir) -> int:
    """Runs the migrations; returns what alembic returns. Raises Problem."""
    data_dir.make()
    if elsewhere := database.external():
        database.warn_of_superusers(elsewhere)
    with reachable(data_dir) as chosen:
        return subprocess.run(  # noqa: S603
            processes.migration_command(),
            cwd=ROOT,
            env=processes.migration_environment(chosen),
            check=False,
        ).returncode


def verify(data_dir: DataDir) -> int:
    """Recomputes the books, and compares them with the lists of providers while those run; returns
    0 where all holds. Raises Problem."""
    data_dir.make()
    with reachable(data_dir) as chosen:
        recomputed = subprocess.run(
            [sys.executable, "-P", "-m", "services.payments.verify"],
            cwd=ROOT,
            env=processes.environment({"DATABASE_URL": chosen.application_url}),
            check=False,
        ).returncode
    if _providers_target(data_dir):
        return recomputed or recover(data_dir, ["compare"])
    say("Not compared with the lists of providers, which do not run.")
    return recomputed


def explain(data_dir: DataDir, name: str) -> int:
    """Recomputes the price of a quote or a payment; returns 0 where no figure differs. Raises
    Problem."""
    data_dir.make()
    with reachable(data_dir) as chosen:
        return subprocess.run(  # noqa: S603
            [sys.executable, "-P", "-m", "services.payments.explain", name],
            cwd=ROOT,
            env=processes.environment({"DATABASE_URL": chosen.application_url}),
            check=False,
        ).returncode


def recover(data_dir: DataDir, words: Sequence[str]) -> int:
    """Runs a verb of services.payments.recover on the database; returns its code. Raises
    Problem."""
    data_dir.make()
    variables = {}
    if words[0] in ("start", "compare"):
        target = _providers_target(data_dir)
        if not target:
            raise Problem("providers is not running, which is asked; start the mesh first")
        identity = files_in(data_dir.certificates / "worker").variables
        variables = {**identity, "PROVIDERS_TARGET": target}
    with reachable(data_dir) as chosen:
        return subprocess.run(  # noqa: S603
            [sys.executable, "-P", "-m", "services.payments.recover", *words],
            cwd=ROOT,
            env=processes.environment({**variables, "DATABASE_URL": chosen.application_url}),
            check=False,
        ).returncode


def _providers_target(data_dir: DataDir) -> str:
    """The address of providers; empty where it does not run."""
    now = state.running(data_dir)
    if now is None or "providers" not in {one.name for one in now.processes}:
        return ""
    return f"{HOST}:{now.process('providers').port}"


def administer(data_dir: DataDir, words: Sequence[str]) -> int:
    """Runs a command of services.payments.admin on the database; returns its code. Raises
    Problem."""
    if {"-h", "--help"} & {*words}:
        return _admin(words, {})
    data_dir.make()
    with reachable(data_dir) as chosen:
        return _admin(words, {"DATABASE_URL": chosen.application_url})


def _admin(words: Sequence[str], variables: Mapping[str, str]) -> int:
    return subprocess.run(  # noqa: S603
        [sys.executable, "-P", "-m", "services.payments.admin", *words],
        cwd=ROOT,
        env=processes.environment(variables),
        check=False,
    ).returncode


@contextmanager
def reachable(data_dir: DataDir) -> Iterator[Database]:
    """The database, with its server running for the length of the block. Raises Problem."""
    elsewhere = database.external()
    if elsewhere:
        database.refuse_unusable(elsewhere)
        yield elsewhere
        return
    secrets = credentials.load_or_make(data_dir.credentials)
    cluster = database.own_cluster(data_dir, secrets)
    now = state.running(data_dir)
    if now:
        yield _of(now, cluster)
        return
    with state.locked(data_dir):
        cluster.prepare()
        with postgres.running(cluster, data_dir.log("postgresql")) as server:
            yield Database(migration_url=server.owner_url, application_url=server.application_url)


def _of(now: state.MeshState, cluster: postgres.Cluster) -> Database:
    try:
        port = now.process("postgresql").port
    except KeyError:
        port = None
    if port is None:
        raise Problem("the mesh is still starting, or runs on a database of your own")
    return database.of_cluster(cluster, port)
