"""A session that ends at its COMMIT, before the server has received it or after: the caller learns
that the outcome is unknown, never an error of ours; and the same request again finds the outcome,
or has its effect then, once."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base.batcher import Batcher
from services.payments.base.convert import encode_refund
from services.payments.base.idempotency import StoredAnswer
from services.payments.engine.store.work import PostgresWork
from services.payments.model.payment import State
from services.payments.orders.cancelling import Cancelling
from services.payments.orders.ports import NewPayment
from services.payments.orders.refunds import RefundOrder, Refunds
from services.payments.orders.store.payments import PostgresPayments
from services.payments.webhooks_in.ports import Receipt
from services.payments.webhooks_in.store.inbox import PostgresInbox
from services.payments.webhooks_out.store.endpoints import PostgresEndpoints
from services.payments.webhooks_out.store.outbox import PostgresOutbox
from services.shared.db import open_engine
from services.shared.db_errors import DatabaseUnavailable, FailureKind
from services.shared.errors import DomainError
from services.shared.ids import new_id
from tests.commits import ENDS, Wire, wire
from tests.conftest import Database
from tests.makers import make_new_payment
from tests.poison import arrival, rows


@pytest.fixture
async def line(database: Database) -> AsyncIterator[Wire]:
    async with wire(database.url) as made:
        yield made


@pytest.fixture
async def far(line: Wire) -> AsyncIterator[AsyncEngine]:
    """The application's connections, over the wire."""
    opened = open_engine(line.url, pool_size=2, application="test")
    yield opened
    await opened.dispose()


async def lose(line: Wire, end: str, transact: Callable[[], Awaitable[object]]) -> None:
    """Has the transaction's session end at its COMMIT."""
    line.end = ENDS[end]
    with pytest.raises(DatabaseUnavailable) as lost:
        await transact()
    assert line.ended == 1
    assert lost.value.failure.kind is FailureKind.UNAVAILABLE


every_end = pytest.mark.parametrize("end", ENDS)
# Those between which it makes a difference whether it happened.
both_ends = pytest.mark.parametrize("end", ["shut_down_before", "answer_lost"])


@every_end
async def test_a_creation_is_read_again_by_its_key(
    end: str, line: Wire, far: AsyncEngine, engine: AsyncEngine
) -> None:
    store = PostgresPayments(far)
    batcher: Batcher[NewPayment, StoredAnswer | DomainError] = Batcher(
        store.create, largest_batch=4, parallel=1, waiting_max=4
    )
    new = make_new_payment()
    await lose(line, end, lambda: batcher.submit(new))

    again = await batcher.submit(new)

    assert again == StoredAnswer(fingerprint=new.fingerprint, response=new.response)
    assert await rows(engine, "SELECT count(*) FROM payments") == [(1,)]
    assert await rows(engine, "SELECT count(*) FROM payment_events") == [(1,)]


@pytest.mark.parametrize("answers", [1, 2])
async def test_a_session_that_ends_while_nothing_was_asked_is_unavailable(
    answers: int, line: Wire, far: AsyncEngine, engine: AsyncEngine
) -> None:
    store, new = PostgresPayments(far), make_new_payment()
    # With a session that is there already, so that its own beginnings are not counted.
    await store.answers([])
    line.ends_unasked_after = answers
    with pytest.raises(DatabaseUnavailable):
        await store.create([new])
    assert line.ended == 1

    assert await store.create([new]) == [
        StoredAnswer(fingerprint=new.fingerprint, response=new.response)
    ]
    assert await rows(engine, "SELECT count(*) FROM payments") == [(1,)]


@both_ends
async def test_a_cancellation_is_made_once(
    end: str, line: Wire, far: AsyncEngine, engine: AsyncEngine
) -> None:
    new = make_new_payment()
    await PostgresPayments(engine).create([new])
    cancelling = Cancelling(PostgresWork(far))
    named = ("sandbox", new.payment.transaction_id)
    await lose(line, end, lambda: cancelling.cancel(*named))

    cancelled = await cancelling.cancel(*named)

    assert cancelled.state is State.CANCELLED
    assert len(await rows(engine, "SELECT sequence FROM payment_events")) == cancelled.version == 2


@both_ends
async def test_a_refund_is_begun_once_for_its_key(
    end: str, line: Wire, far: AsyncEngine, engine: AsyncEngine
) -> None:
    new = make_new_payment(state=State.FUNDED)
    await PostgresPayments(engine).create([new])
    refunds = Refunds(PostgresWork(far), PostgresPayments(far), encode_refund)
    order = RefundOrder(
        merchant_id="sandbox",
        transaction_id=new.payment.transaction_id,
        idempotency_key="refund-1",
        fingerprint=b"f",
        amount=None,
    )
    await lose(line, end, lambda: refunds.create(order))

    await refunds.create(order)

    refunds = "SELECT count(*) FROM attempts WHERE step = 'refund'"
    assert await rows(engine, refunds) == [(1,)]


@both_ends
async def test_an_event_is_kept_once(
    end: str, line: Wire, far: AsyncEngine, engine: AsyncEngine
) -> None:
    new = make_new_payment()
    await PostgresPayments(engine).create([new])
    inbox = PostgresInbox(far)
    await lose(line, end, lambda: inbox.receive([arrival(new.payment.id)]))

    (receipt,) = await inbox.receive([arrival(new.payment.id)])

    assert receipt is (Receipt.DUPLICATE if ENDS[end].is_received else Receipt.ACCEPTED)
    assert await rows(engine, "SELECT count(*) FROM webhook_inbox") == [(1,)]


@both_ends
async def test_a_claim_that_was_lost_is_free_again_or_runs_out(
    end: str, line: Wire, far: AsyncEngine, engine: AsyncEngine
) -> None:
    await PostgresPayments(engine).create([make_new_payment()])
    work = PostgresWork(far)

    async def claim() -> int:
        async with work.begin() as transaction:
            claimed = await transaction.claim("worker", limit=1, lease_seconds=30)
            await transaction.commit()
        return len(claimed)

    await lose(line, end, claim)

    assert await claim() == (0 if ENDS[end].is_received else 1)


@every_end
async def test_the_pool_serves_on(end: str, line: Wire, far: AsyncEngine) -> None:
    endpoints, outbox = PostgresEndpoints(far), PostgresOutbox(far)
    added = (new_id(), "https://example.com", "whsec_x")
    await lose(line, end, lambda: endpoints.add("sandbox", *added))

    for _ in range(4):
        assert len(await endpoints.list("sandbox")) == int(ENDS[end].is_received)
        assert await outbox.waiting(limit=1) == (0, [])
