"""The worker: claims due payments in batches, asks providers outside any transaction, and records
their answers. decisions decides each step; leases and keys make it happen once. A failure on our
side strikes one payment alone, by isolation, and is counted."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from prometheus_client import Counter, Gauge

from services.payments.base.batcher import Batcher
from services.payments.engine.claims import Claims
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, Change, ClaimAnswers, Plan, Work
from services.payments.engine.decisions.waiting import live
from services.payments.engine.isolation import failure_of, is_unavailable
from services.payments.engine.ports import WorkStore
from services.payments.engine.questions import all_answered, answered, ask_about_claims, parts_of
from services.payments.engine.reporting import report_changes, report_failures
from services.payments.mesh.ports import Providers, RateQuery, Rates
from services.payments.model.answer import Answer
from services.payments.model.quote import RateTrail
from services.payments.model.timing import (
    CALL,
    CLAIM_EVERY_SECONDS,
    RECORD_EVERY_SECONDS,
    follows_within,
)
from services.shared import tracing
from services.shared.errors import DomainError, Unavailable
from services.shared.log import get_logger
from services.shared.rollback import repeated

CLAIMED = Counter("caravel_worker_claimed_total", "Payments claimed.")
ANSWERS = Counter("caravel_worker_answers_total", "Provider answers.", ["provider", "outcome"])
FENCED = Counter("caravel_worker_fenced_total", "Changes dropped because the lease had moved on.")
UNDER_WAY = Gauge("caravel_worker_under_way", "Payments this worker is working on.")
# A second batch of answers is recorded beside another only where it is a large one.
RECORD_BATCH_MAX, RECORD_BESIDE_FROM = 256, 64

# The reply to a call: a provider's answer, those about claims, or a rate.
Reply = Answer | ClaimAnswers | RateTrail | DomainError


class Worker:
    """One worker of any number; each payment has at most one at a time."""

    def __init__(
        self,
        *,
        owner: str,
        store: WorkStore,
        providers: Providers,
        rates: Rates,
        decider: Decider,
        claim_max: int,
        under_way_max: int,
        lease_seconds: float,
        poll_seconds: float,
        on_hold: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_hold` is called after a payment was put on hold."""
        self._on_hold = on_hold
        self._claims = Claims(
            store, decider, owner=owner, lease_seconds=lease_seconds, poll_seconds=poll_seconds
        )
        self._store = store
        self._providers = providers
        self._rates = rates
        self._decider = decider
        self._claim_max = claim_max
        self._under_way_max = under_way_max
        self._poll_seconds = poll_seconds
        lease = timedelta(seconds=lease_seconds)
        self._follows_within_seconds = follows_within(lease).total_seconds()
        self._stopping = asyncio.Event()
        self._wake = asyncio.Event()
        self._under_way = 0
        self._batches: set[asyncio.Task[None]] = set()
        self._recorder = Batcher[tuple[Work, Reply], bool](
            self._record,
            name="answers",
            largest_batch=RECORD_BATCH_MAX,
            parallel=2,
            beside_from=RECORD_BESIDE_FROM,
            every_seconds=RECORD_EVERY_SECONDS,
            waiting_max=1_000_000,
        )

    def wake(self) -> None:
        """Makes the worker look for due payments at once."""
        self._wake.set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Works until it is stopped, then finishes the batches under way.

        It waits for a database that is away; it remembers nothing that is not in the database.
        """
        self._stopping = stopping
        while not stopping.is_set():
            self._wake.clear()
            started = _now()
            try:
                go_on = await self._turn()
            except Unavailable as error:
                get_logger().warning("claim_waits", reason=str(error))
                go_on = False
            except Exception:  # noqa: BLE001 - the next claim finds the payment that causes it
                get_logger().exception("claim_failed")
                self._claims.be_careful()
                go_on = False
            if not go_on:
                await asyncio.sleep(started + CLAIM_EVERY_SECONDS - _now())
                await self._wait()
        while self._batches:
            await asyncio.wait(self._batches)

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), self._poll_seconds)
        except TimeoutError:
            return

    async def _turn(self) -> bool:
        """Claims, and starts the calls; True where there may be more to claim."""
        limit = min(self._claim_max, self._under_way_max - self._under_way)
        if limit <= 0:
            return False
        plans, claimed = await self._claims.take(limit)
        self._start(plans)
        failed, found = await self._claims.take_failed()
        self._start(failed)
        return claimed == self._claim_max or found > 0

    def _start(self, plans: Sequence[Plan]) -> None:
        """Reports the committed changes, and starts the calls."""
        CLAIMED.inc(len(plans))
        self._report(plan.change for plan in plans)
        self._begin(plans)

    def _report(self, changes: Iterable[Change]) -> None:
        if report_changes(changes):
            self._on_hold()

    def _begin(self, plans: Sequence[Plan]) -> None:
        asking = [plan for plan in plans if plan.call is not None]
        # Records may be followed by more plans than a claim has, and a slow one delays its whole
        # batch.
        for first in range(0, len(asking), self._claim_max):
            task = asyncio.create_task(self._ask(asking[first : first + self._claim_max]))
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)

    async def _ask(self, plans: Sequence[Plan]) -> None:
        self._count(len(plans))
        tracing.began_var.set(time.time_ns())
        try:
            looking = [plan.work for plan in plans if plan.call is Call.LOOK_UP]
            sending = [plan.work for plan in plans if plan.call is Call.SEND]
            pricing = [plan.work for plan in plans if plan.call is Call.PRICE]
            claimed = [plan.work for plan in plans if plan.call is Call.LOOK_UP_CLAIMS]
            await asyncio.gather(
                self._look_up(looking),
                self._send(sending),
                self._price(pricing),
                *map(self._look_up_claims, claimed),
            )
        except Exception as error:  # noqa: BLE001 - the leases run out, and each is taken alone
            get_logger().exception("batch_failed", size=len(plans))
            await self._count_against(plans, error)
        finally:
            self._count(-len(plans))
            self.wake()

    async def _count_against(self, plans: Sequence[Plan], error: Exception) -> None:
        """Counts a failure against each, because the cause is not known; then each is taken alone.

        The leases run on, until no request that has left can still be on its way.
        """
        if is_unavailable(error):
            return
        with suppress(Unavailable):
            async with self._store.begin() as transaction:
                await transaction.count([failure_of(plan.work, error) for plan in plans])
                await transaction.commit()

    async def _fail(self, work: Work, error: Exception) -> None:
        """Counts a step that broke down, in a short transaction of its own."""
        with suppress(Unavailable):
            async with self._store.begin() as transaction:
                held = await transaction.fail([failure_of(work, error)])
                await transaction.commit()
            report_failures(1, held)

    async def _send(self, work: Sequence[Work]) -> None:
        """Marks the attempts as sent, and sends those whose lease still stands."""
        if not work:
            return
        # Read before the mark, so that by our clock none leaves later than the mark allows.
        send_before = time.monotonic() + CALL.total_seconds()
        marked = await self._mark_sent(work)
        async with asyncio.TaskGroup() as group:
            async for item, answer in answered(marked, self._providers.execute, send_before):
                group.create_task(self._settle(item, answer))

    @repeated
    async def _mark_sent(self, work: Sequence[Work]) -> Sequence[Work]:
        async with self._store.begin() as transaction:
            marked = await transaction.mark_sent(work)
            left = len(work) - len(marked)
            paused = await transaction.rest_while_paused(work) if left else 0
            await transaction.commit()
        FENCED.inc(left - paused)
        return marked

    async def _look_up(self, work: Sequence[Work]) -> None:
        """Looks the attempts up, and goes on as the answers allow: an attempt that is provably
        absent is sent again with the same key."""
        parts = parts_of(work, self._claim_max)
        await asyncio.gather(*(self._look_up_together(part) for part in parts))

    async def _look_up_together(self, work: Sequence[Work]) -> None:
        looking: list[Work] = []
        sending: list[Work] = []
        async with asyncio.TaskGroup() as group:
            replies = all_answered(work, self._providers.look_up, self._claim_max)
            async for asked, answers in replies:
                item, answer = asked, answers[live(asked).key]
                try:
                    item, answer, following = self._after(asked, answers)
                except Exception as error:  # noqa: BLE001 - any error is counted
                    group.create_task(self._fail(item, error))
                    continue
                if following is None:
                    group.create_task(self._settle(item, answer))
                elif following.call is Call.SEND:
                    sending.append(following.work)
                else:
                    looking.append(following.work)
        await asyncio.gather(self._send(sending), self._look_up(looking))

    def _after(self, item: Work, answers: Mapping[str, Answer]) -> tuple[Work, Answer, Plan | None]:
        """The plan that follows the answers, and the work and the answer that it follows."""
        while True:
            answer = answers[live(item).key]
            following = self._decider.after_look_up(item, answer)
            if following is None or following.call is not Call.LOOK_UP:
                return item, answer, following
            if live(following.work).key not in answers:
                return item, answer, following
            item = following.work

    async def _price(self, work: Sequence[Work]) -> None:
        """Asks fx once for the rates of all whose quote had expired before the money came."""
        if not work:
            return
        traces: dict[str, list[str]] = {}
        for item in work:
            traces.setdefault(item.payment.corridor_id, []).append(item.payment.trace_id)
        queries = [RateQuery(corridor_id=c, trace_ids=tuple(t)) for c, t in traces.items()]
        try:
            rates: Sequence[RateTrail | DomainError] = await self._rates.get(queries)
        except Unavailable as error:
            rates = [error] * len(queries)
        rate_of = dict(zip(traces, rates, strict=True))
        async with asyncio.TaskGroup() as group:
            for item in work:
                group.create_task(self._keep(item, rate_of[item.payment.corridor_id]))

    async def _look_up_claims(self, work: Work) -> None:
        claims = self._decider.claims_to_ask(work)
        await self._keep(work, await ask_about_claims(self._providers, claims))

    async def _settle(self, work: Work, answer: Answer) -> None:
        provider = work.attempt.provider if work.attempt else ""
        ANSWERS.labels(provider, answer.outcome).inc()
        await self._keep(work, answer)

    async def _keep(self, work: Work, reply: Reply) -> None:
        try:
            await self._recorder.submit((work, reply))
        except Unavailable as error:
            # The lease runs out and the payment is found again.
            get_logger().warning("record_waits", reason=str(error))
        except Exception as error:  # noqa: BLE001 - any error is counted
            get_logger().exception("record_failed", transaction_id=work.payment.transaction_id)
            await self._fail(work, error)
        else:
            _trace(work, reply)

    @repeated
    async def _record(self, answered: Sequence[tuple[Work, Reply]]) -> Sequence[bool]:
        """One transaction for all answers that came in together, and for the intents of the steps
        that they make due."""
        following: list[Plan] = []
        async with self._store.begin() as transaction:
            now, untouched = await transaction.untouched(
                [work for work, _ in answered], lease_seconds=self._follows_within_seconds
            )
            changes = [self._change(work, reply, now) for work, reply in answered]
            for number, (work, _) in enumerate(answered):
                may_follow = work.payment.id in untouched and not self._stopping.is_set()
                if may_follow and (plan := self._follow(work, changes[number])):
                    changes[number] = plan.change
                    following.append(plan)
            written = await transaction.write(changes)
            await transaction.commit()
        FENCED.inc(len(changes) - len(written))
        self._report(change for change in changes if change.payment.id in written)
        self._begin([plan for plan in following if plan.work.payment.id in written])
        self.wake()
        return [change.payment.id in written for change in changes]

    def _follow(self, work: Work, change: Change) -> Plan | None:
        try:
            return self._decider.follow(work, change)
        except Exception:  # noqa: BLE001 - the reply is recorded, and the next claim counts it
            get_logger().exception("follow_failed", transaction_id=work.payment.transaction_id)
            return None

    def _change(self, work: Work, reply: Reply, now: datetime) -> Change:
        if isinstance(reply, Answer):
            return self._decider.settle(work, reply, now)
        if isinstance(reply, ClaimAnswers):
            return self._decider.note_claims(work, reply, now)
        return self._decider.price(work, reply, now)

    def _count(self, difference: int) -> None:
        self._under_way += difference
        UNDER_WAY.set(self._under_way)


def _trace(work: Work, reply: Reply) -> None:
    """A span from the claim of a step until its answer is recorded."""
    attempt = work.attempt
    tracing.record(
        f"step {attempt.step if attempt else 'PRICE'}",
        work.payment.trace_id,
        began=tracing.began_var.get(),
        transaction_id=work.payment.transaction_id,
        provider=attempt.provider if attempt else "",
        outcome=reply.outcome if isinstance(reply, Answer) else "",
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
