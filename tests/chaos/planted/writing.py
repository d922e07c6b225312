"""Bugs in what the database is asked to keep: guards, leases and rules that are not there."""

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from services.payments.base import rows
from services.payments.base.columns import typed
from services.payments.base.convert import encode_payment
from services.payments.base.idempotency import IdempotencyKey, StoredAnswer
from services.payments.engine import worker
from services.payments.engine.decisions import decider
from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.store import work, writing
from services.payments.engine.store.work import PostgresWorkTransaction
from services.payments.mesh import providers
from services.payments.model.attempt import AttemptState
from services.payments.orders.store import payments
from services.payments.webhooks_out.store import outbox_writer
from services.shared import db
from services.shared.db import connected
from tests.chaos.planted.plant import MEMBER_VARIABLE, Patches

VERSION = "p.version = r.expected_version"
TOKEN = "p.lease_token = r.lease_token"
LEFT_OUT = "ON CONFLICT DO NOTHING"
SKEWED_MEMBER, SKEW = "worker-2", timedelta(minutes=10)


def unguarded_write(patches: Patches) -> None:
    """A payment is written over, whoever has changed it meanwhile. Two events of one number would
    still refuse it all; so existing messages, postings and events are left."""
    patches.reword(writing, "_WRITE", f"AND {VERSION} AND {TOKEN}", "")
    noted = f"AS r({typed(writing._EVENT)})\n         WHERE {writing._STANDS}"
    patches.reword(writing, "_WRITE", noted, f"{noted} {LEFT_OUT}")
    patches.reword(writing, "_WRITE", "FROM posting\n    )", f"FROM posting {LEFT_OUT})")
    columns = "event_type text, body text)"
    patches.reword(outbox_writer, "_INSERT", columns, f"{columns} {LEFT_OUT}")


def no_fencing(patches: Patches) -> None:
    """A worker that has once claimed a payment may mark, send and write at any time later, and the
    mark does not say until when."""
    patches.reword(writing, "_WRITE", f"AND {TOKEN}", "")
    patches.reword(work, "_MARK_SENT", "USING (merchant_id, id, lease_token)", _WITHOUT_TOKEN)
    patches.reword(work, "_MARK_SENT", "WHERE p.lease_until > now()", "")
    limit = f"least(h.lease_until, now() + {work._CALL})"
    patches.reword(work, "_MARK_SENT", limit, "now()")
    patches.put(worker, "CALL", timedelta(hours=1))
    patches.put(providers, "_send_before", lambda calls: None)
    patches.reword(work, "_MARK_SENT", "AND a.state IN ('INTENDED', 'SENT', 'UNKNOWN')", "")

    async def claim(self: PostgresWorkTransaction, *claim: Any, **limits: Any) -> Sequence[Work]:
        claimed = await original(self, *claim, **limits)
        return [replace(item, lease_ends=time.monotonic() + 3600) for item in claimed]

    original = patches.put(PostgresWorkTransaction, "claim", claim)


_WITHOUT_TOKEN = "USING (merchant_id, id)"


def unsafe_durability_accepted(patches: Patches) -> None:
    """The services start on a server that forgets what it has acknowledged."""
    patches.put(db, "DURABILITY", ())


def job_deleted_at_claim(patches: Patches) -> None:
    """A payment that is claimed is due no more, and nobody's lease brings it back."""
    patches.reword(
        work,
        "_CLAIM",
        "SET lease_owner = :owner,",
        "SET due_at = NULL, lease_owner = :owner,",
    )


def regenerated_answers(patches: Patches) -> None:
    """A key that comes again is answered with the payment as it is by then."""

    async def answers(
        self: payments.PostgresPayments, keys: Sequence[IdempotencyKey]
    ) -> tuple[datetime, Mapping[IdempotencyKey, StoredAnswer]]:
        now, stored = await original(self, keys)
        return now, {key: await _again(self, key, answer) for key, answer in stored.items()}

    original = patches.put(payments.PostgresPayments, "answers", answers)


_PAYMENT_OF = text(
    "SELECT p.* FROM payments p JOIN idempotency_keys k "
    "ON k.merchant_id = p.merchant_id AND k.payment_id = p.id "
    "WHERE k.merchant_id = :merchant_id AND k.key = :key"
)


async def _again(
    store: payments.PostgresPayments, key: IdempotencyKey, answer: StoredAnswer
) -> StoredAnswer:
    async with connected(store._engine) as connection:
        named = {"merchant_id": key[0], "key": key[1]}
        row = (await connection.execute(_PAYMENT_OF, named)).first()
    response = answer.response if row is None else encode_payment(rows.read_payment(row))
    return replace(answer, response=response)


def clock_of(member: str) -> Callable[[], datetime]:
    """The time in a process."""
    ahead = SKEW if member == SKEWED_MEMBER else timedelta(0)
    return lambda: datetime.now(UTC) + ahead


def nothing_on_suspense(patches: Patches) -> None:
    """Money that a provider moved and no payment counts is recorded nowhere, so that our own
    audit finds nothing missing."""

    def with_suspense(work: Work, change: Change) -> Change:
        attempt = change.attempt
        if attempt is None or attempt.state is not AttemptState.UNKNOWN:
            return original(work, change)
        return replace(change, attempt=replace(attempt, moved=None))

    original: Callable[[Work, Change], Change] = patches.put(
        decider, "with_suspense", with_suspense
    )


def local_clock(patches: Patches) -> None:
    """Workers go by their own clocks, and one of those is ten minutes ahead."""

    now = clock_of(os.environ.get(MEMBER_VARIABLE, ""))

    async def claim(self: PostgresWorkTransaction, *claim: Any, **limits: Any) -> Sequence[Work]:
        claimed = await original(self, *claim, **limits)
        return [replace(item, claimed_at=now()) for item in claimed]

    async def untouched(
        self: PostgresWorkTransaction, *claimed: Any, **lease: Any
    ) -> tuple[datetime, Collection[UUID]]:
        _, ids = await original_untouched(self, *claimed, **lease)
        return now(), ids

    original = patches.put(PostgresWorkTransaction, "claim", claim)
    original_untouched = patches.put(PostgresWorkTransaction, "untouched", untouched)


def recipient_lost(patches: Patches) -> None:
    """A correction writes over the recipient of the payouts before it."""
    patches.reword(writing, "_CORRECT", "a.recipient IS NULL", "false")
