"""Attempts against the states of their payments. Each statement gives one row for each violation;
its only column says where."""

from services.shared.money import SOURCE_CURRENCY

# Something may be under way at the provider, or may have been.
OUT = "('SENT', 'ACCEPTED', 'UNKNOWN')"
# Written out on purpose: with the sets of the model an audit would share their mistakes.
UNCOLLECTED = "('CREATED', 'COLLECTING', 'FAILED', 'CANCELLED', 'EXPIRED')"
# The dollars that the payer may get back in all.
REFUNDABLE = "CASE p.refund_fees WHEN 'kept' THEN p.net_minor ELSE p.amount_minor END"

ATTEMPTS = {
    "attempts are numbered without a gap": """
        SELECT payment_id || ' ' || step FROM attempts
         GROUP BY merchant_id, payment_id, step
        HAVING min(number) <> 1 OR max(number) <> count(*)
    """,
    "a next attempt follows only one that is over, so that one at a time is live": """
        SELECT n.key FROM attempts n
          JOIN attempts a USING (merchant_id, payment_id, step)
         WHERE n.number = a.number + 1
           AND a.state NOT IN ('FAILED', 'REVERSED')
           AND NOT (step = 'refund' AND a.state = 'SUCCEEDED')
           -- What succeeded after it was over, and what never left us.
           AND NOT (n.state = 'FAILED'
                    AND (a.failure_code = 'succeeded_late' OR n.sent_at IS NULL))
    """,
    "no two attempts share a key": """
        SELECT key FROM attempts GROUP BY key HAVING count(*) > 1
    """,
    "an attempt moves its payment's money at a provider of its route": f"""
        SELECT a.key FROM attempts a
          LEFT JOIN payments p ON p.merchant_id = a.merchant_id AND p.id = a.payment_id
         -- What was never sent, and is known by its provider's word alone, may be anything.
         WHERE (a.state = 'FAILED' AND a.sent_at IS NULL) IS NOT TRUE AND CASE a.step
               WHEN 'payout' THEN (a.amount_minor, a.currency)
                    = (p.payout_minor, p.destination_currency)
                    -- Before a correction the route may have been another one.
                    AND (p.route->'offramps' ? a.provider OR a.recipient IS NOT NULL)
               WHEN 'collection' THEN (a.amount_minor, a.currency)
                    = (p.amount_minor, '{SOURCE_CURRENCY}')
                    AND p.route->'onramps' ? a.provider
               ELSE a.amount_minor BETWEEN 1 AND p.amount_minor AND a.currency = '{SOURCE_CURRENCY}'
                    AND a.provider = p.onramp END IS NOT TRUE
    """,
    "what may have been sent has the time when it was": f"""
        SELECT key FROM attempts
         WHERE state IN {OUT} AND (sent_at IS NULL OR last_sent_at < sent_at
                                 OR leaves_until < last_sent_at)
    """,
    "what is funded was collected, once, and nothing else was": f"""
        SELECT p.id::text FROM payments p
          LEFT JOIN (SELECT merchant_id, payment_id, count(*) AS times FROM attempts
                      WHERE step = 'collection' AND state = 'SUCCEEDED' GROUP BY 1, 2) AS done
            ON done.merchant_id = p.merchant_id AND done.payment_id = p.id
         WHERE coalesce(times, 0) <> CASE WHEN p.state IN {UNCOLLECTED} THEN 0 ELSE 1 END
    """,
    "what is completed was paid out, once, and nothing else was": """
        SELECT p.id::text FROM payments p
          LEFT JOIN (SELECT merchant_id, payment_id, count(*) AS times FROM attempts
                      WHERE step = 'payout' AND state = 'SUCCEEDED' GROUP BY 1, 2) AS done
            ON done.merchant_id = p.merchant_id AND done.payment_id = p.id
         WHERE coalesce(times, 0) <> CASE WHEN p.state = 'COMPLETED' THEN 1 ELSE 0 END
    """,
    "a payout keeps a recipient of its own only where a person changed its payment's": """
        SELECT a.key FROM attempts a
         WHERE a.recipient IS NOT NULL
           AND (a.step <> 'payout' OR NOT EXISTS (
                SELECT FROM payment_events e
                 WHERE e.merchant_id = a.merchant_id AND e.payment_id = a.payment_id
                   AND e.cause IN ('recipient_corrected', 'payout_forced')))
    """,
    "what is refunded is the sum of the refunds that succeeded": f"""
        SELECT p.id::text FROM payments p
          LEFT JOIN (SELECT merchant_id, payment_id, bool_or(state = 'REVERSED') AS back,
                            sum(amount_minor) FILTER (WHERE state = 'SUCCEEDED') AS given
                       FROM attempts WHERE step = 'refund' GROUP BY 1, 2) AS done
            ON done.merchant_id = p.merchant_id AND done.payment_id = p.id
         WHERE coalesce(given, 0) <> p.refunded_minor
            OR (p.state = 'REFUNDED') <> (p.refunded_minor = {REFUNDABLE})
            OR p.refunded_minor > 0
               AND p.state NOT IN ('REFUNDING', 'PARTLY_REFUNDED', 'REFUNDED')
            OR p.state = 'PARTLY_REFUNDED' AND p.refunded_minor = 0 AND back IS NOT TRUE
    """,
    "nothing is out for a payment that has ended, and no payout for one that turns back": f"""
        SELECT a.key FROM attempts a
          JOIN payments p ON p.merchant_id = a.merchant_id AND p.id = a.payment_id
         WHERE a.state IN {OUT}
           AND (p.state = ANY(:settled)
                OR a.step = 'payout'
                   AND p.state IN ('ACTION_REQUIRED', 'RETURNED', 'REFUNDING', 'PARTLY_REFUNDED'))
    """,
}
