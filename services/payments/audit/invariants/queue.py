"""The work to be done: no due payment is forgotten, every event of a provider is used, and every
change of a status has its event for merchants. Each statement gives one row for each violation; its
only column says where."""

from services.payments.audit.invariants.attempts import OUT
from services.payments.model.timing import (
    FINAL_AFTER,
    FINAL_TRIES,
    FINAL_WAIT,
    OPEN_AT_MOST,
    TRANSACTION_SECONDS,
)

_OPEN_AT_MOST = " ".join(
    f"WHEN '{step}' THEN make_interval(secs => {within.total_seconds()})"
    for step, within in OPEN_AT_MOST.items()
)
_FINAL_AFTER = f"make_interval(secs => {FINAL_AFTER.total_seconds()})"
_FINAL_WAIT = f"make_interval(secs => {FINAL_WAIT.total_seconds()})"

QUEUE = {
    "no payment that should go on has been forgotten": """
        SELECT p.id::text FROM payments p
         WHERE greatest(p.due_at, CASE WHEN p.due_at IS NOT NULL THEN p.lease_until END)
               < now() - make_interval(secs => :overdue)
            OR p.due_at IS NULL AND p.hold_reason IS NULL
               AND NOT p.state = ANY(:settled)
    """,
    "what waits for a person has a deadline, and nothing else has": """
        SELECT p.id::text FROM payments p
         WHERE (p.deadline_at IS NOT NULL)
               <> (p.hold_reason IS NOT NULL
                   OR p.state IN ('ACTION_REQUIRED', 'RETURNED', 'PARTLY_REFUNDED'))
            OR (p.waiting_since IS NULL) <> (p.deadline_at IS NULL)
    """,
    "what waits for its merchant is refunded at its deadline": """
        SELECT p.id::text FROM payments p
         WHERE p.hold_reason IS NULL AND p.deadline_at IS NOT NULL
           AND (p.due_at > greatest(p.deadline_at, now() + make_interval(secs => :ahead))
                OR p.state IN ('ACTION_REQUIRED', 'RETURNED', 'PARTLY_REFUNDED')
                   AND greatest(p.deadline_at, p.lease_until)
                       < now() - make_interval(secs => :overdue)
                   -- A refund that may have come back is asked about first.
                   AND NOT EXISTS (
                       SELECT FROM webhook_inbox w
                        WHERE w.merchant_id = p.merchant_id AND w.payment_id = p.id
                          AND w.state = 'PENDING'))
    """,
    "no success is asked about for ever": f"""
        SELECT p.id::text FROM payments p
         WHERE p.state = ANY(:settled) AND p.hold_reason IS NULL AND p.due_at IS NOT NULL
           AND greatest(p.updated_at + {_FINAL_AFTER},
                        (SELECT max(greatest(w.received_at, w.asked_since)) FROM webhook_inbox w
                          WHERE w.merchant_id = p.merchant_id AND w.payment_id = p.id
                            AND w.state = 'PENDING'),
                        (SELECT max(CASE WHEN a.inconclusive_count < {FINAL_TRIES} THEN now()
                                         ELSE a.unknown_since END) FROM attempts a
                          WHERE a.merchant_id = p.merchant_id AND a.payment_id = p.id
                            AND a.unknown_since IS NOT NULL))
               < now() - {_FINAL_WAIT} - make_interval(secs => :overdue)
    """,
    "an operation that its provider leaves open is given to a person": f"""
        SELECT a.key FROM attempts a
          JOIN payments p ON p.merchant_id = a.merchant_id AND p.id = a.payment_id
         WHERE a.state = 'ACCEPTED' AND p.hold_reason IS NULL
           AND greatest(a.sent_at + CASE a.step {_OPEN_AT_MOST} END, p.updated_at)
               < now() - make_interval(secs => :overdue)
    """,
    "no open payment is where the list of the overdue does not look": """
        SELECT p.id::text FROM payments p
         WHERE p.hold_reason IS NULL AND p.state = ANY(:carried)
           AND (p.due_at IS NULL OR p.due_at > now() + make_interval(secs => :ahead))
    """,
    "somebody will ask about every request that is out": f"""
        SELECT a.key FROM attempts a
          JOIN payments p ON p.merchant_id = a.merchant_id AND p.id = a.payment_id
         WHERE a.state IN {OUT}
           AND p.due_at IS NULL AND p.hold_reason IS NULL
           AND (p.lease_until IS NULL OR p.lease_until < now())
    """,
    "every event about a payment will be used": """
        SELECT w.provider || ' ' || w.event_id FROM webhook_inbox w
          LEFT JOIN payments p ON p.merchant_id = w.merchant_id AND p.id = w.payment_id
         WHERE w.state NOT IN ('UNMATCHED', 'DISCARDED') AND p.id IS NULL
            OR w.state = 'PENDING' AND p.due_at IS NULL AND p.hold_reason IS NULL
               AND (p.lease_until IS NULL OR p.lease_until < now())
    """,
    "every message to a merchant's own endpoint is about an event of the history": """
        SELECT o.payment_id || ' ' || o.sequence FROM outbox o
          LEFT JOIN payment_events e USING (merchant_id, payment_id, sequence)
          LEFT JOIN webhook_endpoints n ON n.merchant_id = o.merchant_id AND n.id = o.endpoint_id
         WHERE e.sequence IS NULL OR n.id IS NULL
    """,
    "every change of a status has a message for each endpoint that was there": f"""
        SELECT e.payment_id || ' ' || e.sequence || ' ' || n.id
          FROM payment_events e
          -- A transaction that had begun before the endpoint was there need not know of it.
          JOIN webhook_endpoints n
            ON n.merchant_id = e.merchant_id AND n.disabled_at IS NULL
           AND n.created_at < e.occurred_at - make_interval(secs => {TRANSACTION_SECONDS})
          JOIN json_each_text(CAST(:statuses AS json)) AS now(state, status)
            ON now.state = e.to_state
          LEFT JOIN json_each_text(CAST(:statuses AS json)) AS before(state, status)
            ON before.state = e.from_state
          -- All that one transaction wrote has one time, and one message.
          LEFT JOIN (SELECT o.merchant_id, o.payment_id, o.endpoint_id, t.occurred_at
                       FROM outbox o
                       JOIN payment_events t USING (merchant_id, payment_id, sequence)) AS sent
            ON sent.merchant_id = e.merchant_id AND sent.payment_id = e.payment_id
           AND sent.endpoint_id = n.id AND sent.occurred_at = e.occurred_at
         WHERE before.status IS DISTINCT FROM now.status AND sent.payment_id IS NULL
    """,
    "the database forgets nothing that it has acknowledged": """
        SELECT name || '=' || setting FROM pg_settings
         WHERE name = ANY(:durability) AND setting = 'off'
    """,
}
