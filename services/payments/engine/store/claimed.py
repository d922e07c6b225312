"""Rows that were claimed, read with the records of their steps. One that cannot be read fails
here, alone, and is noted."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.base import rows, sources, tables
from services.payments.base.attempt_rows import read_answer
from services.payments.base.columns import columns
from services.payments.base.dispute_rows import DISPUTE, read_report
from services.payments.base.related import with_related
from services.payments.base.unreadable import Source, UnreadableRow, read_each, read_one
from services.payments.base.unreadable_rows import UnreadableRows
from services.payments.engine.decisions.facts import ClaimEvent, InboxEvent, Work
from services.payments.engine.decisions.inbox_events import without_recipients
from services.payments.engine.decisions.late_success import needs_all_attempts
from services.payments.engine.quarantine import EventFailure, Patience, StepFailure
from services.payments.engine.store.quarantine import Failures, lease_of
from services.payments.model.attempt import Attempt, Step
from services.payments.model.payment import Payment, PaymentUnreadable
from services.payments.model.progress import STEP_OF_STATE


def read_inbox_event(row: Row[Any]) -> InboxEvent | ClaimEvent:
    """An event of the inbox: about an attempt, or about a claim against the collection."""
    if DISPUTE in row.answer:
        answer = read_answer(row.answer)
        return ClaimEvent(
            provider=row.provider,
            event_id=row.event_id,
            report=read_report(row.answer[DISPUTE]),
            stated_at=answer.occurred_at or row.received_at,
            asked_since=row.asked_since,
            asked=row.asked,
        )
    return InboxEvent(
        provider=row.provider,
        event_id=row.event_id,
        step=Step(row.step),
        answer=read_answer(row.answer),
        asked_since=row.asked_since,
        asked=row.asked,
    )


# The events of the inbox, as a worker needs them.
INBOX_EVENTS = Source(tables.webhook_inbox, read_inbox_event, payment="payment_id")

_ATTEMPT = columns(tables.attempts, "a")
_ATTEMPTS = text(
    f"""
    SELECT DISTINCT ON (a.merchant_id, a.payment_id) {_ATTEMPT}
      FROM attempts a
      JOIN json_to_recordset(CAST(:rows AS json)) AS r(merchant_id text, payment_id uuid, step text)
     USING (merchant_id, payment_id, step)
     -- The last, or the one that has succeeded late.
     ORDER BY a.merchant_id, a.payment_id, is_live AND state = 'SUCCEEDED' DESC, number DESC
    """
)
_ALL_ATTEMPTS = text(
    f"""
    SELECT {_ATTEMPT} FROM attempts a
      JOIN json_to_recordset(CAST(:rows AS json)) AS r(merchant_id text, payment_id uuid)
     USING (merchant_id, payment_id)
     ORDER BY a.step, a.number
    """
)
_INBOX_EVENTS = text(
    """
    SELECT n.merchant_id, n.payment_id, n.provider, n.event_id, n.step, n.answer, n.received_at,
           n.asked_since, n.asked
      FROM json_to_recordset(CAST(:rows AS json)) AS r(merchant_id text, payment_id uuid)
     CROSS JOIN LATERAL (
           SELECT merchant_id, payment_id, provider, event_id, step, answer, received_at,
                  asked_since, asked
              FROM webhook_inbox w
            WHERE w.merchant_id = r.merchant_id AND w.payment_id = r.payment_id
              AND w.state = 'PENDING' ORDER BY w.received_at
           ) AS n
    """
)


class Claimed(Failures):
    """Reads claimed rows in one transaction; Failures counts those that fail."""

    def __init__(
        self, connection: AsyncConnection, patience: Patience, unreadable: UnreadableRows
    ) -> None:
        super().__init__(connection, patience)
        self.notes = unreadable

    async def read_payment(self, row: Row[Any]) -> Payment:
        """The payment, with its refunds. Raises PaymentUnreadable."""
        read = read_one(sources.PAYMENTS, row)
        if isinstance(read, UnreadableRow):
            raise self.refusal(read)
        whole, unreadable = await with_related(self._connection, [read])
        if unreadable:
            raise self.refusal(unreadable[0])
        return whole[0]

    def refusal(self, row: UnreadableRow) -> PaymentUnreadable:
        """The error of a call that needs the row, which is noted."""
        self.notes.note([row])
        return row.as_refusal()

    async def read_work(
        self, claimed: Sequence[Row[Any]], *, with_all_attempts: bool = False
    ) -> Sequence[Work]:
        """Claimed rows with the records of their steps; one that cannot be read fails here,
        alone."""
        if not claimed:
            return []
        readable, unreadable = read_each(sources.PAYMENTS, claimed)
        payments, parts = await with_related(self._connection, [one for _, one in readable])
        row_of = {payment.id: row for row, payment in readable}
        wanted = rows.as_json(
            {
                "merchant_id": payment.merchant_id,
                "payment_id": payment.id,
                "step": STEP_OF_STATE.get(payment.state),
            }
            for payment in payments
        )
        found = await self._connection.execute(_ATTEMPTS, {"rows": wanted})
        attempts, unreadable_attempts = read_each(sources.ATTEMPTS, found.all())
        attempt_of = {row.payment_id: attempt for row, attempt in attempts}
        inbox = await self._inbox(wanted)
        errors = self.note([*unreadable, *parts, *unreadable_attempts])
        work = [
            Work(
                payment=payment,
                attempt=attempt_of.get(payment.id),
                inbox=tuple(e for e in inbox[payment.id] if isinstance(e, InboxEvent)),
                claims=tuple(e for e in inbox[payment.id] if isinstance(e, ClaimEvent)),
                lease_token=row_of[payment.id].lease_token,
                claimed_at=row_of[payment.id].claimed_at,
            )
            for payment in payments
            if payment.id not in errors
        ]
        complete, more_errors = await self._with_earlier(work, of_each=with_all_attempts)
        complete = [without_recipients(item) for item in complete]
        errors |= more_errors
        failed = [row for row in claimed if row.id in errors]
        self.unreadable_held += await self.fail(
            [StepFailure(lease=lease_of(row), error=errors[row.id]) for row in failed]
        )
        self.unreadable |= errors
        return complete

    def note(self, found: Sequence[UnreadableRow]) -> dict[UUID, str]:
        """Notes the rows; gives the error of each payment that they are about."""
        self.notes.note(found)
        return {row.payment_id: row.error for row in found if row.payment_id}

    async def _with_earlier(
        self, work: Sequence[Work], *, of_each: bool
    ) -> tuple[Sequence[Work], dict[UUID, str]]:
        """Adds the other attempts where they are needed; says apart why some cannot be read."""
        asked = {item.payment.id for item in work if of_each or needs_all_attempts(item)}
        if not asked:
            return work, {}
        wanted = rows.as_json(
            {"merchant_id": item.payment.merchant_id, "payment_id": item.payment.id}
            for item in work
            if item.payment.id in asked
        )
        found = await self._connection.execute(_ALL_ATTEMPTS, {"rows": wanted})
        attempts, unreadable = read_each(sources.ATTEMPTS, found.all())
        errors = self.note(unreadable)
        of_payment: dict[UUID, list[Attempt]] = defaultdict(list)
        for row, attempt in attempts:
            of_payment[row.payment_id].append(attempt)
        return [
            replace(
                item, earlier=tuple(a for a in of_payment[item.payment.id] if a != item.attempt)
            )
            for item in work
            if item.payment.id not in errors
        ], errors

    async def _inbox(self, wanted: str) -> dict[UUID, list[InboxEvent | ClaimEvent]]:
        found = await self._connection.execute(_INBOX_EVENTS, {"rows": wanted})
        readable, unreadable = read_each(INBOX_EVENTS, found.all())
        self.note(unreadable)
        await self.fail_events(
            [
                EventFailure(provider=provider, event_id=event_id, error=row.error)
                for row in unreadable
                for provider, event_id in (row.values,)
            ]
        )
        inbox: dict[UUID, list[InboxEvent | ClaimEvent]] = defaultdict(list)
        for row, item in readable:
            inbox[row.payment_id].append(item)
        return inbox
