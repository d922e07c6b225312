"""Counts failures on our side, and sets aside a step or an event that keeps failing. The count of a
step stands on its payment, under the guard of the lease; that of an event stands in the inbox."""

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.base import rows, tables
from services.payments.base.columns import columns
from services.payments.base.statements import text_with
from services.payments.engine.quarantine import DIED, EventFailure, Lease, Patience, StepFailure
from services.payments.model.causes import HELD
from services.payments.model.holds import HoldReason
from services.payments.model.timing import DEADLINES, Waiting
from services.payments.webhooks_in.store.inbox import STILL_PENDING

_HOLD_SECONDS = DEADLINES[Waiting.ON_HOLD].total_seconds()
_FAILED_BEFORE = "step_failures > 0 AND hold_reason IS NULL"
# Committed before anything of the payment is read: a process that dies of it has counted it
# already.
# Every payment, or those that were created later.
CREATED_AFTER = (
    "(CAST(:created_after AS timestamptz) IS NULL"
    " OR created_at > CAST(:created_after AS timestamptz))"
)
_CLAIM_COUNTED = """
    WITH due AS (
        SELECT merchant_id, id FROM payments
         WHERE due_at <= now() AND (lease_until IS NULL OR lease_until < now())
           AND {} AND {}
         ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE payments p
       SET lease_owner = :owner, lease_token = lease_token + 1, nudged = false,
           lease_until = now() + make_interval(secs => :lease_seconds),
           step_failures = step_failures + 1, last_error = coalesce(last_error, :died)
      FROM due WHERE p.merchant_id = due.merchant_id AND p.id = due.id
    RETURNING p.merchant_id, p.id, p.lease_token
"""
_CLAIM_FAILED = text(_CLAIM_COUNTED.format(_FAILED_BEFORE, CREATED_AFTER))
_CLAIM_UNFAILED = text(_CLAIM_COUNTED.format(f"NOT ({_FAILED_BEFORE})", CREATED_AFTER))
# Locked in order, so that two batches wait for each other and never deadlock.
_LEASES = """
    (SELECT r.merchant_id, r.id, r.token, r.error FROM json_to_recordset(CAST(:rows AS json))
         AS r(merchant_id text, id uuid, token bigint, error text)
       JOIN payments q ON q.merchant_id = r.merchant_id AND q.id = r.id
      ORDER BY q.merchant_id, q.id FOR NO KEY UPDATE OF q) AS r
"""
_STANDING = """
    p.merchant_id = r.merchant_id AND p.id = r.id
       AND p.lease_token = r.token AND p.lease_until IS NOT NULL
"""
_UNCOUNT = text(
    f"""
    UPDATE payments p
       SET step_failures = greatest(p.step_failures - 1, 0),
           last_error = CASE WHEN p.step_failures > 1 THEN p.last_error END
      FROM {_LEASES} WHERE {_STANDING} AND p.lease_until > now()
    RETURNING {columns(tables.payments, "p")}, now() AS claimed_at
    """
)
_RELEASE = text(
    f"""
    UPDATE payments p
       SET step_failures = greatest(p.step_failures - :fewer, 0),
           lease_owner = NULL, lease_until = NULL
      FROM {_LEASES} WHERE {_STANDING}
    """
)
_COUNT = text(
    f"""
    UPDATE payments p
       SET step_failures = p.step_failures + 1, last_error = r.error
      FROM {_LEASES} WHERE {_STANDING}
    """
)
_FAIL = text(
    f"""
    UPDATE payments p
       SET step_failures = p.step_failures + :more, last_error = r.error,
           lease_owner = NULL, lease_until = NULL, nudged = false,
           due_at = CASE WHEN p.hold_reason IS NULL THEN now()
             + make_interval(secs => CAST(:first_rest AS double precision)
               * power(CAST(:factor AS integer), p.step_failures + :more - 1)) END
      FROM {_LEASES} WHERE {_STANDING}
    """
)
# Written without reading the row in our own terms, because that may be what cannot be done. The
# sequence is looked up, because the version may be what is wrong.
_SET_ASIDE = text_with(
    f"""
    WITH exhausted AS (
        SELECT merchant_id, id,
               (SELECT max(e.sequence) FROM payment_events e
                 WHERE e.merchant_id = p.merchant_id AND e.payment_id = p.id) AS last
          FROM payments p
         WHERE step_failures > 0 AND hold_reason IS NULL AND step_failures >= :limit
           AND due_at IS NOT NULL AND (lease_until IS NULL OR lease_until < now())
           FOR UPDATE SKIP LOCKED
    ), held AS (
        UPDATE payments p
           SET hold_reason = :reason, version = greatest(p.version, last) + 1,
               due_at = NULL, lease_owner = NULL, lease_until = NULL, updated_at = now(),
               waiting_since = now(), deadline_at = now() + make_interval(secs => {_HOLD_SECONDS})
          FROM exhausted x WHERE p.merchant_id = x.merchant_id AND p.id = x.id
        RETURNING p.merchant_id, p.id, p.version, p.state, p.step_failures, p.last_error, p.trace_id
    )
    INSERT INTO payment_events (merchant_id, payment_id, sequence, from_state, to_state, actor,
           cause, evidence, trace_id)
    SELECT merchant_id, id, version, state, state, 'worker', :cause,
           jsonb_build_object('attempts', step_failures::text, 'error', coalesce(last_error, '')),
           trace_id
      FROM held
    RETURNING payment_id
    """,
    reason=HoldReason.STEP_FAILED,
    cause=HELD[HoldReason.STEP_FAILED],
)
# The payment looks again at once, until the event is applied or set aside.
_FAIL_EVENTS = text(
    f"""
    WITH failed AS (
        UPDATE webhook_inbox w
           SET failures = w.failures + 1, last_error = r.error,
               state = CASE WHEN w.failures + 1 < :limit THEN w.state ELSE 'SET_ASIDE' END,
               set_aside_at = CASE WHEN w.failures + 1 < :limit THEN NULL ELSE now() END
          FROM json_to_recordset(CAST(:rows AS json))
            AS r(provider text, event_id text, error text)
         WHERE w.provider = r.provider AND w.event_id = r.event_id
           AND {STILL_PENDING}
        RETURNING w.merchant_id, w.payment_id, w.state
    )
    UPDATE payments p SET nudged = true FROM failed f
     WHERE p.merchant_id = f.merchant_id AND p.id = f.payment_id AND f.state = 'PENDING'
    """
)


def lease_of(row: Row[Any]) -> Lease:
    """The lease of a row of `payments`."""
    return Lease(merchant_id=row.merchant_id, payment_id=row.id, token=row.lease_token)


class Failures:
    """The statements of one transaction."""

    def __init__(self, connection: AsyncConnection, patience: Patience) -> None:
        self._connection = connection
        self._patience = patience
        # Payments that were claimed and cannot be read, and those of them that were set aside.
        self.unreadable: dict[UUID, str] = {}
        self.unreadable_held: list[UUID] = []

    async def claim_counted(
        self,
        owner: str,
        *,
        limit: int,
        lease_seconds: float,
        failed_before: bool,
        created_after: datetime | None = None,
    ) -> Sequence[Lease]:
        """See WorkTransaction.claim_counted."""
        ends = time.monotonic() + lease_seconds
        taken = await self._connection.execute(
            _CLAIM_FAILED if failed_before else _CLAIM_UNFAILED,
            {
                "owner": owner,
                "limit": limit,
                "lease_seconds": lease_seconds,
                "died": DIED,
                "created_after": created_after,
            },
        )
        return [replace(lease_of(row), ends=ends) for row in taken]

    async def uncount(self, leases: Sequence[Lease]) -> Sequence[Row[Any]]:
        """Uncounts the failures of those that are still leased; gives their rows."""
        return (await self._connection.execute(_UNCOUNT, _rows(leases))).all()

    async def release(self, leases: Sequence[Lease], *, uncounted: bool) -> None:
        """See WorkTransaction.release."""
        await self._connection.execute(_RELEASE, {**_rows(leases), "fewer": int(uncounted)})

    async def count(self, failures: Sequence[StepFailure]) -> None:
        """See WorkTransaction.count."""
        await self._connection.execute(_COUNT, _failed_rows(failures))

    async def fail(
        self, failures: Sequence[StepFailure], *, counted: bool = False
    ) -> Collection[UUID]:
        """See WorkTransaction.fail."""
        if not failures:
            return ()
        rest = {
            "more": 0 if counted else 1,
            "first_rest": self._patience.first_rest.total_seconds(),
            "factor": self._patience.factor,
        }
        await self._connection.execute(_FAIL, {**_failed_rows(failures), **rest})
        return await self.set_aside()

    async def set_aside(self) -> Collection[UUID]:
        """See WorkTransaction.set_aside."""
        held = await self._connection.execute(_SET_ASIDE, {"limit": self._patience.limit})
        return [row.payment_id for row in held]

    async def fail_events(self, failures: Sequence[EventFailure]) -> None:
        """See WorkTransaction.fail_events."""
        if failures:
            failed = rows.as_json(
                {"provider": f.provider, "event_id": f.event_id, "error": f.error} for f in failures
            )
            await self._connection.execute(
                _FAIL_EVENTS, {"rows": failed, "limit": self._patience.limit}
            )


def _rows(leases: Sequence[Lease]) -> dict[str, Any]:
    return {
        "rows": rows.as_json(
            {"merchant_id": lease.merchant_id, "id": lease.payment_id, "token": lease.token}
            for lease in leases
        )
    }


def _failed_rows(failures: Sequence[StepFailure]) -> dict[str, Any]:
    return {
        "rows": rows.as_json(
            {
                "merchant_id": failure.lease.merchant_id,
                "id": failure.lease.payment_id,
                "token": failure.lease.token,
                "error": failure.error,
            }
            for failure in failures
        )
    }
