"""Quotes, the terms that payments took from them, and the keys of their requests. Each statement
gives one row for each violation; its only column says where."""

TERMS = {
    "a payment goes by the newest quote that names it": """
        SELECT coalesce(p.id, q.payment_id)::text FROM payments p
          FULL JOIN (SELECT DISTINCT ON (merchant_id, payment_id) merchant_id, payment_id, id
                       FROM quotes WHERE payment_id IS NOT NULL
                      ORDER BY merchant_id, payment_id, created_at DESC, id DESC) AS q
            ON q.merchant_id = p.merchant_id AND q.payment_id = p.id
         WHERE q.id IS DISTINCT FROM p.quote_id
    """,
    "a payment's terms are those of its quote": """
        SELECT p.id::text FROM payments p
          JOIN quotes q ON q.merchant_id = p.merchant_id AND q.id = p.quote_id
         WHERE (p.amount_minor::text, p.fee_minor::text, p.net_minor::text, p.payout_minor::text,
                p.destination_currency, p.fees, p.corridor_id, p.fixed_side)
               IS DISTINCT FROM
               (q.terms->>'amount_minor', q.terms->>'fee_minor', q.terms->>'net_minor',
                q.terms->>'payout_minor', q.terms->>'destination_currency', q.terms->'fees',
                -- A quote from before there were two has the first.
                q.corridor_id, coalesce(q.terms->>'fixed_side', 'source'))
            OR (p.rate, p.mid_rate, p.markup_basis_points) IS DISTINCT FROM
               ((q.trail->>'rate')::numeric, (q.trail->>'mid_rate')::numeric,
                -- A trail from before the part for a closed market was kept has none.
                (q.trail->>'markup_basis_points')::numeric
                + coalesce((q.trail->>'closed_market_basis_points')::numeric, 0))
            -- A payment from before it was kept has none.
            OR p.replaced_mid_rate <> (q.trail->'override'->>'market_mid_rate')::numeric
            OR p.replaced_mid_rate IS NOT NULL
               AND q.trail->'override'->>'market_mid_rate' IS NULL
            -- A payment from before routes kept the decimals may have a quote that does not.
            OR q.terms->'route' ? 'payout_decimals'
               AND p.route->'payout_decimals' IS DISTINCT FROM q.terms->'route'->'payout_decimals'
    """,
    "a payment's terms add up": """
        SELECT p.id::text FROM payments p
          LEFT JOIN json_each_text(CAST(:digits AS json)) AS d(code, digits)
            ON d.code = p.destination_currency
         -- The smallest step of the payout in minor units: one, where the payment does not say how
         -- many decimals its route can send.
         CROSS JOIN LATERAL (SELECT power(10::numeric, digits::int
                    - coalesce((p.route->>'payout_decimals')::int, digits::int)) AS minor) AS step
         CROSS JOIN LATERAL (SELECT p.rate * power(10::numeric, digits::int - 2) AS minor) AS cent
         WHERE p.fee_minor <> (SELECT coalesce(sum((line->>'amount_minor')::bigint), 0)
                                 FROM jsonb_array_elements(p.fees) AS line)
            OR (p.payout_minor % step.minor = 0
                AND p.net_minor * cent.minor >= p.payout_minor - 0.5 * step.minor
                -- A fixed payout takes no cent more than that; else the net comes to no more.
                AND CASE p.fixed_side
                    WHEN 'destination'
                    THEN (p.net_minor - 1) * cent.minor <= p.payout_minor - 0.5 * step.minor
                    ELSE p.net_minor * cent.minor <= p.payout_minor + 0.5 * step.minor END
               ) IS NOT TRUE
    """,
    "every payment has one key that created it, and every key a payment": """
        SELECT coalesce(p.id, k.payment_id)::text FROM payments p
          FULL JOIN (SELECT merchant_id, payment_id,
                            count(*) FILTER (WHERE operation = 'CreatePayment') AS creations
                       FROM idempotency_keys GROUP BY 1, 2) AS k
            ON k.merchant_id = p.merchant_id AND k.payment_id = p.id
         WHERE p.id IS NULL OR k.creations IS DISTINCT FROM 1
    """,
}
