"""One drill: payments, a backup, what happens since, the loss, and the older database in its place;
noticed below processes that run and by processes that start; then recovery, healing, every request
once more, and the books."""

import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import asyncpg

from deploy.local.mesh.processes import environment
from services.shared.certificates import files_in
from tests.chaos import books, corridors, watch
from tests.chaos.checker import Evidence, gather
from tests.chaos.client import TIMEOUT_SECONDS, Client
from tests.chaos.history import OK, History
from tests.chaos.hostile import Hostile
from tests.chaos.mesh import ChaosMesh, unchanged
from tests.chaos.restores.accounts import by_order, doubles, off_account, strangers
from tests.chaos.restores.ages import age_book, age_database
from tests.chaos.restores.cells import Cell, Providers, Result
from tests.chaos.restores.stories import BEGUN, FAILING, Orders, Since, set_faults
from tests.chaos.restores.ways import Keeper, Way, archiving
from tests.chaos.run import webhook_secrets
from tests.chaos.sweep import verify
from tests.polling import until

# It has many operations of the lost time. First it answers nothing; then it lists them, and answers
# nothing else.
_ASKED = ("look_up", "send")
AWAY, LISTING = (
    {"local_wallet": {"brownout": {"probability": 1, "steps": [*steps]}}}
    for steps in ((*_ASKED, "list_all"), _ASKED)
)
NOTICED_SECONDS, REST_SECONDS = 60.0, 90.0
WORKER = "worker-1"
# The corridor with a time in which a payment is charged and not yet paid out.
WINDOW, WINDOW_MINUTES = "us-mx.toml", 30


@asynccontextmanager
async def drilled(folder: Path, cell: Cell) -> AsyncIterator["Drill"]:
    """A drill and its mesh, gone afterwards with all its files but the logs."""
    mesh = ChaosMesh(
        data_dir=folder / "mesh",
        payments=1,
        workers=1,
        proxied=False,
        launch=archiving if cell.way is Way.POINT_IN_TIME else unchanged,
        corridors_dir=_corridors(folder / "corridors"),
        settings={"worker": {"AUDIT_SECONDS": "0", "EVENTS_SECONDS": "2"}},
    )
    history = History(folder)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with mesh, aiohttp.ClientSession(mesh.rest_url, timeout=timeout) as session:
        yield Drill(mesh, cell, Client(session, history), folder)
    history.close()
    mesh.forget_database()


class Drill:
    """The steps."""

    def __init__(self, mesh: ChaosMesh, cell: Cell, http: Client, folder: Path) -> None:
        self._mesh = mesh
        self._cell = cell
        self._http = http
        self._folder = folder
        self._keeper = Keeper(mesh, cell.way)
        self._orders = Orders(mesh, http, cell.each)
        self._hostile = Hostile(random.Random(0), webhook_secrets(mesh.plan.credentials))
        self._events: Sequence[books.InboxEvent] = ()
        self._stuck: set[str] = set()
        self._result = Result(cell=cell)

    async def run(self) -> Result:
        """All of it."""
        await self._live()
        await self._lose()
        await self._recover()
        # At once, while the engine still asks providers about what it has not known.
        await self._repeat()
        await self._rest("recovered")
        await books.let_time_pass(self._mesh.owner_url)
        await self._rest("time has passed")
        if self._cell.providers is Providers.EVENTS_REPLAYED:
            await self._replay(is_taken=True)
        await self._repeat()
        await self._rest("repeated")
        await self._release()
        await self._repeat()
        await self._rest("released")
        await self._repeat()
        await self._rest("repeated again")
        await self._check()
        return self._result

    async def _live(self) -> None:
        """Before the backup, the backup, and what happens since."""
        orders, mesh = self._orders, self._mesh
        await self._keeper.begin()
        begun = await orders.create([*BEGUN])
        await orders.begun(begun)
        mesh.pause(WORKER)
        waiting = await orders.create([one for one in Since if one not in BEGUN])
        await self._keeper.take()
        await set_faults(mesh, FAILING)
        mesh.resume(WORKER)
        lost = await orders.create([*Since], is_lost=True)
        await orders.happen([*begun, *waiting, *lost])
        await set_faults(mesh, {provider: {} for provider in FAILING})
        self._result.payments = len(orders.all)
        self._events = await books.inbox_events(mesh.owner_url)
        await self._keeper.lose()

    async def _lose(self) -> None:
        """The older database, below processes that run and then below processes that start."""
        mesh = self._mesh
        async with self._keeper.server_down():
            await age_book(mesh, self._cell.age)
            await self._put_back()
            if self._cell.providers is Providers.ONE_AWAY:
                await set_faults(mesh, AWAY)
        self._result.noticed_running_seconds = await self._noticed(time.monotonic())
        await self._refuses()
        names = mesh.of_kinds(["payments", "worker"])
        for name in names:
            mesh.hold_down(name)
        await asyncio.gather(*(mesh.children[name].ended() for name in names))
        async with self._keeper.server_down():
            await self._put_back()
        for name in names:
            mesh.let_up(name)
        self._result.noticed_start_seconds = await self._noticed(time.monotonic())
        await self._refuses()
        if self._cell.providers is Providers.EVENTS_REPLAYED:
            await self._replay(is_taken=False)

    async def _put_back(self) -> None:
        await self._keeper.put_back()
        age_database(self._keeper.cluster, self._cell.age)

    async def _noticed(self, since: float) -> float:
        """The seconds until a process has written down what it found."""
        connection = await asyncpg.connect(self._mesh.owner_url)
        try:

            async def finding() -> str:
                return str(await connection.fetchval("SELECT finding FROM database_mark"))

            found = await until(finding, bool, seconds=NOTICED_SECONDS)
        finally:
            await connection.close()
        self._result.findings.append(found)
        return time.monotonic() - since

    async def _refuses(self) -> None:
        """A request under a key that is known, and one under a new key."""
        known = self._orders.all[0].create
        for call in (known, replace(known, key="new")):
            answered = await self._http.send(call, "client")
            if answered.status != 503:
                self._result.taken.append(f"{call.key}: {answered.status} {answered.reason}")

    async def _replay(self, *, is_taken: bool) -> None:
        """Providers send all events once more; an older database must leave them to come again."""
        for event in self._events:
            call = self._hostile.signed(
                event.provider, event.body, event.event_id, event.payment_id, {"replay": True}
            )
            answered = await self._http.send(call, "provider")
            if (answered.type == OK) is not is_taken:
                self._result.taken.append(f"event {event.event_id}: {answered.status}")

    async def _recover(self) -> None:
        if self._cell.providers is Providers.ONE_AWAY:
            for faults in (AWAY, LISTING):
                await set_faults(self._mesh, faults)
                code, words = await self._verb("start")
                if code == 0 or "Accepted" in words:
                    self._result.taken.append(f"recovered without one: {words}")
            await set_faults(self._mesh, {provider: {} for provider in AWAY})
        code, self._result.report = await self._verb("start")
        if code != 0:
            accepted, words = await self._verb("accept")
            assert accepted == 0, words
        await self._mesh.healthy()

    async def _verb(self, verb: str) -> tuple[int, str]:
        """`./caravel recover`: its code, and what it said."""
        mesh = self._mesh
        variables = {
            **files_in(mesh.plan.data_dir.certificates / "worker").variables,
            "PROVIDERS_TARGET": mesh.plan.target("providers"),
            "DATABASE_URL": mesh.application_url,
        }
        words = () if verb == "compare" else ("--reason", "a drill", "--as", "ada")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.payments.recover", verb, *words),
            env=environment(variables),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()

    async def _rest(self, phase: str) -> None:
        """Waits until nothing is left to do; payments that do not come to rest are a fault."""
        rest = await watch.until_rest(
            self._mesh.owner_url, phase, self._stuck, limit_seconds=REST_SECONDS
        )
        self._stuck |= {*rest.stuck}
        if not rest.is_reached:
            self._result.stuck.append(f"{phase}: {rest.last} {rest.stuck}")

    async def _release(self) -> None:
        """A person ends every hold. The engine goes on by what providers say, and does nothing
        again even where that person has looked at nothing."""
        held = await self._held()
        self._result.held = len(held)
        await asyncio.gather(*(self._orders.release(one) for one in held))

    async def _held(self) -> Sequence[str]:
        connection = await asyncpg.connect(self._mesh.owner_url)
        try:
            rows = await connection.fetch("SELECT id FROM payments WHERE hold_reason IS NOT NULL")
        finally:
            await connection.close()
        return [books.public_id("pay", row["id"]) for row in rows]

    async def _repeat(self) -> None:
        for order, call, answered in await self._orders.repeat(self._orders.all):
            if call is order.create and answered.payment_id != order.transaction_id:
                said = answered.payment_id or f"{answered.status} {answered.reason}"
                self._result.made_again.append(f"{order.reference}: {said}")

    async def _check(self) -> None:
        facts = await gather(
            Evidence(
                history=self._folder,
                simulator_book=self._mesh.simulator_url,
                database_url=self._mesh.owner_url,
            )
        )
        names = {one.transaction_id: one.reference for one in self._orders.all}
        self._result.doubles = list(doubles(by_order(facts.book, names)))
        self._result.strangers = strangers(facts)
        self._result.still_held = await self._held()
        self._result.off_account = list(off_account(facts))
        code, recomputed = await verify(self._mesh)
        unknown, compared = await self._verb("compare")
        self._result.verify_code = code or unknown
        self._result.verified = f"{recomputed}{compared}"


def _corridors(folder: Path) -> Path:
    """Those of a run of minutes; in one of them a payment can be cancelled for a time."""
    written = corridors.write(folder, short=False) / WINDOW
    text = written.read_text()
    window = f"[refunds]\ncancel_window_minutes = {WINDOW_MINUTES}\n"
    if text.count("[refunds]\n") != 1:
        raise ValueError(f"{WINDOW} does not say [refunds] once")
    written.write_text(text.replace("[refunds]\n", window))
    return folder
