"""One campaign: a mesh of its own, ten rounds of cases from a seed with an ordinary client
beside them, and then the questions to the logs, the memory of the processes and the database."""

import asyncio
import json
import random
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg

from deploy import ROOT
from deploy.local.mesh import ports
from deploy.local.mesh.credentials import load_or_make
from deploy.local.mesh.database import own_cluster
from deploy.local.mesh.state import DataDir
from tests.hostile import schema
from tests.hostile.cases import Attack, Case, routes_of
from tests.hostile.native import FrameAttack, NativeAttack, methods_of
from tests.hostile.oracle import Fault, Tally, check_http, check_log_line
from tests.hostile.target import Target

Say = Callable[[str], None]
ROUNDS = 10
# So many connections at a time.
AT_ONCE = 8
# Of a round's cases: those for the merchants' listeners and those for the operators'.
LISTENER_SHARES = (0.75, 0.25)
# Of a listener's.
NATIVE_SHARE, SCHEMA_SHARE, FRAME_SHARE = 0.2, 0.15, 0.1
ORDINARY_EVERY_SECONDS = 0.2
# The last rounds' memory may be so much more than that of the rounds after the warming up.
GROWTH_ALLOWED, GROWTH_ALLOWED_MB = 1.15, 24
WATCHED = ("gateway", "payments", "fees", "fx", "providers")


@dataclass
class Campaign:
    """The result of a campaign."""

    tally: Tally = field(default_factory=Tally)
    ordinary_calls: int = 0
    memory_mb: list[Mapping[str, float]] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return self.tally.fault_count == 0


@dataclass(frozen=True, kw_only=True)
class Running:
    """The mesh of the campaign."""

    target: Target
    # Its listeners for operators.
    operators: Target
    data_dir: Path

    @property
    def targets(self) -> tuple[Target, Target]:
        """The listeners for merchants, then those for operators."""
        return self.target, self.operators

    def status(self) -> Any:
        """The answer of `./caravel status`."""
        return json.loads(caravel("status", "--json", "--data-dir", str(self.data_dir)))

    def memory(self) -> Mapping[str, float]:
        """Megabytes in use, by process."""
        return {one["name"]: one["memory_mb"] for one in self.status()["processes"]}


def caravel(*words: str) -> str:
    """Runs ./caravel to its end; what it said. Raises RuntimeError with that where it failed."""
    run = subprocess.run([ROOT / "caravel", *words], capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(run.stdout + run.stderr)
    return run.stdout


@asynccontextmanager
async def mesh(data_dir: Path) -> AsyncIterator[Running]:
    """A mesh on ports of its own, gone afterwards; its logs stay."""
    flags = ["--port", "--grpc-port", "--operators-port", "--operators-grpc-port"]
    with ports.claimed(flags) as claimed:
        where = ["--data-dir", str(data_dir)]
        listen = [word for flag in flags for word in (flag, str(claimed[flag]))]
        rest, native, operators, operators_native = (claimed[flag] for flag in flags)
        try:
            await asyncio.to_thread(caravel, "up", "--detach", "--fresh", *where, *listen)
            yield Running(
                target=Target(host="127.0.0.1", rest_port=rest, grpc_port=native),
                operators=Target(host="127.0.0.1", rest_port=operators, grpc_port=operators_native),
                data_dir=data_dir,
            )
        finally:
            await asyncio.to_thread(caravel, "down", *where)


async def campaign(running: Running, *, cases: int, seed: int, say: Say) -> Campaign:
    """Sends about so many cases and checks every answer."""
    found = Campaign()
    rng = random.Random(seed)
    documents = [await _document(target) for target in running.targets]
    for number in range(ROUNDS):
        started = time.monotonic()
        async with _ordinary_clients(running.target, found), asyncio.TaskGroup() as group:
            for target, document, share in zip(
                running.targets, documents, LISTENER_SHARES, strict=True
            ):
                chance = random.Random(rng.random())
                one = Round(number=number, cases=int(cases * share) // ROUNDS, rng=chance)
                group.create_task(one.run(target, document, found.tally))
        found.memory_mb.append(await asyncio.to_thread(running.memory))
        say(
            f"  round {number + 1:2d}/{ROUNDS}: {found.tally.cases} cases, "
            f"{found.tally.fault_count} faults, {time.monotonic() - started:.0f} s"
        )
    await _question(running, found)
    return found


@dataclass(frozen=True, kw_only=True)
class Round:
    """One of ten, on one pair of listeners: its number from 0, so many cases, its own chance."""

    number: int
    cases: int
    rng: random.Random

    async def run(self, target: Target, document: Mapping[str, Any], tally: Tally) -> None:
        """Sends the round's cases, all kinds beside each other."""
        native, frames = int(self.cases * NATIVE_SHARE), int(self.cases * FRAME_SHARE)
        by_schema = int(self.cases * SCHEMA_SHARE)
        routes = routes_of(document)
        methods = methods_of((ROOT / "gateway" / "descriptor.binpb").read_bytes())
        share = schema.Share(
            number=self.number,
            of=ROUNDS,
            each=max(1, by_schema * ROUNDS // (len(schema.MODES) * len(routes))),
            seed=self.rng.getrandbits(32),
        )
        waiting = Attack(self._chance(), routes).cases(self.cases - native - frames - by_schema)
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(_send_all(target, waiting, tally))
            group.create_task(NativeAttack(self._chance(), methods, target).run(native, tally))
            group.create_task(FrameAttack(self._chance(), target).run(frames, tally))
            await asyncio.to_thread(schema.run, target.rest_url, document, share, tally)

    def _chance(self) -> random.Random:
        return random.Random(self.rng.random())


async def _send_all(target: Target, waiting: Iterator[Case], tally: Tally) -> None:
    for case in waiting:
        await _send(target, case, tally)


async def _send(target: Target, case: Case, tally: Tally) -> None:
    sent = repr(case.request)
    try:
        answer = await target.send_raw(case.request)
    except TimeoutError:
        tally.note(case.kind, "no answer", sent, ["no answer in time"], case.idempotency_key)
        return
    outcome = str(answer.status) if answer.status else "closed"
    tally.note(case.kind, outcome, sent, check_http(answer, case.method), case.idempotency_key)


async def _document(target: Target) -> Mapping[str, Any]:
    async with (
        aiohttp.ClientSession(target.rest_url) as session,
        session.get("/openapi.json") as got,
    ):
        document: Mapping[str, Any] = await got.json()
        return document


@asynccontextmanager
async def _ordinary_clients(target: Target, found: Campaign) -> AsyncIterator[None]:
    """A client that creates and reads all the while; whatever it is refused is a fault."""
    task = asyncio.create_task(_call_ordinarily(target, found))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _call_ordinarily(target: Target, found: Campaign) -> None:
    body = {"user_id": str(uuid4()), "amount_usd": "10.00", "destination_currency": "INR"}
    async with aiohttp.ClientSession(target.rest_url) as session:
        while True:
            try:
                async with session.post(
                    "/api/payments", json=body, headers={"idempotency-key": uuid4().hex}
                ) as made:
                    wrong = "" if made.status == 201 else f"{made.status} {await made.text()}"
                async with session.get("/healthz") as health:
                    wrong = wrong or ("" if health.status == 200 else f"healthz {health.status}")
            except (aiohttp.ClientError, TimeoutError) as error:
                wrong = repr(error)
            found.ordinary_calls += 1
            if wrong:
                found.tally.blame(
                    Fault(kind="ordinary client", sent="a payment", wrong=wrong[:400])
                )
            await asyncio.sleep(ORDINARY_EVERY_SECONDS)


async def _question(running: Running, found: Campaign) -> None:
    tally = found.tally
    stored = await _fetch(running, "SELECT key FROM idempotency_keys")
    for key in tally.written_although_refused([row["key"] for row in stored]):
        tally.blame(Fault(kind="rows", sent=key, wrong="a refused request was kept"))
    for log in sorted((running.data_dir / "logs").glob("*.log")):
        for line in log.read_text(errors="replace").splitlines():
            for wrong in check_log_line(line):
                tally.blame(Fault(kind="logs", sent=log.name, wrong=wrong))
    for wrong in growth(found.memory_mb):
        tally.blame(Fault(kind="memory", sent="ten rounds", wrong=wrong))


def growth(rounds: Sequence[Mapping[str, float]]) -> list[str]:
    """The processes whose memory has gone on growing after the first three rounds."""
    wrongs = []
    for name in WATCHED:
        early = max(one.get(name, 0.0) for one in rounds[1:4])
        late = min(one.get(name, 0.0) for one in rounds[-3:])
        if late > early * GROWTH_ALLOWED + GROWTH_ALLOWED_MB:
            wrongs.append(f"{name} grew from {early:.0f} to {late:.0f} MB")
    return wrongs


async def _fetch(running: Running, statement: str) -> list[Any]:
    data_dir = DataDir.at(running.data_dir)
    cluster = own_cluster(data_dir, load_or_make(data_dir.credentials))
    (server,) = [one for one in running.status()["processes"] if one["name"] == "postgresql"]
    connection = await asyncpg.connect(cluster.owner_url(server["port"]))
    try:
        return list(await connection.fetch(statement))
    finally:
        await connection.close()
