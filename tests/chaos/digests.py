"""A digest of each payment's business: what a webhook that comes again must not change."""

from collections.abc import Mapping

from tests.chaos.books import connect, public_id

# The business of a payment: all that a webhook which comes again must not change. A payment at rest
# has nothing left to do, at least for the next hour.
DIGESTS = """
    SELECT p.id, md5(concat_ws('|', p.state, p.version, p.hold_reason, p.refunded_minor,
           p.payout_minor, p.quote_id, p.onramp, p.offramp, p.cancel_requested_at, p.failure_code,
           (SELECT string_agg(concat_ws(',', a.*), ';' ORDER BY a.step, a.number) FROM (
               SELECT step, number, key, provider, amount_minor, currency, state FROM attempts
                WHERE payment_id = p.id) a),
           (SELECT string_agg(concat_ws(',', f.*), ';' ORDER BY f.number) FROM (
               SELECT number, id, amount_minor, status, failure_code FROM refunds
                WHERE payment_id = p.id) f),
           (SELECT string_agg(concat_ws(',', e.*), ';' ORDER BY e.sequence) FROM (
               SELECT sequence, from_state, to_state, cause, occurred_at FROM payment_events
                WHERE payment_id = p.id) e),
           (SELECT string_agg(concat_ws(',', o.*), ';' ORDER BY o.sequence, o.position) FROM (
               SELECT sequence, position, debit, credit, currency, amount_minor FROM postings
                WHERE payment_id = p.id) o),
           (SELECT string_agg(concat_ws(',', k.*), ';' ORDER BY k.key) FROM (
               SELECT key, operation, fingerprint, response FROM idempotency_keys
                WHERE payment_id = p.id) k))) AS digest,
           p.due_at IS NULL OR p.due_at = p.deadline_at
           OR p.state = 'COMPLETED' AND p.due_at > now() + interval '1 hour' AS rests
      FROM payments p
"""
# How the digest of a payment begins that may still go on by itself.
BUSY = "busy "


async def digests(owner_url: str) -> Mapping[str, str]:
    """A digest of each payment's business, by its public id."""
    connection = await connect(owner_url)
    try:
        return {
            public_id("pay", row["id"]): ("" if row["rests"] else BUSY) + row["digest"]
            for row in await connection.fetch(DIGESTS)
        }
    finally:
        await connection.close()
