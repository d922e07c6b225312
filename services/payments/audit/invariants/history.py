"""The state of a payment against the events that led to it. Each statement gives one row for each
violation; its only column says where."""

HISTORY = {
    "a history has no gap and ends where its payment stands": """
        SELECT p.id::text FROM payments p
          LEFT JOIN (SELECT merchant_id, payment_id, count(*) AS events, max(sequence) AS last,
                            (array_agg(to_state ORDER BY sequence DESC))[1] AS state
                       FROM payment_events GROUP BY 1, 2) AS history
            ON history.merchant_id = p.merchant_id AND history.payment_id = p.id
         WHERE (events, last, history.state) IS DISTINCT FROM (p.version, p.version, p.state)
    """,
    "every move is one that the table allows": """
        SELECT payment_id || ' ' || sequence
          FROM (SELECT payment_id, sequence, from_state, to_state,
                       lag(to_state) OVER (PARTITION BY merchant_id, payment_id
                                           ORDER BY sequence) AS before
                  FROM payment_events) AS moves
         WHERE from_state IS DISTINCT FROM before
            OR from_state IS NULL AND to_state <> 'CREATED'
            OR from_state <> to_state AND NOT EXISTS (
               SELECT FROM json_to_recordset(CAST(:allowed AS json)) AS a(start text, goal text)
                WHERE a.start = from_state AND a.goal = to_state)
    """,
    "a payment is held for the reason that its history gives, or not at all": """
        SELECT p.id::text FROM payments p
          LEFT JOIN (SELECT DISTINCT ON (merchant_id, payment_id)
                            merchant_id, payment_id, sequence, reason
                       FROM payment_events
                       JOIN json_to_recordset(CAST(:holds AS json)) AS h(reason text, cause text)
                      USING (cause)
                      ORDER BY merchant_id, payment_id, sequence DESC) AS hold
            ON hold.merchant_id = p.merchant_id AND hold.payment_id = p.id
         WHERE CASE WHEN p.hold_reason IS NULL THEN hold.sequence = p.version
                    ELSE hold.reason IS DISTINCT FROM p.hold_reason END
    """,
    "what came back was paid out before, and is on record": """
        SELECT payment_id::text
          FROM (SELECT DISTINCT merchant_id, payment_id, true AS returned
                  FROM payment_events WHERE to_state = 'RETURNED') AS events
          FULL JOIN (SELECT merchant_id, payment_id, bool_or(state = 'REVERSED') AS reversed
                       FROM attempts WHERE step = 'payout'
                        -- A payout that came back may succeed once more.
                        AND (state = 'REVERSED'
                             OR state = 'SUCCEEDED' AND failure_code = 'succeeded_late')
                      GROUP BY 1, 2) AS payouts
         USING (merchant_id, payment_id)
         WHERE returned AND reversed IS NULL OR reversed AND returned IS NULL
    """,
}
