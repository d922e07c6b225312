"""What is to be done: that nothing due is forgotten, that what was heard is looked at, and that
what happened is told. Each statement gives one row a violation, whose only column says where."""

from services.payments.store.audit.attempts import OUT

QUEUE = {
    "no payment that should go on has been forgotten": """
        SELECT p.id::text FROM payments p
         WHERE greatest(p.due_at, CASE WHEN p.due_at IS NOT NULL THEN p.lease_until END)
               < now() - make_interval(secs => :overdue)
            OR p.due_at IS NULL AND p.hold_reason IS NULL
               AND NOT p.state = ANY(:settled) AND p.state <> 'RETURNED'
               -- Refunded in part, it waits until the merchant asks for the rest.
               AND NOT (p.state = 'REFUNDING' AND p.refunded_minor > 0)
    """,
    "somebody will ask about every request that is out": f"""
        SELECT a.key FROM attempts a
          JOIN payments p ON p.merchant_id = a.merchant_id AND p.id = a.payment_id
         WHERE a.state IN {OUT}
           AND p.due_at IS NULL AND p.lease_until IS NULL AND p.hold_reason IS NULL
    """,
    "what was heard about a payment will be looked at": """
        SELECT w.provider || ' ' || w.event_id FROM webhook_inbox w
          LEFT JOIN payments p ON p.merchant_id = w.merchant_id AND p.id = w.payment_id
         WHERE w.state <> 'UNMATCHED' AND p.id IS NULL
            OR w.state = 'PENDING' AND p.due_at IS NULL AND p.lease_until IS NULL
               AND p.hold_reason IS NULL
    """,
    "every message tells a merchant's own endpoint of an event that happened": """
        SELECT o.payment_id || ' ' || o.sequence FROM outbox o
          LEFT JOIN payment_events e USING (merchant_id, payment_id, sequence)
          LEFT JOIN webhook_endpoints n ON n.merchant_id = o.merchant_id AND n.id = o.endpoint_id
         WHERE e.sequence IS NULL OR n.id IS NULL
    """,
    "every change of a status is told to each endpoint that was there": """
        SELECT c.payment_id || ' ' || c.last || ' ' || n.id
          FROM (SELECT merchant_id, payment_id, min(sequence) AS first, max(sequence) AS last,
                       (array_agg(from_state ORDER BY sequence))[1] AS start,
                       (array_agg(to_state ORDER BY sequence DESC))[1] AS goal, occurred_at
                  FROM payment_events
                 WHERE merchant_id IN (SELECT merchant_id FROM webhook_endpoints)
                 -- What one transaction wrote has one time.
                 GROUP BY merchant_id, payment_id, occurred_at) AS c
          -- A transaction that had begun before the endpoint was there need not know of it.
          JOIN webhook_endpoints n
            ON n.merchant_id = c.merchant_id AND n.disabled_at IS NULL
           AND n.created_at < c.occurred_at - interval '10 seconds'
         WHERE CAST(:statuses AS json) ->> c.start
               IS DISTINCT FROM CAST(:statuses AS json) ->> c.goal
           AND NOT EXISTS (
               SELECT FROM outbox o
                WHERE o.merchant_id = c.merchant_id AND o.payment_id = c.payment_id
                  AND o.sequence BETWEEN c.first AND c.last AND o.endpoint_id = n.id)
    """,
    "the database forgets nothing that it has acknowledged": """
        SELECT name || '=' || setting FROM pg_settings
         WHERE name = ANY(:durability) AND setting = 'off'
    """,
}
