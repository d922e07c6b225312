"""Writes the changes of all payments at once: payments, attempts, events, postings, the
balances they add up to, and the inbox. A change whose lease or version has moved on is left out
whole."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.base import attempt_rows, rows
from services.payments.base.columns import names
from services.payments.base.rows import EVENT_COLUMNS, terms_row, trail_row
from services.payments.engine.decisions.facts import Change, Repricing
from services.payments.model.payment import Payment
from services.payments.model.progress import waiting_as
from services.payments.model.timing import DEADLINES
from services.payments.webhooks_in.store import STILL_PENDING


def repricing_row(payment: Payment, repricing: Repricing) -> dict[str, Any]:
    """The row of `quotes` that reprices a payment, without the schedule of its fees."""
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


_CHANGE_COLUMNS = """
    merchant_id text, id uuid, state text, version integer, sent_at timestamptz,
    rate numeric, mid_rate numeric, markup_basis_points smallint,
    payout_minor bigint, refunded_minor bigint, exchange_rule smallint,
    onramp text, offramp text, collection_reference text,
    hold_reason text, failure_code text, failure_message text, keeps_lease boolean,
    rests boolean, due_in_seconds double precision, deadline_seconds double precision,
    expected_version integer, lease_token bigint
"""
_ATTEMPT_COLUMNS = """
    merchant_id text, payment_id uuid, step text, number smallint, provider text,
    key text, amount_minor bigint, currency text, state text,
    provider_reference text, inconclusive_count integer, failure_code text, failure_message text,
    moved_minor bigint, moved_currency text
"""
_POSTING_COLUMNS = """
    merchant_id text, payment_id uuid, sequence integer, position smallint,
    debit text, credit text, currency text, amount_minor bigint, cause text
"""
_CHANGED = ", ".join(f"r.{name}" for name in names(_CHANGE_COLUMNS).split(", "))
# A payment that waits as before keeps its deadline; what goes back to the payer then is due then.
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
        SELECT {_CHANGED}
          FROM json_to_recordset(CAST(:payments AS json)) AS r({_CHANGE_COLUMNS})
          JOIN payments p USING (merchant_id, id)
         ORDER BY merchant_id, id FOR NO KEY UPDATE OF p
    ), written AS (
        UPDATE payments p
           SET state = r.state, version = r.version, sent_at = r.sent_at,
               rate = r.rate, mid_rate = r.mid_rate,
               markup_basis_points = r.markup_basis_points, payout_minor = r.payout_minor,
               refunded_minor = r.refunded_minor, exchange_rule = r.exchange_rule,
               onramp = r.onramp, offramp = r.offramp,
               collection_reference = r.collection_reference,
               hold_reason = r.hold_reason, failure_code = r.failure_code,
               failure_message = r.failure_message,
               updated_at = CASE WHEN p.version = r.version THEN p.updated_at ELSE now() END,
               step_failures = CASE WHEN r.keeps_lease OR r.hold_reason IS NOT NULL
                                    THEN p.step_failures ELSE 0 END,
               last_error = CASE WHEN r.keeps_lease OR r.hold_reason IS NOT NULL
                                 THEN p.last_error END,
               lease_owner = CASE WHEN r.keeps_lease THEN p.lease_owner END,
               lease_until = CASE WHEN r.keeps_lease THEN p.lease_until END,
               rests_until = CASE WHEN r.rests
                                  THEN greatest(p.rests_until,
                                                now() + make_interval(secs => r.due_in_seconds))
                                  ELSE p.rests_until END,
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
        INSERT INTO attempts ({names(_ATTEMPT_COLUMNS)})
        SELECT {names(_ATTEMPT_COLUMNS)}
          FROM json_to_recordset(CAST(:attempts AS json)) AS r({_ATTEMPT_COLUMNS})
         WHERE {_STANDS}
        ON CONFLICT (merchant_id, payment_id, step, number) DO UPDATE
           SET state = excluded.state, provider_reference = excluded.provider_reference,
               -- What is INTENDED again provably never left.
               sent_at = CASE WHEN excluded.state <> 'INTENDED' THEN attempts.sent_at END,
               sends = CASE WHEN excluded.state = 'INTENDED' THEN 0 ELSE attempts.sends END,
               unknown_since = CASE WHEN excluded.state = 'UNKNOWN'
                                    THEN coalesce(attempts.unknown_since, now()) END,
               inconclusive_count = excluded.inconclusive_count,
               failure_code = excluded.failure_code,
               failure_message = excluded.failure_message,
               moved_minor = excluded.moved_minor, moved_currency = excluded.moved_currency,
               updated_at = now()
    ), noted AS (
        INSERT INTO payment_events ({names(EVENT_COLUMNS)})
        SELECT {names(EVENT_COLUMNS)}
          FROM json_to_recordset(CAST(:events AS json)) AS r({EVENT_COLUMNS})
         WHERE {_STANDS}
    ), posting AS MATERIALIZED (
        SELECT {names(_POSTING_COLUMNS)}
          FROM json_to_recordset(CAST(:postings AS json)) AS r({_POSTING_COLUMNS})
         WHERE {_STANDS}
    ), posted AS (
        INSERT INTO postings ({names(_POSTING_COLUMNS)})
        SELECT {names(_POSTING_COLUMNS)} FROM posting
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
        UPDATE webhook_inbox w SET state = r.state
          FROM json_to_recordset(CAST(:closed_events AS json))
            AS r(payment_id uuid, provider text, event_id text, state text)
         WHERE w.provider = r.provider AND w.event_id = r.event_id AND r.{_STANDS}
           AND {STILL_PENDING}
    )
    SELECT id, updated_at, cancel_requested_at, deadline_at FROM written
    """
)
# The fees stay as they were agreed, and so does the schedule that they came from.
_REPRICE = text(
    """
    WITH made AS (
        INSERT INTO quotes (merchant_id, id, corridor_id, terms, trail, fee_schedule_version,
               payment_id, created_at, expires_at)
        SELECT r.merchant_id, r.id, r.corridor_id, r.terms, r.trail, q.fee_schedule_version,
               r.payment_id, r.created_at, r.created_at
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


async def write_changes(
    connection: AsyncConnection, changes: Sequence[Change]
) -> Mapping[UUID, Row[Any]]:
    """Writes each change whose lease and version still stand; gives by those payments' ids the
    columns that the database adds: its times, and the merchant's request meanwhile."""
    if not changes:
        return {}
    found = await connection.execute(
        _WRITE,
        {
            "payments": rows.as_json(map(_payment_change, changes)),
            "attempts": rows.as_json(
                attempt_rows.attempt_row(a) for c in changes for a in (c.attempt, c.following) if a
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


def with_new_status(
    changes: Sequence[Change], written: Mapping[UUID, Row[Any]]
) -> Sequence[Payment]:
    """The payments that show another status or price since these changes were written.

    With what the database has added, each is what the API shows from the commit on.
    """
    return [
        replace(
            change.payment,
            updated_at=row.updated_at,
            cancel_requested_at=row.cancel_requested_at,
            deadline_at=row.deadline_at,
            repriced=change.repricing is not None,
        )
        for change in changes
        if (change.repricing or change.payment.status != change.status_before)
        and (row := written.get(change.payment.id)) is not None
    ]


def _payment_change(change: Change) -> dict[str, Any]:
    payment = change.payment
    waiting = waiting_as(payment)
    return {
        "merchant_id": payment.merchant_id,
        "id": payment.id,
        "state": payment.state,
        "version": payment.version,
        "sent_at": payment.sent_at.isoformat() if payment.sent_at else None,
        "rate": str(payment.terms.rate),
        "mid_rate": str(payment.terms.mid_rate),
        "markup_basis_points": payment.terms.markup_basis_points,
        "payout_minor": payment.terms.payout.amount_minor,
        "refunded_minor": payment.refunded.amount_minor,
        "exchange_rule": payment.exchange_rule,
        "onramp": payment.onramp,
        "offramp": payment.offramp,
        "collection_reference": payment.collection_reference,
        "hold_reason": payment.hold_reason,
        "failure_code": payment.failure.code if payment.failure else None,
        "failure_message": payment.failure.message if payment.failure else None,
        "keeps_lease": change.keeps_lease,
        "rests": change.rests,
        "due_in_seconds": None if change.due_in is None else change.due_in.total_seconds(),
        "deadline_seconds": DEADLINES[waiting].total_seconds() if waiting else None,
        "expected_version": change.expected_version,
        "lease_token": change.lease_token,
    }


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
    return [
        {
            "payment_id": change.payment.id,
            "provider": c.event.provider,
            "event_id": c.event.event_id,
            "state": c.result,
        }
        for c in change.closed_events
    ]
