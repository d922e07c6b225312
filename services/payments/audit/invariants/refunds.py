"""Refunds against their attempts and their payments, and disputes against theirs. Each statement
gives one row for each violation; its only column says where."""

REFUNDS = {
    "a refund has succeeded where an attempt of it has, once, and failed where none is open": """
        SELECT f.payment_id || ' ' || f.number FROM refunds f
          LEFT JOIN (SELECT merchant_id, payment_id, refund_number,
                            count(*) FILTER (WHERE state = 'SUCCEEDED') AS succeeded,
                            count(*) FILTER (WHERE state = 'SUCCEEDED' AND moved_minor = 0) AS back,
                            count(*) FILTER (WHERE state NOT IN ('SUCCEEDED', 'FAILED', 'REVERSED'))
                            AS open
                       FROM attempts WHERE step = 'refund' GROUP BY 1, 2, 3) AS a
            ON a.merchant_id = f.merchant_id AND a.payment_id = f.payment_id
           AND a.refund_number = f.number
         WHERE CASE f.status
               WHEN 'SUCCEEDED' THEN (coalesce(succeeded, 0), coalesce(back, 0)) <> (1, 0)
               WHEN 'FAILED'
               THEN coalesce(open, 0) > 0 OR coalesce(succeeded, 0) <> coalesce(back, 0)
               ELSE coalesce(succeeded, 0) > 0 END
    """,
    "every attempt of a refund has its refund, at its amount": """
        SELECT a.key FROM attempts a
          LEFT JOIN refunds f
            ON f.merchant_id = a.merchant_id AND f.payment_id = a.payment_id
           AND f.number = a.refund_number
         WHERE a.step = 'refund'
           -- What was never sent, and is known by its provider's word alone, is nobody's yet.
           AND (a.state = 'FAILED' AND a.sent_at IS NULL AND a.refund_number IS NULL) IS NOT TRUE
           AND (f.amount_minor, f.currency) IS DISTINCT FROM (a.amount_minor, a.currency)
            OR a.step <> 'refund' AND a.refund_number IS NOT NULL
    """,
    "every payment counts its refunds and disputes, and one is refunded only where it is": """
        SELECT p.id::text FROM payments p
          LEFT JOIN (SELECT merchant_id, payment_id, count(*) AS refunds, max(number) AS last,
                            count(*) FILTER (WHERE status = 'PENDING') AS open
                       FROM refunds GROUP BY 1, 2) AS f
            ON f.merchant_id = p.merchant_id AND f.payment_id = p.id
          LEFT JOIN (SELECT merchant_id, payment_id, count(*) AS disputes, max(number) AS last
                       FROM disputes GROUP BY 1, 2) AS d
            ON d.merchant_id = p.merchant_id AND d.payment_id = p.id
         WHERE (coalesce(refunds, 0) + coalesce(disputes, 0),
                coalesce(f.last, 0) + coalesce(d.last, 0)) <> (p.related, p.related)
            OR coalesce(open, 0) > 0 AND p.state <> 'REFUNDING'
    """,
    "a payment that waits for its disputes has some": """
        SELECT p.id::text FROM payments p
         WHERE p.hold_reason = 'disputed' AND NOT EXISTS (
               SELECT FROM disputes d
                WHERE d.merchant_id = p.merchant_id AND d.payment_id = p.id)
    """,
}
