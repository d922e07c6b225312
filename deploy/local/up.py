"""`./caravel up`: what has to be decided and made before anything runs. The run itself is in run,
and --detach is in detach."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from deploy.local import credentials, database, limits, mesh, placement, ports, state
from deploy.local.paths import DataDir
from deploy.local.problem import Problem, sentence
from deploy.local.run import run
from deploy.local.terminal import say


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of the command line."""

    data_dir: DataDir
    port: int
    grpc_port: int
    fresh: bool = False
    # We are the second process of --detach: nobody watches.
    in_background: bool = False


def up(options: Options) -> int:
    """Runs the mesh until a signal to stop, which is success. Raises Problem for all else."""
    started = time.monotonic()
    options.data_dir.make()
    with state.locked(options.data_dir):
        try:
            options.data_dir.state.unlink(missing_ok=True)
            limits.refuse_full_disk(options.data_dir.root)
            refuse_busy_ports(options)
            asked_for = (options.port, options.grpc_port)
            blocks = ports.blocks_of(options.port)
            with ports.claimed(mesh.PORT_NAMES, asked_for, blocks) as claimed:
                plan = prepare(options, claimed)
                asyncio.run(run(plan, started, watched=not options.in_background))
        except (Problem, OSError) as failure:
            remember(options.data_dir, sentence(failure))
            raise
        options.data_dir.state.unlink(missing_ok=True)
    return 0


def prepare(options: Options, claimed: Mapping[str, int]) -> mesh.Plan:
    """Decides passwords and database, and makes what is not there yet. Raises Problem."""
    data_dir = options.data_dir
    if options.fresh:
        forget(data_dir)
        data_dir.make()
    secrets = credentials.load_or_make(data_dir.credentials)
    elsewhere = database.external()
    if elsewhere:
        database.refuse_unusable(elsewhere)
        database.warn_of_superusers(elsewhere)
        cluster, chosen = None, elsewhere
    else:
        cluster = database.own_cluster(data_dir, secrets)
        chosen = database.of_cluster(cluster, claimed["postgresql"])
        home = cluster.placement.home
        if not home.is_relative_to(data_dir.root):
            say(f"  PostgreSQL cannot reach {data_dir.root}: its files are in {home}\n")
        cluster.prepare()
    return mesh.Plan(
        data_dir=data_dir,
        rest_port=options.port,
        grpc_port=options.grpc_port,
        ports=claimed,
        credentials=secrets,
        database=chosen,
        cluster=cluster,
    )


def refuse_busy_ports(options: Options) -> None:
    """Raises Problem where a port that was asked for cannot be had."""
    if options.port == options.grpc_port:
        raise Problem(f"REST and gRPC cannot share port {options.port}; change --grpc-port")
    for flag, port in (("--port", options.port), ("--grpc-port", options.grpc_port)):
        if not ports.is_free(port):
            raise Problem(f"port {port} is in use by another program; choose another with {flag}")


def forget(data_dir: DataDir) -> None:
    """Deletes the payments, the passwords and the logs of earlier runs."""
    data_dir.forget()
    placement.forget_elsewhere(data_dir.postgres)


def remember(data_dir: DataDir, problem: str) -> None:
    """Writes down why the mesh is not running, for `status`."""
    before = state.read(data_dir.state) or state.begin({})
    # The reason may be that nothing can be written.
    with suppress(OSError):
        state.write(data_dir.state, replace(before, processes=(), problem=problem))
