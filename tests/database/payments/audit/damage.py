"""Damage, planted past every guard of the database: one statement an invariant, and all that it
breaks, the invariant in question first."""

from services.payments.audit.prices import EXPLAINED

# Postings as a bug would write them: with the balances that go with them.
_PLANT = """
    WITH planted AS (
        INSERT INTO postings
        SELECT merchant_id, id, version, 90, '{debit}', '{credit}', '{currency}', 5, 'planted',
               now() FROM payments WHERE state = 'COMPLETED' LIMIT 1 RETURNING *
    ), sides AS (
        SELECT merchant_id, debit AS account, currency, amount_minor AS amount FROM planted
         UNION ALL SELECT merchant_id, credit, currency, -amount_minor FROM planted
    )
    INSERT INTO balances SELECT merchant_id, account, currency, amount, now() FROM sides
    ON CONFLICT (merchant_id, account, currency)
    DO UPDATE SET balance_minor = balances.balance_minor + excluded.balance_minor
"""


def _posting(debit: str, credit: str) -> str:
    return _PLANT.format(debit=debit, credit=credit, currency=debit[-3:])


_OWED = "we owe for every payment exactly what its state says"
_DEADLINE = "what waits for a person has a deadline, and nothing else has"
_FORGOTTEN = "no payment that should go on has been forgotten"
_UNLISTED = "no open payment is where the list of the overdue does not look"
_EXCHANGE = "an exchange has both its legs by the rule it was posted by"
_SUSPENSE = "on suspense is what providers have moved and no payment counts"
_POSTED_ONCE = "what happened at a provider is posted once"
_OFFRAMP = "an offramp holds what it paid out less what came back"
_ONRAMP = "an onramp holds what it collected less what it gave back and what was taken"
_REFUND = "a refund has succeeded where an attempt of it has, once, and failed where none is open"
_MESSAGE = "every message to a merchant's own endpoint is about an event of the history"

_NEWER_QUOTE = (
    "INSERT INTO quotes SELECT merchant_id, gen_random_uuid(), corridor_id, terms, trail, "
    "fee_schedule_version, payment_id, created_at + interval '1 minute', expires_at FROM quotes"
)
_MESSAGE_OF_NO_PAYMENT = (
    "INSERT INTO webhook_endpoints (merchant_id, id, url, secret) "
    "SELECT 'sandbox', gen_random_uuid(), '', ''; "
    "INSERT INTO outbox (merchant_id, payment_id, sequence, endpoint_id, event_type, body) "
    "SELECT merchant_id, gen_random_uuid(), 1, id, '', '' FROM webhook_endpoints"
)
# Only a look at everything finds a row that no payment leads to.
UNSEEN_BY_PARTS = (_NEWER_QUOTE, _MESSAGE_OF_NO_PAYMENT)

DAMAGE: list[tuple[str, tuple[str, ...]]] = [
    (
        "INSERT INTO operator_actions (merchant_id, id, operator, action, subject, note) "
        "VALUES ('', gen_random_uuid(), 'eve', 'RELEASE_HOLD', 'pay_1', '')",
        ("the chain of operators' actions is whole",),
    ),
    (
        "UPDATE balances SET balance_minor = balance_minor + 1 WHERE account = 'revenue:fees:USD'",
        (
            "the balances of a currency add up to nothing",
            "every balance is the sum of its postings",
        ),
    ),
    (
        "UPDATE balances SET balance_minor = balance_minor + 1 WHERE account = 'revenue:fees:USD';"
        "UPDATE balances SET balance_minor = balance_minor - 1 WHERE account = 'revenue:fx:USD'",
        ("every balance is the sum of its postings",),
    ),
    (
        "UPDATE postings SET sequence = 99 WHERE cause = 'paid_out'",
        ("every posting belongs to an event of its payment",),
    ),
    (
        _posting("float:here:USD", "float:there:USD"),
        ("every posting is between accounts of the book, in their currency",),
    ),
    (
        "UPDATE postings SET debit = replace(debit, 'NGN', 'INR') WHERE cause = 'exchange_bought'",
        (
            "every posting is between accounts of the book, in their currency",
            "every balance is the sum of its postings",
        ),
    ),
    (_posting("onramp:stripe:USD", "payments:USD"), (_ONRAMP, _POSTED_ONCE, _OWED)),
    (_posting("suspense:stripe:USD", "payments:USD"), (_SUSPENSE, _OWED)),
    (
        "UPDATE attempts SET moved_minor = moved_minor + 1 WHERE moved_minor IS NOT NULL",
        (_SUSPENSE, _ONRAMP),
    ),
    (
        f"{_posting('suspense:stripe:USD', 'adjustments:USD')}; "
        "UPDATE postings SET cause = 'adjustment' WHERE cause = 'planted'",
        ("an adjustment is posted once, as it is on record", _SUSPENSE),
    ),
    (_posting("payments:NGN", "offramp:local_wallet:NGN"), (_OFFRAMP, _POSTED_ONCE, _OWED)),
    (
        f"{_posting('onramp:stripe:USD', 'payments:USD')}; "
        "INSERT INTO postings SELECT merchant_id, payment_id, sequence, 91, credit, debit, "
        "currency, amount_minor, 'planted', now() FROM postings WHERE cause = 'planted'; "
        "UPDATE balances SET balance_minor = balance_minor + CASE account WHEN 'payments:USD' "
        "THEN 5 ELSE -5 END WHERE account IN ('payments:USD', 'onramp:stripe:USD')",
        (_POSTED_ONCE,),
    ),
    (
        _posting("payments:USD", "revenue:fees:USD"),
        ("fees are earned once, and while the money is refunded only where they are kept", _OWED),
    ),
    (
        _posting("fx:position:NGN", "fx:rounding:NGN"),
        (_EXCHANGE,),
    ),
    (
        _posting("payments:NGN", "fx:rounding:NGN"),
        (_OWED, _EXCHANGE),
    ),
    (
        "UPDATE payments SET version = version + 1 WHERE state = 'CREATED'",
        ("a history has no gap and ends where its payment stands",),
    ),
    (
        "UPDATE payment_events SET from_state = 'CREATED' WHERE to_state = 'COMPLETED'",
        ("every move is one that the table allows",),
    ),
    (
        "UPDATE payment_events SET to_state = 'COLLECTING' "
        "WHERE sequence = 1 AND payment_id = (SELECT id FROM payments WHERE state = 'COMPLETED')",
        ("every move is one that the table allows",),
    ),
    (
        "UPDATE payments SET hold_reason = 'late_funds', waiting_since = now(), "
        "deadline_at = now() WHERE state = 'CREATED'",
        ("a payment is held for the reason that its history gives, or not at all",),
    ),
    (
        "UPDATE payments SET hold_reason = NULL, due_at = now(), waiting_since = NULL, "
        "deadline_at = NULL WHERE hold_reason IS NOT NULL",
        ("a payment is held for the reason that its history gives, or not at all",),
    ),
    (
        "UPDATE attempts SET state = 'REVERSED' WHERE step = 'payout' AND state = 'FAILED'",
        ("what came back was paid out before, and is on record",),
    ),
    (
        "UPDATE attempts SET recipient = (SELECT p.recipient FROM payments p "
        "WHERE p.id = attempts.payment_id) WHERE step = 'collection'",
        ("a payout keeps a recipient of its own only where a person changed its payment's",),
    ),
    (
        "UPDATE attempts SET number = 2 WHERE step = 'payout'",
        ("attempts are numbered without a gap",),
    ),
    (
        "DROP INDEX attempts_one_live_idx; INSERT INTO attempts (merchant_id, payment_id, step, "
        "number, provider, key, amount_minor, currency, state, provider_reference, "
        "inconclusive_count) SELECT merchant_id, payment_id, step, 2, provider, 'planted', "
        "amount_minor, currency, 'INTENDED', '', 0 "
        "FROM attempts WHERE step = 'payout' AND state = 'SUCCEEDED'",
        ("a next attempt follows only one that is over, so that one at a time is live",),
    ),
    (
        "UPDATE attempts SET key = 'planted' WHERE step = 'collection'",
        ("no two attempts share a key",),
    ),
    (
        "UPDATE attempts SET amount_minor = amount_minor + 1 "
        "WHERE step = 'payout' AND state = 'FAILED'",
        ("an attempt moves its payment's money at a provider of its route",),
    ),
    (
        "UPDATE attempts SET sent_at = NULL WHERE state = 'ACCEPTED'",
        ("what may have been sent has the time when it was",),
    ),
    (
        "UPDATE attempts SET state = 'FAILED' WHERE step = 'collection'",
        ("what is funded was collected, once, and nothing else was", _ONRAMP, _POSTED_ONCE),
    ),
    (
        "UPDATE attempts SET state = 'SUCCEEDED' WHERE step = 'payout' AND state = 'FAILED'",
        ("what is completed was paid out, once, and nothing else was", _OFFRAMP, _POSTED_ONCE),
    ),
    (
        "UPDATE payments SET refunded_minor = refunded_minor - 1 WHERE state = 'REFUNDED'",
        ("what is refunded is the sum of the refunds that succeeded", _OWED),
    ),
    (
        "UPDATE attempts SET state = 'UNKNOWN' WHERE step = 'payout' AND state = 'FAILED'; "
        "UPDATE payments SET due_at = now() WHERE state = 'REFUNDED'",
        ("nothing is out for a payment that has ended, and no payout for one that turns back",),
    ),
    (
        "UPDATE quotes SET payment_id = NULL",
        ("a payment goes by the newest quote that names it",),
    ),
    (
        _NEWER_QUOTE,
        ("a payment goes by the newest quote that names it",),
    ),
    (
        "UPDATE quotes SET trail = jsonb_set(trail, '{rate}', '\"1\"')",
        ("a payment's terms are those of its quote", EXPLAINED),
    ),
    (
        "UPDATE quotes SET trail = jsonb_set(trail, '{markup_basis_points}', '51')",
        (EXPLAINED, "a payment's terms are those of its quote"),
    ),
    (
        "UPDATE payments SET markup_basis_points = markup_basis_points + 1 WHERE state = 'CREATED'",
        ("a payment's terms are those of its quote",),
    ),
    (
        "UPDATE quotes SET terms = jsonb_set(terms, '{fees}', '[]'); "
        "UPDATE payments SET fees = '[]'",
        ("a payment's terms add up", EXPLAINED),
    ),
    (
        "UPDATE payments SET route = route || '{\"payout_decimals\": 2}'",
        ("a payment's terms are those of its quote",),
    ),
    (
        "DELETE FROM idempotency_keys",
        ("every payment has one key that created it, and every key a payment",),
    ),
    (
        "UPDATE idempotency_keys SET operation = 'CreateRefund'",
        ("every payment has one key that created it, and every key a payment",),
    ),
    ("UPDATE payments SET due_at = NULL WHERE state = 'CREATED'", (_UNLISTED, _FORGOTTEN)),
    (
        "UPDATE refunds SET status = 'FAILED' WHERE status = 'SUCCEEDED'",
        (_REFUND,),
    ),
    (
        "UPDATE refunds SET amount_minor = amount_minor - 1 WHERE status = 'SUCCEEDED'",
        ("every attempt of a refund has its refund, at its amount",),
    ),
    (
        "UPDATE payments SET related = related + 1 WHERE related > 0",
        ("every payment counts its refunds and disputes, and one is refunded only where it is",),
    ),
    (
        "UPDATE payments SET due_at = NULL WHERE state = 'PARTLY_REFUNDED'",
        (_FORGOTTEN,),
    ),
    (
        "UPDATE payments SET waiting_since = NULL, deadline_at = NULL "
        "WHERE hold_reason IS NOT NULL",
        (_DEADLINE,),
    ),
    (
        "INSERT INTO disputes (merchant_id, payment_id, number, id, provider, provider_reference, "
        "kind, status, reason, currency, withdrawn_minor, stated_at, stops) "
        "SELECT merchant_id, id, 1, gen_random_uuid(), onramp, 'du_1', 'DISPUTE', 'LOST', '', "
        "'USD', 5, now(), true FROM payments WHERE state = 'COMPLETED' AND related = 0 LIMIT 1; "
        "UPDATE payments p SET related = 1 FROM disputes d WHERE d.payment_id = p.id",
        ("what was taken for disputes is a loss until it comes back", _ONRAMP),
    ),
    (
        "UPDATE payments SET hold_reason = 'disputed' WHERE hold_reason IS NOT NULL",
        (
            "a payment that waits for its disputes has some",
            "a payment is held for the reason that its history gives, or not at all",
        ),
    ),
    (
        "UPDATE payments SET waiting_since = now(), deadline_at = now() WHERE state = 'CREATED'",
        (_DEADLINE,),
    ),
    (
        "UPDATE payments SET due_at = now() + interval '40 days' WHERE state = 'PARTLY_REFUNDED'",
        ("what waits for its merchant is refunded at its deadline",),
    ),
    (
        "UPDATE payments SET due_at = now(), updated_at = now() - interval '40 days' "
        "WHERE state = 'COMPLETED'",
        ("no success is asked about for ever",),
    ),
    (
        "UPDATE payments SET due_at = now(), updated_at = now() - interval '40 days' "
        "WHERE state = 'COMPLETED'; "
        "UPDATE attempts SET unknown_since = now() - interval '4 days', inconclusive_count = 4000 "
        "WHERE state = 'SUCCEEDED'",
        ("no success is asked about for ever",),
    ),
    (
        "UPDATE attempts SET sent_at = now() - interval '40 days' WHERE state = 'ACCEPTED'; "
        "UPDATE payments SET updated_at = now() - interval '1 day' WHERE state = 'PAYING_OUT'",
        ("an operation that its provider leaves open is given to a person",),
    ),
    (
        "UPDATE payments SET due_at = now() - interval '1 hour' WHERE state = 'CREATED'",
        (_FORGOTTEN,),
    ),
    (
        "UPDATE payments SET due_at = NULL WHERE state = 'PAYING_OUT'",
        ("somebody will ask about every request that is out", _FORGOTTEN, _UNLISTED),
    ),
    (
        "INSERT INTO webhook_inbox SELECT 'planted', 'e1', merchant_id, id, 'paid', 'payout', "
        """'{"outcome": "SUCCEEDED", "provider_reference": "", "currency": null, "actor": "", """
        """"failure_code": null, "event_id": ""}', """
        "'', 'PENDING' FROM payments WHERE state = 'COMPLETED'",
        ("every event about a payment will be used",),
    ),
    (
        _MESSAGE_OF_NO_PAYMENT,
        (_MESSAGE,),
    ),
    (
        "INSERT INTO webhook_endpoints (merchant_id, id, url, secret, created_at) "
        "SELECT 'sandbox', gen_random_uuid(), '', '', now() - interval '1 day'",
        ("every change of a status has a message for each endpoint that was there",),
    ),
    (
        "DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() "
        "|| ' SET synchronous_commit = off'; END $$",
        ("the database forgets nothing that it has acknowledged",),
    ),
]
