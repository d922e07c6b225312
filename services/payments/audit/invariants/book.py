"""The book against itself, and against the attempts and the terms that its postings stand for. They
alone determine the balance of a payment's account; the causes of the postings do not matter. Each
statement gives one row for each violation; its only column says where."""

from services.payments.audit.invariants.attempts import REFUNDABLE
from services.payments.model.adjustment import CAUSE as ADJUSTMENT
from services.shared.money import SOURCE_CURRENCY

# The effect of every posting on each of its two accounts.
SIDES = """
    SELECT merchant_id, payment_id, debit AS account, currency, amount_minor AS amount
      FROM postings
     UNION ALL
    SELECT merchant_id, payment_id, credit, currency, -amount_minor FROM postings
"""
# The money that each attempt is known to have moved at its provider, and the counted part of it.
MOVED = """
    SELECT merchant_id, payment_id, step, provider, coalesce(moved_currency, currency) AS currency,
           CASE WHEN moved_minor IS NOT NULL THEN moved_minor
                WHEN state = 'SUCCEEDED' THEN amount_minor ELSE 0 END AS amount
      FROM attempts
"""
# The money that providers have taken for claims against collections.
WITHDRAWN = """
    SELECT merchant_id, payment_id, 'dispute', provider, currency, withdrawn_minor FROM disputes
     WHERE withdrawn_minor <> 0
"""
# The change of each account by adjustments, as two people agreed on them.
ADJUSTED = """
    SELECT merchant_id, payment_id, debit AS account, currency, amount_minor AS amount
      FROM adjustments
     UNION ALL
    SELECT merchant_id, payment_id, credit, currency, -amount_minor FROM adjustments
"""
# The attempts whose money has moved, with how often one came back: it may succeed again.
ENDS = """
    SELECT a.merchant_id, a.payment_id, a.step, a.provider, a.currency, a.state,
           CASE WHEN a.step IN ('payout', 'refund')
                     AND (a.state = 'REVERSED' OR a.failure_code = 'succeeded_late')
                THEN (SELECT count(*) FROM payment_events e
                       WHERE e.merchant_id = a.merchant_id AND e.payment_id = a.payment_id
                         AND e.cause IN ('payout_returned', 'refund_returned')
                         AND e.evidence->>'key' = a.key)
                ELSE 0 END AS returns
      FROM attempts a WHERE a.state IN ('SUCCEEDED', 'REVERSED')
"""
# Where the exchange of a payment stands in the book: done, and not taken back.
EXCHANGED = "state IN ('CONVERTED', 'PAYING_OUT', 'ACTION_REQUIRED', 'COMPLETED', 'RETURNED')"
GIVING_BACK = "state IN ('REFUNDING', 'PARTLY_REFUNDED', 'REFUNDED')"
EARNED = f"""
    ({EXCHANGED} OR state = 'FUNDED' OR refund_fees = 'kept' AND {GIVING_BACK})
"""


def _adjusted(kind: str) -> str:
    return f"""
        SELECT merchant_id, payment_id, account, amount FROM ({ADJUSTED}) AS adjusted
         WHERE split_part(account, ':', 1) = '{kind}'
    """


BOOK = {
    "every balance is the sum of its postings": f"""
        SELECT account || ' ' || currency
          FROM (SELECT merchant_id, account, currency, sum(amount) AS total
                  FROM ({SIDES}) AS sides GROUP BY 1, 2, 3) AS summed
          FULL JOIN balances USING (merchant_id, account, currency)
         WHERE total IS DISTINCT FROM balance_minor
    """,
    "the balances of a currency add up to nothing": """
        SELECT currency FROM balances GROUP BY currency HAVING sum(balance_minor) <> 0
    """,
    "every posting belongs to an event of its payment": """
        SELECT t.payment_id || ' ' || t.sequence || ' ' || t.cause FROM postings t
          LEFT JOIN payment_events e USING (merchant_id, payment_id, sequence)
         WHERE e.sequence IS NULL
    """,
    "every posting is between accounts of the book, in their currency": """
        WITH kinds AS MATERIALIZED (SELECT DISTINCT debit, credit, currency FROM postings)
        SELECT debit || ' ' || credit || ' ' || currency FROM kinds
         WHERE NOT (debit ~ :accounts AND credit ~ :accounts
                    AND right(debit, 3) = currency AND right(credit, 3) = currency)
    """,
    "an onramp holds what it collected less what it gave back and what was taken": f"""
        SELECT payment_id || ' ' || account
          FROM (SELECT merchant_id, payment_id, account, sum(amount) AS held
                  FROM ({SIDES}) AS sides WHERE split_part(account, ':', 1) = 'onramp'
                 GROUP BY 1, 2, 3) AS posted
          FULL JOIN (SELECT merchant_id, payment_id, account, sum(amount) AS moved
                       FROM (SELECT merchant_id, payment_id,
                                    concat_ws(':', 'onramp', provider, currency) AS account,
                                    CASE step WHEN 'collection' THEN amount ELSE -amount END
                                        AS amount
                               FROM ({MOVED} UNION ALL {WITHDRAWN}) AS sides
                              WHERE step <> 'payout'
                              UNION ALL
                             {_adjusted("onramp")}) AS sides
                      GROUP BY 1, 2, 3) AS done
         USING (merchant_id, payment_id, account)
         WHERE coalesce(held, 0) <> coalesce(moved, 0)
    """,
    "what was taken for disputes is a loss until it comes back": f"""
        SELECT payment_id || ' ' || currency
          FROM (SELECT merchant_id, payment_id, currency, sum(amount) AS lost
                  FROM ({SIDES}) AS sides WHERE split_part(account, ':', 1) = 'chargebacks'
                 GROUP BY 1, 2, 3) AS posted
          FULL JOIN (SELECT merchant_id, payment_id, currency, sum(amount) AS taken
                       FROM (SELECT merchant_id, payment_id, currency, withdrawn_minor AS amount
                               FROM disputes
                              UNION ALL
                             SELECT merchant_id, payment_id, currency, amount
                               FROM ({ADJUSTED}) AS a
                              WHERE split_part(account, ':', 1) = 'chargebacks') AS sides
                      GROUP BY 1, 2, 3) AS done
         USING (merchant_id, payment_id, currency)
         WHERE coalesce(lost, 0) <> coalesce(taken, 0)
    """,
    "an offramp holds what it paid out less what came back": f"""
        SELECT payment_id || ' ' || account
          FROM (SELECT merchant_id, payment_id, account, sum(amount) AS held
                  FROM ({SIDES}) AS sides WHERE split_part(account, ':', 1) = 'offramp'
                 GROUP BY 1, 2, 3) AS posted
          FULL JOIN (SELECT merchant_id, payment_id, account, sum(amount) AS moved
                       FROM (SELECT merchant_id, payment_id,
                                    concat_ws(':', 'offramp', provider, currency) AS account,
                                    -amount AS amount
                               FROM ({MOVED}) AS attempts WHERE step = 'payout'
                              UNION ALL
                             {_adjusted("offramp")}) AS sides
                      GROUP BY 1, 2, 3) AS done
         USING (merchant_id, payment_id, account)
         WHERE coalesce(held, 0) <> coalesce(moved, 0)
    """,
    "on suspense is what providers have moved and no payment counts": f"""
        SELECT payment_id || ' ' || account
          FROM (SELECT merchant_id, payment_id, account, sum(amount) AS held
                  FROM ({SIDES}) AS sides WHERE split_part(account, ':', 1) = 'suspense'
                 GROUP BY 1, 2, 3) AS posted
          FULL JOIN (SELECT merchant_id, payment_id, account, sum(amount) AS uncounted
                       FROM (SELECT merchant_id, payment_id,
                                    concat_ws(':', 'suspense', provider, currency) AS account,
                                    CASE step WHEN 'collection' THEN -amount ELSE amount END
                                        AS amount
                               FROM ({MOVED}
                                      UNION ALL
                                     SELECT merchant_id, payment_id, step, provider, currency,
                                            -amount_minor
                                       FROM attempts WHERE state = 'SUCCEEDED') AS moved
                              UNION ALL
                             {_adjusted("suspense")}) AS sides
                      GROUP BY 1, 2, 3) AS done
         USING (merchant_id, payment_id, account)
         WHERE coalesce(held, 0) <> coalesce(uncounted, 0)
    """,
    "an adjustment is posted once, as it is on record": f"""
        SELECT payment_id || ' ' || sequence
          FROM (SELECT merchant_id, payment_id, sequence, debit, credit, currency, amount_minor,
                       count(*) AS times
                  FROM postings WHERE cause = '{ADJUSTMENT}'
                 GROUP BY 1, 2, 3, 4, 5, 6, 7) AS posted
          FULL JOIN (SELECT merchant_id, payment_id, sequence, debit, credit, currency,
                            amount_minor, true AS is_recorded
                       FROM adjustments) AS recorded
         USING (merchant_id, payment_id, sequence, debit, credit, currency, amount_minor)
         WHERE times IS DISTINCT FROM 1 OR is_recorded IS NULL
    """,
    "what happened at a provider is posted once": f"""
        SELECT payment_id || ' ' || account || ' ' || direction
          FROM (SELECT merchant_id, payment_id, debit AS account, 'in' AS direction,
                       count(*) AS postings
                  FROM postings WHERE split_part(debit, ':', 1) IN ('onramp', 'offramp')
                   AND NOT credit ~ '^(suspense|chargebacks):' GROUP BY 1, 2, 3
                 UNION ALL
                SELECT merchant_id, payment_id, credit, 'out', count(*)
                  FROM postings WHERE split_part(credit, ':', 1) IN ('onramp', 'offramp')
                   AND NOT debit ~ '^(suspense|chargebacks):' GROUP BY 1, 2, 3) AS posted
          FULL JOIN (SELECT merchant_id, payment_id, concat_ws(':', CASE step
                                WHEN 'payout' THEN 'offramp' ELSE 'onramp' END, provider, currency)
                                AS account, direction, sum(times) AS times
                       FROM ({ENDS}) AS ended
                      CROSS JOIN LATERAL (
                            VALUES ('in', CASE step WHEN 'collection' THEN 1 ELSE returns END),
                                   ('out', CASE step WHEN 'collection' THEN 0 ELSE returns
                                           + CAST(state = 'SUCCEEDED' AS integer) END)
                            ) AS sides(direction, times)
                      WHERE times > 0 GROUP BY 1, 2, 3, 4) AS done
         USING (merchant_id, payment_id, account, direction)
         WHERE postings IS DISTINCT FROM times
    """,
    "fees are earned once, and while the money is refunded only where they are kept": f"""
        SELECT p.id::text FROM payments p
          LEFT JOIN (SELECT merchant_id, payment_id, sum(amount) AS earned
                       FROM ({SIDES}) AS sides
                      WHERE split_part(account, ':', 1) = 'revenue'
                        AND split_part(account, ':', 2) = 'fees' GROUP BY 1, 2) AS fees
            ON fees.merchant_id = p.merchant_id AND fees.payment_id = p.id
         WHERE coalesce(earned, 0) <> CASE WHEN {EARNED} THEN -fee_minor ELSE 0 END
    """,
    "an exchange has both its legs by the rule it was posted by": f"""
        SELECT p.id::text
          FROM (SELECT merchant_id, id, destination_currency, net_minor, mid_rate, payout_minor,
                       exchange_rule, fixed_side,
                       CASE WHEN jsonb_typeof(route->'payout_decimals') = 'number'
                            THEN CAST(route->>'payout_decimals' AS numeric) END AS decimals,
                       round(net_minor * markup_basis_points / 10000.0) AS markup,
                       {EXCHANGED} AS exchanged
                  FROM payments) AS p
          JOIN json_each_text(CAST(:digits AS json)) AS d(code, digits)
            ON d.code = p.destination_currency
          LEFT JOIN (SELECT merchant_id, payment_id,
                            sum(amount) FILTER (WHERE kind = 'revenue') AS revenue,
                            sum(amount) FILTER (WHERE part = 'position'
                                                AND currency = '{SOURCE_CURRENCY}') AS sold,
                            sum(amount) FILTER (WHERE part = 'position'
                                                AND currency <> '{SOURCE_CURRENCY}') AS bought,
                            sum(amount) FILTER (WHERE part = 'rounding') AS rounding
                       FROM (SELECT merchant_id, payment_id, currency, amount,
                                    split_part(account, ':', 1) AS kind,
                                    split_part(account, ':', 2) AS part
                               FROM ({SIDES}) AS sides) AS parts
                      WHERE part IN ('fx', 'position', 'rounding') GROUP BY 1, 2) AS x
            ON x.merchant_id = p.merchant_id AND x.payment_id = p.id
         WHERE coalesce(revenue, 0) <> CASE WHEN exchanged THEN -markup ELSE 0 END
            OR coalesce(sold, 0) <> CASE WHEN exchanged THEN markup - net_minor ELSE 0 END
            OR coalesce(bought, 0) + coalesce(rounding, 0)
               <> CASE WHEN exchanged THEN payout_minor ELSE 0 END
            OR exchanged AND exchange_rule = 1
               AND abs(bought - (net_minor - markup) * mid_rate
                                * power(10::numeric, digits::int - 2)) > 0.5
            -- To half a unit of the rail and half a cent, and the eighteenth digit of the rate; and
            -- to a cent more, where the payout is fixed and the net is rounded up to cents.
            OR exchanged AND exchange_rule <> 1
               AND (coalesce(rounding, 0) <> 0
                    OR abs(bought - (net_minor - markup) * mid_rate
                                    * power(10::numeric, digits::int - 2))
                       > 0.501 * power(10::numeric, digits::int - coalesce(decimals, digits::int))
                         + (CASE fixed_side WHEN 'destination' THEN 1.501 ELSE 0.501 END)
                           * mid_rate * power(10::numeric, digits::int - 2))
            OR NOT exchanged AND coalesce(bought, 0) <> 0
    """,
    "we owe for every payment exactly what its state says": f"""
        SELECT payment_id || ' ' || currency
          FROM (SELECT merchant_id, payment_id, currency, sum(amount) AS owed
                  FROM ({SIDES}) AS sides WHERE split_part(account, ':', 1) = 'payments'
                 GROUP BY 1, 2, 3) AS posted
          FULL JOIN (SELECT merchant_id, id AS payment_id, '{SOURCE_CURRENCY}' AS currency,
                            CASE WHEN state = 'FUNDED' THEN -net_minor
                                 WHEN {GIVING_BACK} THEN refunded_minor - {REFUNDABLE}
                                 ELSE 0 END AS promised
                       FROM payments p
                      UNION ALL
                     SELECT merchant_id, id, destination_currency,
                            CASE WHEN state IN ('CONVERTED', 'PAYING_OUT', 'ACTION_REQUIRED',
                                                'RETURNED')
                                 THEN -payout_minor ELSE 0 END
                       FROM payments) AS states
         USING (merchant_id, payment_id, currency)
         WHERE coalesce(owed, 0) <> coalesce(promised, 0)
    """,
}
