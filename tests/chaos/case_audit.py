"""The result of each case, by our database, the simulator's book, and the events that the
merchant has received. A complaint is a sentence; a case without one has passed."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg

from services.shared.ids import encode_id
from tests.chaos.cases import Outcome
from tests.chaos.receiver import Receipt

_PAYMENTS = """
    SELECT p.id::text, p.reference, p.state, p.hold_reason, p.version, p.amount_minor,
           p.payout_minor, p.destination_currency, p.lease_until > now() AS leased, p.due_at,
           (SELECT count(*) FROM payment_events e
             WHERE (e.merchant_id, e.payment_id) = (p.merchant_id, p.id)) AS events,
           (SELECT count(*) FROM idempotency_keys k
             WHERE (k.merchant_id, k.payment_id) = (p.merchant_id, p.id)) AS keys,
           (SELECT count(*) FROM webhook_inbox w
             WHERE w.payment_id = p.id AND w.state = 'PENDING') AS pending_events,
           (SELECT coalesce(string_agg(d.status || ' ' || d.withdrawn_minor, ', '), '')
              FROM disputes d
             WHERE (d.merchant_id, d.payment_id) = (p.merchant_id, p.id)) AS claims,
           (SELECT count(*) FROM outbox m WHERE m.payment_id = p.id) AS messages,
           (SELECT count(*) FROM outbox m
             WHERE m.payment_id = p.id AND m.state <> 'DELIVERED') AS undelivered,
           (SELECT coalesce(max(abs(rest)), 0) FROM (
                SELECT sum(CASE WHEN debit LIKE 'payments:%' THEN amount_minor ELSE 0 END
                         - CASE WHEN credit LIKE 'payments:%' THEN amount_minor ELSE 0 END) AS rest
                  FROM postings o WHERE (o.merchant_id, o.payment_id) = (p.merchant_id, p.id)
                 GROUP BY currency) AS owed) AS rest
      FROM payments p WHERE p.reference LIKE 'fp:%'
"""
_ATTEMPTS = "SELECT payment_id::text, step, number, state, key FROM attempts"
# Nothing follows these; a payment that has another state is settled where that is its end.
_SETTLED = ("REFUNDED", "FAILED", "CANCELLED", "EXPIRED")


@dataclass(frozen=True, kw_only=True)
class Books:
    """All books at one moment."""

    payments: dict[str, list[asyncpg.Record]]
    attempts: dict[str, list[asyncpg.Record]]
    effects: dict[str, list[dict[str, Any]]]
    received: dict[str, list[Receipt]]

    def complaints(self, reference: str, expected: Outcome) -> Iterator[str]:
        """All that is not as it must be about the payment with this reference."""
        found = self.payments.get(reference, [])
        if len(found) != 1:
            yield f"{len(found)} payments for one key"
            return
        payment = found[0]
        yield from _rows(payment, expected)
        yield from _tries(self.attempts.get(payment["id"], []), expected)
        yield from self._effects(payment, expected)
        yield from _deliveries(payment, self.received.get(_public_id(payment), []), expected)

    def outcome(self, reference: str) -> str:
        """The state, and how many requests it took to get there, in words."""
        found = self.payments.get(reference, [])
        if not found:
            return "no payment"
        payment = found[0]
        held = f", held: {payment['hold_reason']}" if payment["hold_reason"] else ""
        return f"{payment['state']}{held}, {payment['events']} events"

    def _effects(self, payment: asyncpg.Record, expected: Outcome) -> Iterator[str]:
        keys = {attempt["key"] for attempt in self.attempts.get(payment["id"], [])}
        lines = [line for key in keys for line in self.effects.get(key, [])]
        counted = Counter(line["effect"] for line in lines)
        for effect, times in expected.effects.items():
            if counted[effect] != times:
                yield f"{effect} {counted[effect]} times in the simulator's book, not {times}"
        usd = (payment["amount_minor"], "USD")
        ours = {
            "charge_succeeded": usd,
            "refund_succeeded": usd,
            "payout_completed": (payment["payout_minor"], payment["destination_currency"]),
        }
        for line in lines:
            theirs = (line["amount_minor"], line["currency"].upper())
            if line["effect"] in ours and ours[line["effect"]] != theirs:
                yield f"{line['effect']}: they have {theirs}, we have {ours[line['effect']]}"


def is_settled(payment: asyncpg.Record, expected: Outcome) -> bool:
    """Whether nothing more will happen, and the merchant knows."""
    ended = payment["state"] in (*_SETTLED, expected.state) and payment["claims"] == expected.claims
    held = payment["hold_reason"] not in (None, expected.ends_hold)
    return (ended or held) and not payment["undelivered"]


async def read_payments(url: str) -> dict[str, list[asyncpg.Record]]:
    """Our payments by reference."""
    return _grouped(await _fetch(url, _PAYMENTS), "reference")


async def read_books(
    database_url: str, simulator_url: str, received: Sequence[Receipt] = ()
) -> Books:
    """Our book and the simulator's, beside what the merchant has received."""
    async with aiohttp.ClientSession(simulator_url) as session, session.get("/book") as answer:
        effects: list[dict[str, Any]] = await answer.json()
    return Books(
        payments=await read_payments(database_url),
        attempts=_grouped(await _fetch(database_url, _ATTEMPTS), "payment_id"),
        effects=_grouped(effects, "key"),
        received=_by_payment(received),
    )


def _rows(payment: asyncpg.Record, expected: Outcome) -> Iterator[str]:
    if payment["state"] != expected.state or payment["hold_reason"]:
        yield f"{payment['state']} ({payment['hold_reason'] or 'no hold'}), not {expected.state}"
    if payment["keys"] != expected.keys:
        yield f"{payment['keys']} idempotency keys"
    if payment["claims"] != expected.claims:
        yield f"claims {payment['claims']}, not {expected.claims}"
    if payment["version"] != payment["events"]:
        yield f"version {payment['version']} after {payment['events']} events"
    # A returned payment owes its payout until somebody decides.
    if payment["rest"] and payment["state"] != "RETURNED":
        yield f"{payment['rest']} left on its account"
    if payment["leased"]:
        yield "still leased"
    if payment["pending_events"]:
        yield f"{payment['pending_events']} webhooks left pending"


def _tries(attempts: Sequence[asyncpg.Record], expected: Outcome) -> Iterator[str]:
    states = {a["step"]: a["state"] for a in sorted(attempts, key=lambda a: int(a["number"]))}
    if states != expected.attempts:
        yield f"attempts {states}, not {dict(expected.attempts)}"
    last = {
        a["step"]: max(int(b["number"]) for b in attempts if b["step"] == a["step"])
        for a in attempts
    }
    if alive := [
        a["key"] for a in attempts if a["number"] < last[a["step"]] and a["state"] != "FAILED"
    ]:
        yield f"a next key while this one was alive: {', '.join(alive)}"


def _deliveries(
    payment: asyncpg.Record, received: Sequence[Receipt], expected: Outcome
) -> Iterator[str]:
    """At least once, and whenever again, under the same id with the same bytes."""
    if payment["undelivered"]:
        yield f"{payment['undelivered']} messages not delivered"
    bodies: dict[str, set[str]] = defaultdict(set)
    for receipt in received:
        bodies[receipt.event_id].add(receipt.body_sha256)
    if len(bodies) != payment["messages"]:
        yield f"{len(bodies)} of {payment['messages']} messages have come"
    if any(len(different) > 1 for different in bodies.values()):
        yield "a message came with other bytes"
    if expected.repeats and len(received) == len(bodies):
        yield "no message came again"


def _public_id(payment: asyncpg.Record) -> str:
    return encode_id("pay", UUID(payment["id"]))


async def _fetch(url: str, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()


def _by_payment(received: Sequence[Receipt]) -> dict[str, list[Receipt]]:
    grouped: dict[str, list[Receipt]] = defaultdict(list)
    for receipt in received:
        grouped[receipt.payment_id].append(receipt)
    return grouped


def _grouped(rows: Sequence[Any], name: str) -> dict[str, list[Any]]:
    grouped: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        grouped[row[name]].append(row)
    return grouped
