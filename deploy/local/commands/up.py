"""`./caravel up`: decides and makes what is needed before anything runs; then one run of the mesh,
in the foreground and in the background alike: start, say where it is, show its logs, stop. A signal
ends it well, a process that does not start ends it with a Problem, and one that dies later is
started again. --detach is in control."""

import asyncio
import signal
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from deploy import authority
from deploy.local.mesh import credentials, database, placement, ports, processes, state
from deploy.local.mesh.state import DataDir, MeshState, RunningProcess
from deploy.local.mesh.supervisor import Restarts, Supervisor
from deploy.local.process import logs, terminal
from deploy.local.process.child import Child
from deploy.local.process.terminal import Problem, command, paint, say, say_if_possible, sentence
from services.shared.deployment import Deployment
from services.shared.well_known import SANDBOX_OPERATORS

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
EXAMPLE_USER = "0b8f6f0e-8a53-4f0c-9d7b-2d7c1f6a4e11"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of the command line."""

    data_dir: DataDir
    port: int
    grpc_port: int
    operators_port: int
    operators_grpc_port: int
    fresh: bool = False
    deployment: Deployment = Deployment.SANDBOX
    # We are the second process of --detach: nobody watches.
    in_background: bool = False

    @property
    def ports(self) -> dict[str, int]:
        """The ports that were asked for, by their flags."""
        return {
            "--port": self.port,
            "--grpc-port": self.grpc_port,
            "--operators-port": self.operators_port,
            "--operators-grpc-port": self.operators_grpc_port,
        }


def up(options: Options) -> int:
    """Runs the mesh until a signal to stop, which is success. Raises Problem for all else."""
    started = time.monotonic()
    options.data_dir.make()
    with state.locked(options.data_dir):
        try:
            options.data_dir.state.unlink(missing_ok=True)
            options.data_dir.refuse_full_disk()
            refuse_busy_ports(options)
            blocks = ports.blocks_of(options.port)
            asked_for = options.ports.values()
            with ports.claimed(processes.PORT_NAMES, asked_for, blocks) as claimed:
                plan = prepare(options, claimed)
                asyncio.run(run(plan, started, watched=not options.in_background))
        except (Problem, OSError) as failure:
            remember(options.data_dir, sentence(failure))
            raise
        options.data_dir.state.unlink(missing_ok=True)
    return 0


def prepare(options: Options, claimed: Mapping[str, int]) -> processes.Plan:
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
    return processes.Plan(
        data_dir=data_dir,
        rest_port=options.port,
        grpc_port=options.grpc_port,
        operators_port=options.operators_port,
        operators_grpc_port=options.operators_grpc_port,
        ports=claimed,
        credentials=secrets,
        database=chosen,
        cluster=cluster,
        deployment=options.deployment,
    )


def refuse_busy_ports(options: Options) -> None:
    """Raises Problem where a port that was asked for cannot be had."""
    taken: dict[int, str] = {}
    for flag, port in options.ports.items():
        if port in taken:
            raise Problem(f"{taken[port]} and {flag} cannot share port {port}; change {flag}")
        taken[port] = flag
    for port, flag in taken.items():
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


async def run(plan: processes.Plan, started: float, *, watched: bool) -> None:
    """Runs the whole mesh until a signal comes. Raises Problem where it cannot be started.

    started is when the person began to wait; watched says whether one looks on now.
    """
    stop = asyncio.Event()
    running = state.begin(plan.urls)

    def on_restart(child: Child, restarts: Restarts) -> None:
        _show_restart(child, restarts)
        # On a full disk the mesh goes on, and only its status is old.
        with suppress(OSError):
            state.write(plan.data_dir.state, replace(running, processes=_processes(supervisor)))

    supervisor = Supervisor(plan.data_dir.log, _show_healthy, on_restart)
    _on_signals(stop, supervisor)
    state.write(plan.data_dir.state, running)
    specs = tuple(processes.processes(plan))
    try:
        if await _unless(stop, supervisor.start(specs)):
            seconds = round(time.monotonic() - started, 1)
            running = replace(running, processes=_processes(supervisor), ready_seconds=seconds)
            say(greeting(running, plan.data_dir, plan.deployment, watched=watched))
            state.write(plan.data_dir.state, running)
            await _serve(stop, supervisor, plan.data_dir.certificates, watched=watched)
    finally:
        hint = paint(" (Ctrl-C again kills)", terminal.DIM) if watched else ""
        say_if_possible(f"\n  Stopping …{hint}")
        await supervisor.stop()
        say_if_possible("  Stopped. No process is left.")


def _on_signals(stop: asyncio.Event, supervisor: Supervisor) -> None:
    def on_signal() -> None:
        if stop.is_set():
            supervisor.kill()
        stop.set()

    for number in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, on_signal)


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Does the work to its end, or drops it at a signal to stop; False for the latter."""
    task, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        return not stop.is_set()
    finally:
        task.cancel()
        stopping.cancel()
        await asyncio.wait({task, stopping})


async def _serve(
    stop: asyncio.Event, supervisor: Supervisor, certificates: Path, *, watched: bool
) -> None:
    files = {name: child.log for name, child in supervisor.children.items()} if watched else {}
    tasks = (asyncio.create_task(_show(files)), asyncio.create_task(_renew(certificates)))
    try:
        await stop.wait()
    finally:
        for task in tasks:
            task.cancel()


async def _renew(certificates: Path) -> None:
    """Renews certificates for as long as the mesh runs, which may be longer than they last."""
    while True:
        await asyncio.sleep(authority.STAY_SECONDS)
        # On a full disk the mesh goes on with those that it has.
        with suppress(OSError):
            authority.renew(certificates)


async def _show(files: Mapping[str, Path]) -> None:
    async for service, line in logs.follow(files):
        if not line.is_routine:
            say(logs.render(service, line, logs.terminal_width()))


def _processes(supervisor: Supervisor) -> tuple[RunningProcess, ...]:
    return tuple(
        RunningProcess(
            name=child.spec.name,
            pid=child.pid if child.code is None else 0,
            port=child.spec.port,
            metrics_port=child.spec.metrics_port,
            log=str(child.log),
            **asdict(supervisor.restarts.get(child.spec.name, Restarts())),
        )
        for child in supervisor.children.values()
        if child.spec.healthy
    )


def _show_healthy(child: Child, seconds: float) -> None:
    where = f"127.0.0.1:{child.spec.port}" if child.spec.port else "up to date"
    terminal.done(child.spec.name, f"{where:<16} {seconds:4.1f} s")


def _show_restart(child: Child, restarts: Restarts) -> None:
    if restarts.problem:
        say_if_possible(f"  {paint('!', terminal.YELLOW)} {restarts.problem}")
    else:
        say_if_possible(
            f"  {paint('✓', terminal.GREEN)} {child.spec.name} runs again "
            f"({restarts.restarts} restarts in all)"
        )


def greeting(state: MeshState, data_dir: DataDir, deployment: Deployment, *, watched: bool) -> str:
    """Addresses, an example and commands, ready to be printed.

    watched says whether a person can stop the mesh from where they read this.
    """
    down = command("down", *data_dir.flags)
    rows = (
        ("REST", f"{state.urls['rest']}/api/payments"),
        ("Docs", state.urls["docs"]),
        ("gRPC", f"{state.urls['grpc']}  (plaintext, reflection)"),
        ("Console", f"{state.urls['operators']}/"),
        ("Operators", f"{state.urls['operators']}/docs, gRPC {state.urls['operators_grpc']}"),
        *_operators(deployment),
        ("Logs", command("logs", "-f", *data_dir.flags)),
        ("Stop", f"Ctrl-C, or {down}" if watched else down),
    )
    lines = [
        "",
        paint(f"  Caravel is ready after {state.ready_seconds} s.", terminal.BOLD, terminal.GREEN),
        "",
        *(f"  {paint(name, terminal.BOLD)}  {value}" for name, value in rows),
        "",
        *_first_steps(state, data_dir, deployment),
        "",
    ]
    return "\n".join(lines)


def _operators(deployment: Deployment) -> Sequence[tuple[str, str]]:
    """How curl acts as each of the operators that a sandbox has built in."""
    if deployment is not Deployment.SANDBOX:
        return ()
    return [(f"  as {name}", f"-H 'x-api-key: {key}'") for name, key in SANDBOX_OPERATORS.items()]


def _first_steps(state: MeshState, data_dir: DataDir, deployment: Deployment) -> Sequence[str]:
    if deployment is Deployment.SANDBOX:
        return "  Send a payment: 100 US dollars to India.", "", example(state)
    merchants = command("merchants create --name Example", *data_dir.flags)
    return (f"  Calls need a key: {merchants}",)


def example(state: MeshState) -> str:
    """A command that creates a payment each time it is pasted."""
    new_key = "$(python3 -c 'import uuid; print(uuid.uuid4())')"
    body = f'{{"user_id": "{EXAMPLE_USER}", "amount_usd": 100.00, "destination_currency": "INR"}}'
    return (
        f"curl -sS {state.urls['rest']}/api/payments \\\n"
        f"  -H 'content-type: application/json' \\\n"
        f'  -H "idempotency-key: {new_key}" \\\n'
        f"  -d '{body}'"
    )
