"""Runs the processes of a mesh: each is started when those it needs are healthy, all are stopped
in the opposite order, and one that dies is started again. The order alone is here too, for callers
who start and stop in their own way, and so is the way to ask a process whether it is healthy."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.authority import OPERATOR
from deploy.local.mesh.ports import HOST
from deploy.local.process.child import Child, Spec, describe_end, end_of
from deploy.local.process.logs import read_line
from deploy.local.process.terminal import Problem
from services.shared.certificates import files_in, host_name, read_certificate
from services.shared.identity import channel_credentials

ANSWER_SECONDS = 1.0
NO_PROXY = (("grpc.enable_http_proxy", 0),)
# For a machine that is very busy; a process that hangs is rarer than that.
HEALTHY_SECONDS = 120.0
POLL_SECONDS = 0.05
# How long a process may be started again because an earlier one is still being cleared away.
START_AGAIN_SECONDS = 15.0
# How often it is started again within the window before it is given up, and how long that waits.
RESTARTS_MAX = 6
WINDOW_SECONDS = 120.0
FIRST_BACK_OFF_SECONDS = 0.5
LONGEST_BACK_OFF_SECONDS = 15.0

OnHealthy = Callable[[Child, float], None]


@dataclass(frozen=True, kw_only=True)
class Restarts:
    """How often a process was started again since the mesh was ready, and why it does not run.

    problem is None while it does.
    """

    restarts: int = 0
    problem: str | None = None


# The process, and how it fares now.
OnRestart = Callable[[Child, Restarts], None]


class Supervisor:
    """The processes of one mesh. Start, keep them running, stop."""

    def __init__(
        self,
        log: Callable[[str], Path],
        on_healthy: OnHealthy,
        on_restart: OnRestart = lambda *_: None,
        first_back_off_seconds: float = FIRST_BACK_OFF_SECONDS,
    ) -> None:
        self.children: dict[str, Child] = {}
        self._restarts: dict[str, Restarts] = {}
        self._log = log
        self._on_healthy = on_healthy
        self._on_restart = on_restart
        self._first_back_off_seconds = first_back_off_seconds
        self._is_started = False
        self._keepers: set[asyncio.Task[None]] = set()
        self._death: asyncio.Future[Problem] = asyncio.get_running_loop().create_future()

    @property
    def restarts(self) -> Mapping[str, Restarts]:
        """How each process has fared that was ever started again."""
        return self._restarts

    async def start(self, specs: Iterable[Spec]) -> None:
        """Starts all of them, independent ones at once; returns when every one is healthy.

        Raises Problem, with all the others still to be stopped, where one ends or hangs. From then
        on, one that ends is started again.
        """
        work = asyncio.create_task(self._start_all(tuple(specs)))
        try:
            both: set[asyncio.Future[Any]] = {work, self._death}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if self._death.done():
                raise self._death.result()
            await work
            self._is_started = True
        finally:
            # Nothing may be on its way into existence when the others are stopped.
            work.cancel()
            await asyncio.wait({work})

    async def stop(self) -> None:
        """Stops them all, each after those that need it; returns when none is left."""
        # First whoever would start one again; a start that is cancelled leaves no process.
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await stop_in_order(self.children.values())

    def kill(self) -> None:
        """Ends them all at once, without their consent; none is started again."""
        for keeper in self._keepers:
            keeper.cancel()
        for child in self.children.values():
            child.kill()

    async def _start_all(self, specs: tuple[Spec, ...]) -> None:
        started = time.monotonic()

        async def bring_up(spec: Spec) -> None:
            child = self.children[spec.name] = Child(spec, self._log(spec.name))
            await _start(child)
            if spec.healthy:
                self._keepers.add(asyncio.create_task(self._keep(child)))
            self._on_healthy(child, time.monotonic() - started)

        await start_in_order(specs, bring_up)

    async def _keep(self, child: Child) -> None:
        """Starts a process again whenever it ends, until it ends too often."""
        ends: list[float] = []
        while True:
            await child.wait()
            if not self._is_started:
                if not self._death.done():
                    self._death.set_result(_early_end(child))
                return
            problem = str(_early_end(child))
            while problem:
                now = time.monotonic()
                ends = [end for end in ends if end > now - WINDOW_SECONDS] + [now]
                if len(ends) > RESTARTS_MAX:
                    self._note(child, f"{child.spec.name} stays down: {_too_often(problem)}")
                    return
                problem = await self._start_again(child, problem, self._back_off(len(ends)))

    async def _start_again(self, child: Child, problem: str, seconds: float) -> str:
        """Waits and starts it; returns why that failed, nothing where it is healthy."""
        self._note(child, f"{problem} It is started again in {seconds:g} s.")
        await asyncio.sleep(seconds)
        before = self._restarts[child.spec.name]
        self._restarts[child.spec.name] = replace(before, restarts=before.restarts + 1)
        try:
            await _start(child)
        except (Problem, OSError) as failure:
            # One that hangs is in the way of the next.
            await child.stop()
            return str(failure)
        self._note(child, None)
        return ""

    def _back_off(self, ends: int) -> float:
        return min(LONGEST_BACK_OFF_SECONDS, self._first_back_off_seconds * 2.0 ** (ends - 1))

    def _note(self, child: Child, problem: str | None) -> None:
        name = child.spec.name
        before = self._restarts.get(name, Restarts())
        self._restarts[name] = replace(before, problem=problem)
        self._on_restart(child, self._restarts[name])


def _too_often(problem: str) -> str:
    return (
        f"it was started {RESTARTS_MAX} times within {WINDOW_SECONDS:.0f} s, and ended each time. "
        f"The last time: {problem} The others go on."
    )


async def _start(child: Child) -> None:
    """Starts it and waits until it is healthy; a one-shot, until it has ended well."""
    words = child.spec.start_again_on
    give_up = time.monotonic() + START_AGAIN_SECONDS
    await child.start()
    while not await _is_healthy(child):
        if not words or words not in end_of(child.log) or time.monotonic() > give_up:
            raise _early_end(child)
        await asyncio.sleep(0.2)
        await child.start()


async def _is_healthy(child: Child) -> bool:
    """Waits for it to become healthy (a one-shot: to end well); False where it ended otherwise."""
    ended = asyncio.create_task(child.wait())
    deadline = time.monotonic() + HEALTHY_SECONDS
    try:
        while time.monotonic() < deadline:
            if ended.done():
                return child.spec.healthy is None and ended.result() == 0
            if child.spec.healthy and await child.spec.healthy():
                return True
            await asyncio.wait({ended}, timeout=POLL_SECONDS)
    finally:
        ended.cancel()
    raise Problem(
        f"{child.spec.name} is not healthy after {HEALTHY_SECONDS:.0f} s; its log is {child.log}"
    )


def _early_end(child: Child) -> Problem:
    end = f"{child.spec.name} ended unexpectedly ({describe_end(child.code or 0)})"
    texts = [text.strip() for text in end_of(child.log).splitlines() if text.strip()]
    last = read_line(texts[-1]) if texts else None
    # Its lines from before the fault explain nothing.
    saying = f", saying: {last.event[:300].rstrip('.')}" if last and not last.is_calm else ""
    return Problem(f"{end}{saying}. Its log: {child.log}")


class Process(Protocol):
    """A running process that can be ended."""

    @property
    def spec(self) -> Spec:
        """The command from which it was started."""
        ...

    async def stop(self) -> Any:
        """Ends it and returns once it has ended."""
        ...


async def start_in_order(
    specs: Iterable[Spec],
    start: Callable[[Spec], Awaitable[object]],
    running: Container[str] = (),
) -> None:
    """Starts all of them, independent ones at once; start returns when its process is healthy.

    A process that runs already need not be waited for. Raises what the first failing start raises,
    once the others were given up.
    """
    wanted = tuple(specs)
    healthy = {spec.name: asyncio.Event() for spec in wanted}

    async def bring_up(spec: Spec) -> None:
        for name in spec.after:
            if name not in running:
                await healthy[name].wait()
        await start(spec)
        healthy[spec.name].set()

    try:
        async with asyncio.TaskGroup() as group:
            for spec in wanted:
                group.create_task(bring_up(spec))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def stop_in_order(processes: Iterable[Process]) -> None:
    """Stops all of them, each after those that need it; returns when none is left."""
    remaining = {process.spec.name: process for process in processes}
    while remaining:
        needed = {name for process in remaining.values() for name in process.spec.after}
        last = [name for name in remaining if name not in needed]
        await asyncio.gather(*(remaining.pop(name).stop() for name in last))


async def grpc_serving(port: int, service: str, certificates: Path) -> bool:
    """Whether the service on this port says that it is SERVING, to the operator's certificate in
    the folder of all. Raises IdentityUnusable."""
    # A channel waits long after a refused connection; a socket fails at once.
    if not await accepts(port):
        return False
    shown = channel_credentials(read_certificate(files_in(certificates / OPERATOR)))
    options = (*NO_PROXY, ("grpc.ssl_target_name_override", host_name(service)))
    async with grpc.aio.secure_channel(f"{HOST}:{port}", shown, options=options) as channel:
        try:
            # The stub's type has no methods; they are added when it is made.
            stub: Any = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest()
            answer = await stub.Check(request, timeout=ANSWER_SECONDS)
        except grpc.aio.AioRpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def http_ok(port: int) -> bool:
    """Whether GET /healthz answers 200."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                request = (
                    f"GET /healthz HTTP/1.1\r\nhost: {HOST}:{port}\r\nconnection: close\r\n\r\n"
                )
                writer.write(request.encode())
                status = await reader.readline()
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except OSError:
        return False
    return status.split()[1:2] == [b"200"]


async def accepts(port: int) -> bool:
    """Whether anybody listens there."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            _, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
