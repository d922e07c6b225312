"""Changes of payments as those who watch learn of them: each once, in whatever order transactions
end, with a cursor that any replica goes on from."""

from datetime import timedelta
from typing import Any

import pytest
from caravel.payments.v1 import search_pb2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base.paging import write_token
from services.payments.model.timing import (
    CHANGES_CURSOR_KEPT,
    CHANGES_WAIT_SECONDS,
    CREDENTIALS_FRESH_SECONDS,
)
from services.payments.operators import watching
from services.payments.operators.store.changes import PostgresChanges
from services.payments.operators.watching import Changes, Cursor, Watching
from services.shared.errors import Overloaded
from tests.conftest import owner_of
from tests.makers import NOW
from tests.poison import run
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import new_payment, refused
from tests.wire.payments.operators.keys import operator_key

_ADD = """
    INSERT INTO payment_events (merchant_id, payment_id, sequence, from_state, to_state, actor,
           cause, evidence, trace_id)
    SELECT merchant_id, id, 2, 'CREATED', 'COLLECTING', 'worker', 'collection_intended', '{}', ''
      FROM payments WHERE id = :id
"""


async def _watched(service: Service, cursor: str = "") -> search_pb2.WatchChangesResponse:
    return await service.search.WatchChanges(search_pb2.WatchChangesRequest(cursor=cursor))


async def test_each_change_is_learned_of_once(service: Service, engine: AsyncEngine) -> None:
    await new_payment(engine)
    first = await _watched(service)

    payment = await new_payment(engine)
    second = await _watched(service, first.cursor)
    await run(engine, _ADD, "UPDATE payments SET state = 'COLLECTING' WHERE id = :id", id=payment)
    third = await _watched(service, second.cursor)

    assert (first.is_reset, list(first.changes)) == (True, [])
    [created], [moved] = second.changes, third.changes
    assert (created.state, created.is_new, created.sequence) == ("CREATED", True, 1)
    assert (moved.state, moved.is_new, moved.sequence) == ("COLLECTING", False, 2)
    assert created.transaction_id == moved.transaction_id
    assert (created.merchant_id, created.amount_usd) == ("sandbox", "100.00")


async def test_a_change_of_a_transaction_that_ends_late_is_not_missed(engine: AsyncEngine) -> None:
    store = PostgresChanges(engine)
    payment, early = await new_payment(engine), await new_payment(engine)
    cursor = await store.now()
    owner = owner_of(engine)
    async with owner.connect() as slow:
        await slow.execute(text(_ADD), {"id": payment})
        await run(engine, _ADD, id=early)
        before = await store.since(cursor, limit=10)
        await slow.commit()
        after = await store.since(before.cursor, limit=10)
    await owner.dispose()

    assert [one.payment for one in before.changes] == [early]
    assert [one.payment for one in after.changes] == [payment]


class _Scripted:
    """The port ChangeStore, with what each look finds."""

    def __init__(self, *found: Changes) -> None:
        self.found = list(found)

    async def now(self) -> Cursor:
        return CURSOR

    async def since(self, cursor: Cursor, *, limit: int) -> Changes:
        return self.found.pop(0)


CURSOR = Cursor(at=NOW, snapshot="1:1:")
NOTHING = Changes(changes=(), cursor=CURSOR)


def _clock(*times: float) -> Any:
    readings = iter(times)
    return lambda: next(readings)


async def _no_pause(_: float) -> None:
    """Time passes by the clock alone."""


async def test_a_call_is_answered_without_a_change_after_its_time() -> None:
    store = _Scripted(NOTHING, NOTHING, NOTHING)
    clock = _clock(0.0, 1.0, CHANGES_WAIT_SECONDS)

    found = await Watching(store, clock=clock, sleep=_no_pause).after(CURSOR)

    assert found == NOTHING
    assert len(store.found) == 1


async def test_an_old_cursor_and_too_many_changes_are_a_reset(engine: AsyncEngine) -> None:
    late = Cursor(at=NOW + CHANGES_CURSOR_KEPT + timedelta(seconds=1), snapshot="9:9:")
    many = Changes(changes=[None] * (watching.CHANGES_MAX + 1), cursor=CURSOR)  # type: ignore[list-item]

    for found in (Changes(changes=(), cursor=late), many):
        answer = await Watching(_Scripted(found)).after(CURSOR)
        assert answer == Changes(changes=(), cursor=found.cursor, is_reset=True)


async def test_so_many_may_wait_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "WATCHING_MAX", 0)

    with pytest.raises(Overloaded):
        await Watching(_Scripted()).after(CURSOR)


@pytest.mark.parametrize(
    "words",
    [
        ["2026-01-01T00:00:00+00:00"],
        ["2026-01-01T00:00:00", "1:1:"],
        ["never", "1:1:"],
        ["2026-01-01T00:00:00+00:00", "1:1"],
        ["2026-01-01T00:00:00+00:00", "2:1:"],
        ["2026-01-01T00:00:00+00:00", "0:1:"],
        ["2026-01-01T00:00:00+00:00", "1:9:8,7"],
        ["2026-01-01T00:00:00+00:00", "1:9:9"],
        ["2026-01-01T00:00:00+00:00", "3:9:2"],
        ["2026-01-01T00:00:00+00:00", f"1:{2**63}:"],
        ["2026-01-01T00:00:00+00:00", "1:1:'; DROP"],
    ],
)
async def test_a_cursor_that_is_none_of_ours_is_refused(service: Service, words: list[str]) -> None:
    call = _watched(service, write_token(words))

    assert (await refused(call))[1] == "FIELD_INVALID"


async def test_every_snapshot_that_is_taken_for_one_the_database_takes_too(
    service: Service, engine: AsyncEngine
) -> None:
    for snapshot in ("1:1:", "1:9:", "3:9:3", "3:9:4,5,8", f"1:{2**63 - 1}:"):
        cursor = write_token(["2026-01-01T00:00:00+00:00", snapshot])
        assert (await _watched(service, cursor)).is_reset


async def test_a_key_that_is_revoked_while_its_call_waits_gets_no_answer(
    service: Service, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than any replica may know of no revocation.
    monkeypatch.setattr(watching, "CHANGES_WAIT_SECONDS", 2 * CREDENTIALS_FRESH_SECONDS)
    key = await operator_key(engine, "ada")
    first = await service.search.WatchChanges(
        search_pb2.WatchChangesRequest(), metadata=(key.header,)
    )

    waiting = service.search.WatchChanges(
        search_pb2.WatchChangesRequest(cursor=first.cursor), metadata=(key.header,)
    )
    await run(
        engine,
        "UPDATE credential_version SET version = version + 1",
        "UPDATE operator_keys SET revoked_at = now(), "
        "version = (SELECT version FROM credential_version) WHERE id = :id",
        id=key.id,
    )

    assert (await refused(waiting))[:2] == ("UNAUTHENTICATED", "API_KEY_REVOKED")
