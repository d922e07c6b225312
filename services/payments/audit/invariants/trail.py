"""The chain of operators' actions: each entry's hash recomputed from the entry before it and from
the action itself. The first one that does not fit is named, with the damage: an action was changed
or removed, one was inserted without an entry, or entries were removed or reordered. The statement
has the words of the hash itself, and asks no function of the database that it doubts."""

_WORDS = """
    SELECT string_agg(octet_length(f.value) || ':' || f.value || ',', '' ORDER BY f.number)
      FROM unnest(ARRAY[
           c.previous_sha256, c.sequence::text, a.merchant_id, a.id::text, a.operator, a.action,
           a.subject, a.note, extract(epoch FROM a.acted_at)::text, a.credential_id, a.address,
           a.request_id, a.refusal, a.provider_answer]) WITH ORDINALITY AS f(value, number)
"""

TRAIL = {
    "the chain of operators' actions is whole": f"""
        SELECT fault || ' ' || sequence || ' ' || coalesce(action_id::text, '')
          FROM (SELECT c.sequence, c.action_id,
                       CASE WHEN c.sequence <> c.before + 1 THEN 'entry removed before'
                            WHEN c.previous_sha256 <> c.sha256_before THEN 'reordered'
                            WHEN a.id IS NULL THEN 'removed'
                            WHEN c.sha256 <> encode(
                                 sha256(convert_to(({_WORDS}), 'UTF8')), 'hex') THEN 'changed'
                       END AS fault
                  FROM (SELECT sequence, action_id, previous_sha256, sha256,
                               coalesce(lag(sequence) OVER chained, 0) AS before,
                               coalesce(lag(sha256) OVER chained, '') AS sha256_before
                          FROM operator_action_chain WINDOW chained AS (ORDER BY sequence)) AS c
                  LEFT JOIN operator_actions a ON a.id = c.action_id
                 UNION ALL
                -- It has no entry: its place is by its id, which grows with time.
                SELECT (SELECT count(*) FROM operator_action_chain e WHERE e.action_id < a.id),
                       a.id, 'inserted'
                  FROM operator_actions a
                 WHERE a.id NOT IN (SELECT action_id FROM operator_action_chain)
               ) AS faults
         WHERE fault IS NOT NULL ORDER BY sequence, fault LIMIT 1
    """,
}
