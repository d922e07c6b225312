"""Writes the changes of all payments at once: payments, attempts, events, postings, the
balances they add up to, and the inbox. A change whose lease or version has moved on is left out
whole."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Boolean, Column, Double, Integer, Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.base import attempt_rows, dispute_rows, refund_rows, rows, tables
from services.payments.base.columns import assigned, given, moved, names, typed
from services.payments.base.condition_rows import route_row
from services.payments.base.rows import terms_row
from services.payments.base.trail_rows import trail_row
from services.payments.engine.decisions.facts import Change, EventResult, Repricing
from services.payments.model.dispute import Dispute, changed_disputes, with_dispute
from services.payments.model.payment import Payment
from services.payments.model.progress import waits_for
from services.payments.model.refund import Refund, RefundStatus, changed_refunds, with_refund
from services.payments.webhooks_in.store.inbox import STILL_PENDING
from services.payments.webhooks_out.notification import (
    Notification,
    events_of_dispute,
    events_of_refund,
    of_payment,
)
from services.shared.recipients import as_row

Part = TypeVar("Part", Refund, Dispute)


def repricing_row(payment: Payment, repricing: Repricing) -> dict[str, Any]:
    """The row of `quotes` that reprices a payment, without what it takes from the replaced one."""
    return {
        "merchant_id": payment.merchant_id,
        "id": repricing.quote_id,
        "replaces": repricing.replaces,
        "corridor_id": payment.corridor_id,
        "terms": terms_row(payment.terms),
        "trail": trail_row(repricing.trail),
        "payment_id": payment.id,
        "created_at": repricing.priced_at.isoformat(),
    }


_PAYMENT, _MOVED = tables.payments.c, moved(tables.payments)
# A move's new values, and its guards and times.
_CHANGE = (
    *(_PAYMENT.merchant_id, _PAYMENT.id, *_MOVED, _PAYMENT.lease_token),
    Column("expected_version", Integer),
    Column("keeps_lease", Boolean),
    Column("rest_seconds", Double),
    Column("ends_rest", Boolean),
    Column("due_in_seconds", Double),
    Column("deadline_seconds", Double),
)
_ATTEMPT, _EVENT, _POSTING = map(given, (tables.attempts, tables.payment_events, tables.postings))
_REFUND, _DISPUTE = given(tables.refunds), given(tables.disputes)
# A payment that waits as before keeps its deadline; the money that goes back then is due then.
_WAITS_ON = """
    (p.state, p.hold_reason, p.refunded_minor)
    IS NOT DISTINCT FROM (r.state, r.hold_reason, r.refunded_minor) AND p.deadline_at IS NOT NULL
"""
_DEADLINE = f"""
    CASE WHEN {_WAITS_ON} THEN p.deadline_at
         ELSE now() + make_interval(secs => r.deadline_seconds) END
"""
# The rows of a payment are written only where the payment was.
_STANDS = "payment_id = ANY (ARRAY(SELECT id FROM written))"
# One statement, because each would be a round trip. Payments are locked in order, as in the inbox,
# and accounts are changed in order, so that two batches wait and never deadlock.
_WRITE = text(
    f"""
    WITH r AS MATERIALIZED (
        SELECT {names(_CHANGE, "r")}
          FROM json_to_recordset(CAST(:payments AS json)) AS r({typed(_CHANGE)})
          JOIN payments p USING (merchant_id, id)
         ORDER BY merchant_id, id FOR NO KEY UPDATE OF p
    ), written AS (
        UPDATE payments p
           SET {assigned(_MOVED, "r")},
               updated_at = CASE WHEN p.version = r.version THEN p.updated_at ELSE now() END,
               step_failures = CASE WHEN r.keeps_lease OR r.hold_reason IS NOT NULL
                                    THEN p.step_failures ELSE 0 END,
               last_error = CASE WHEN r.keeps_lease OR r.hold_reason IS NOT NULL
                                 THEN p.last_error END,
               lease_owner = CASE WHEN r.keeps_lease THEN p.lease_owner END,
               lease_until = CASE WHEN r.keeps_lease THEN p.lease_until END,
               rests_until = greatest(CASE WHEN NOT r.ends_rest THEN p.rests_until END,
                                      now() + make_interval(secs => r.rest_seconds)),
               due_at = CASE WHEN r.keeps_lease THEN p.due_at
                             WHEN p.nudged THEN now()
                             ELSE least(now() + make_interval(secs => r.due_in_seconds),
                                        CASE WHEN r.hold_reason IS NULL AND {_DEADLINE} > now()
                                             THEN {_DEADLINE} END) END,
               waiting_since = CASE WHEN {_WAITS_ON} THEN p.waiting_since
                                    WHEN r.deadline_seconds IS NOT NULL THEN now() END,
               deadline_at = {_DEADLINE}
          FROM r
         WHERE p.merchant_id = r.merchant_id AND p.id = r.id
           AND p.version = r.expected_version AND p.lease_token = r.lease_token
        RETURNING p.id, p.updated_at, p.cancel_requested_at, p.deadline_at
    ), tried AS (
        INSERT INTO attempts ({names(_ATTEMPT)})
        SELECT {names(_ATTEMPT)}
          FROM json_to_recordset(CAST(:attempts AS json)) AS r({typed(_ATTEMPT)})
         WHERE {_STANDS}
        ON CONFLICT (merchant_id, payment_id, step, number) DO UPDATE
           SET {assigned(moved(tables.attempts), "excluded")},
               -- An attempt that is INTENDED again was never sent; that is proven.
               sent_at = CASE WHEN excluded.state <> 'INTENDED' THEN attempts.sent_at END,
               sends = CASE WHEN excluded.state = 'INTENDED' THEN 0 ELSE attempts.sends END,
               unknown_since = CASE WHEN excluded.state = 'UNKNOWN'
                                      OR excluded.state IN ('SUCCEEDED', 'FAILED', 'REVERSED')
                                         AND excluded.inconclusive_count > 0
                                    THEN coalesce(attempts.unknown_since, now()) END,
               updated_at = now()
    ), refunding AS (
        INSERT INTO refunds ({names(_REFUND)})
        SELECT {names(_REFUND)}
          FROM json_to_recordset(CAST(:refunds AS json)) AS r({typed(_REFUND)})
         WHERE {_STANDS}
        ON CONFLICT (merchant_id, payment_id, number) DO UPDATE
           SET {assigned(moved(tables.refunds), "excluded")}, updated_at = now()
    ), disputing AS (
        INSERT INTO disputes ({names(_DISPUTE)})
        SELECT {names(_DISPUTE)}
          FROM json_to_recordset(CAST(:disputes AS json)) AS r({typed(_DISPUTE)})
         WHERE {_STANDS}
        ON CONFLICT (merchant_id, payment_id, number) DO UPDATE
           SET {assigned(moved(tables.disputes), "excluded")}, updated_at = now()
    ), noted AS (
        INSERT INTO payment_events ({names(_EVENT)})
        SELECT {names(_EVENT)}
          FROM json_to_recordset(CAST(:events AS json)) AS r({typed(_EVENT)})
         WHERE {_STANDS}
    ), posting AS MATERIALIZED (
        SELECT {names(_POSTING)}
          FROM json_to_recordset(CAST(:postings AS json)) AS r({typed(_POSTING)})
         WHERE {_STANDS}
    ), posted AS (
        INSERT INTO postings ({names(_POSTING)})
        SELECT {names(_POSTING)} FROM posting
    ), balanced AS (
        INSERT INTO balances (merchant_id, account, currency, balance_minor)
        SELECT merchant_id, account, currency, sum(delta_minor)
          FROM posting CROSS JOIN LATERAL (
               VALUES (debit, amount_minor), (credit, -amount_minor)) AS a(account, delta_minor)
         GROUP BY merchant_id, account, currency ORDER BY merchant_id, account, currency
        ON CONFLICT (merchant_id, account, currency) DO UPDATE
           SET balance_minor = balances.balance_minor + excluded.balance_minor,
               updated_at = now()
    ), closed AS (
        UPDATE webhook_inbox w
           SET state = r.state,
               asked = w.asked + CAST(r.state = 'PENDING' AS integer),
               asked_since = CASE WHEN r.state = 'PENDING' THEN coalesce(w.asked_since, now())
                                  ELSE w.asked_since END
          FROM json_to_recordset(CAST(:closed_events AS json))
            AS r(payment_id uuid, provider text, event_id text, state text)
         WHERE w.provider = r.provider AND w.event_id = r.event_id AND r.{_STANDS}
           AND {STILL_PENDING}
    )
    SELECT id, updated_at, cancel_requested_at, deadline_at FROM written
    """
)
# The fees stay as they were agreed, and so does all else that the new rate does not change.
_REPRICE = text(
    """
    WITH made AS (
        INSERT INTO quotes (merchant_id, id, corridor_id, terms, trail, fee_schedule_version,
               payment_id, created_at, expires_at)
        SELECT r.merchant_id, r.id, r.corridor_id, q.terms || r.terms, r.trail,
               q.fee_schedule_version, r.payment_id, r.created_at, r.created_at
          FROM json_to_recordset(CAST(:rows AS json))
            AS r(merchant_id text, id uuid, replaces uuid, corridor_id text, terms jsonb,
                 trail jsonb, payment_id uuid, created_at timestamptz)
          JOIN quotes q ON q.merchant_id = r.merchant_id AND q.id = r.replaces
        RETURNING merchant_id, id, payment_id
    )
    UPDATE payments p SET quote_id = made.id FROM made
     WHERE p.merchant_id = made.merchant_id AND p.id = made.payment_id
    """
)

# First, while the payment stands as it did: its payouts so far keep the recipient that they went
# to, and the route of then.
_CORRECT = text(
    """
    WITH r AS MATERIALIZED (
        SELECT p.merchant_id, p.id, p.recipient AS before, p.route AS route_before,
               r.recipient, r.account_check, r.route
          FROM json_to_recordset(CAST(:rows AS json))
            AS r(merchant_id text, id uuid, recipient jsonb, account_check text, route jsonb,
                 expected_version integer, lease_token bigint)
          JOIN payments p USING (merchant_id, id)
         WHERE p.version = r.expected_version AND p.lease_token = r.lease_token
         ORDER BY p.merchant_id, p.id FOR NO KEY UPDATE OF p
    ), kept AS (
        UPDATE attempts a SET recipient = r.before, route = r.route_before FROM r
         WHERE a.merchant_id = r.merchant_id AND a.payment_id = r.id
           AND a.step = 'payout' AND a.recipient IS NULL
    )
    UPDATE payments p SET recipient = r.recipient, account_check = r.account_check,
           recipient_is_example = p.recipient_is_example AND r.recipient = r.before,
           route = r.route
      FROM r
     WHERE p.merchant_id = r.merchant_id AND p.id = r.id
    """
)


async def write_changes(
    connection: AsyncConnection, changes: Sequence[Change]
) -> Mapping[UUID, Row[Any]]:
    """Writes each change whose lease and version still stand; gives by those payments' ids the
    columns that the database adds: its times, and the merchant's request meanwhile."""
    if not changes:
        return {}
    if correcting := [change for change in changes if change.corrects]:
        await connection.execute(_CORRECT, {"rows": rows.as_json(map(_correction, correcting))})
    found = await connection.execute(
        _WRITE,
        {
            "payments": rows.as_json(map(_payment_change, changes)),
            "attempts": rows.as_json(
                attempt_rows.attempt_row(a) for c in changes for a in (c.attempt, c.following) if a
            ),
            "refunds": rows.as_json(map(refund_rows.refund_row, _refunds(changes))),
            "disputes": rows.as_json(
                dispute_rows.dispute_row(dispute)
                for c in changes
                for _, dispute in changed_disputes(c.before, c.payment)
            ),
            "events": rows.as_json(rows.event_row(c.payment, e) for c in changes for e in c.events),
            "postings": rows.as_json(row for c in changes for row in _posting_rows(c)),
            "closed_events": rows.as_json(row for c in changes for row in _closed_event_rows(c)),
        },
    )
    written = {row.id: row for row in found}
    repriced = [
        repricing_row(c.payment, c.repricing)
        for c in changes
        if c.repricing and c.payment.id in written
    ]
    if repriced:
        await connection.execute(_REPRICE, {"rows": rows.as_json(repriced)})
    return written


def notifications(
    changes: Sequence[Change], written: Mapping[UUID, Row[Any]]
) -> Sequence[Notification]:
    """The events for merchants about the changes that were written: of each payment that shows
    another status or price, and of each refund that is new or has another status.

    With what the database has added, each is what the API shows from the commit on.
    """
    return [
        event
        for change in changes
        if (row := written.get(change.payment.id)) is not None
        for event in _notifications(change, row)
    ]


def _notifications(change: Change, row: Row[Any]) -> Iterator[Notification]:
    shown = change.is_for_merchant
    before, after = change.before, change.payment
    if not shown and (after.refunds, after.disputes) == (before.refunds, before.disputes):
        return
    payment = replace(
        change.payment,
        updated_at=row.updated_at,
        cancel_requested_at=row.cancel_requested_at,
        deadline_at=row.deadline_at,
        repriced=change.changes_price,
        asks_payer=change.asks_payer,
    )
    refunds = [
        (was, _as_written(was, refund, row)) for was, refund in changed_refunds(before, after)
    ]
    disputes = [
        (was, _as_written(was, dispute, row)) for was, dispute in changed_disputes(before, after)
    ]
    for _, refund in refunds:
        payment = with_refund(payment, refund)
    for _, dispute in disputes:
        payment = with_dispute(payment, dispute)
    if shown:
        yield of_payment(payment, before if change.changes_price else None)
    position = 0
    for was, refund in refunds:
        for name in events_of_refund(was, refund):
            position += 1
            yield Notification(event_type=name, payment=payment, position=position, refund=refund)
    for known, dispute in disputes:
        for name in events_of_dispute(known, dispute):
            position += 1
            yield Notification(event_type=name, payment=payment, position=position, dispute=dispute)


def _as_written(was: Part | None, part: Part, row: Row[Any]) -> Part:
    created_at = was.created_at if was else row.updated_at
    return replace(part, created_at=created_at, updated_at=row.updated_at)


def _refunds(changes: Sequence[Change]) -> Sequence[Refund]:
    """The refunds to write; an open one last, because there may be only one of a payment."""
    changed = [pair[1] for c in changes for pair in changed_refunds(c.before, c.payment)]
    return sorted(changed, key=lambda refund: refund.status is RefundStatus.PENDING)


def _payment_change(change: Change) -> dict[str, Any]:
    payment = change.payment
    return {
        "merchant_id": payment.merchant_id,
        "id": payment.id,
        **rows.moved_row(payment),
        "keeps_lease": change.keeps_lease,
        "rest_seconds": _seconds(change.rest),
        "ends_rest": change.ends_rest,
        "due_in_seconds": _seconds(change.due_in),
        "deadline_seconds": _seconds(waits_for(payment)),
        "expected_version": change.before.version,
        "lease_token": change.lease_token,
    }


def _correction(change: Change) -> dict[str, Any]:
    return {
        "merchant_id": change.payment.merchant_id,
        "id": change.payment.id,
        "recipient": as_row(change.payment.recipient),
        "account_check": change.payment.account_check or "",
        "route": route_row(change.payment.route),
        "expected_version": change.before.version,
        "lease_token": change.lease_token,
    }


def _seconds(time: timedelta | None) -> float | None:
    return None if time is None else time.total_seconds()


def _posting_rows(change: Change) -> list[dict[str, Any]]:
    return [
        {
            "merchant_id": change.payment.merchant_id,
            "payment_id": change.payment.id,
            "sequence": change.posted_at,
            "position": position,
            "debit": posting.debit,
            "credit": posting.credit,
            "currency": posting.amount.currency,
            "amount_minor": posting.amount.amount_minor,
            "cause": posting.cause,
        }
        for position, posting in enumerate(change.postings)
    ]


def _closed_event_rows(change: Change) -> list[dict[str, Any]]:
    closed = [(c.event.provider, c.event.event_id, str(c.result)) for c in change.closed_events]
    if change.asked_event:
        closed.append((change.asked_event.provider, change.asked_event.event_id, "PENDING"))
    closed += [(c.provider, c.event_id, EventResult.APPLIED) for c in change.closed_claims]
    closed += [(c.provider, c.event_id, "PENDING") for c in change.asked_claims]
    return [
        {
            "payment_id": change.payment.id,
            "provider": provider,
            "event_id": event_id,
            "state": result,
        }
        for provider, event_id, result in closed
    ]
