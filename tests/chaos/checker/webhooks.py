"""Events in and out: IW accepted events are kept and forged ones are not, I13 a replay changes
nothing, I14 every merchant receives every end."""

import json
from collections import defaultdict
from datetime import timedelta
from uuid import UUID

from tests.chaos.books import OutboxRow
from tests.chaos.checker.evidence import Facts
from tests.chaos.checker.money import payouts
from tests.chaos.checker.report import Finding
from tests.chaos.digests import BUSY
from tests.chaos.history import FAIL, OK
from tests.chaos.receiver import Receipt, is_genuine

TERMINAL = frozenset({"COMPLETED", "REFUNDED", "FAILED", "CANCELLED", "EXPIRED", "RETURNED"})
# How a forged event may be refused.
REFUSALS = {401, 404}
# An endpoint that is being made need not receive events that happen meanwhile.
RECEIVES_AFTER = timedelta(seconds=5)


def iw(facts: Facts) -> Finding:
    """An acknowledged event is in the inbox; a forged one is refused and is not."""
    found = Finding("IW", "an acknowledged webhook is kept, a forged one is refused")
    kept = {(row.provider, row.event_id): row.state for row in facts.ledger.inbox}
    for op in facts.operations:
        if op.invoke.f != "webhook" or op.end is None:
            continue
        meta, end = op.invoke.meta, op.end
        name = (str(meta["provider"]), op.invoke.idem_key)
        what = f"{name} ({meta.get('forged', 'genuine')}): {end.status} {end.reason}"
        if "forged" in meta:
            found.expect(op.type != OK, f"{what}, taken")
            found.expect(op.type != FAIL or end.status in REFUSALS, what)
            found.expect(name not in kept, f"{what}, in the inbox")
            continue
        found.expect(op.type != FAIL, f"{what}, refused")
        if op.type == OK and "orphan" in meta:
            # Where operators look for money that moved without us.
            unmatched = kept.get(name) == "UNMATCHED"
            found.expect(unmatched, f"{what}, an orphan that is {kept.get(name, 'lost')}")
        elif op.type == OK and (end.answer or {}).get("result") != "IGNORED":
            found.expect(name in kept, f"{what}, acknowledged and lost")
    return found


def i13(facts: Facts) -> Finding:
    """Webhooks sent again have changed no row of the business."""
    found = Finding("I13", "webhooks that are sent again change nothing")
    if facts.digests_before is None or facts.digests_after is None:
        return found
    # A success of before may have the very bytes of a late one that never arrived.
    late = {case.id for case in facts.cases if any(one.came_late for one in payouts(case.lines))}
    for payment_id, digest in facts.digests_before.items():
        # A payment that was still under way may have gone on by itself.
        if digest.startswith(BUSY):
            continue
        after = facts.digests_after.get(payment_id, "").removeprefix(BUSY)
        if after != digest and payment_id in late:
            found.explained.append(f"{payment_id}: a late success arrived")
        else:
            found.expect(after == digest, f"{payment_id} was changed by a webhook of before")
    return found


def i14(facts: Facts) -> Finding:
    """Merchants' events were committed, are signed, stay the same, and include every end."""
    found = Finding("I14", "each end is sent to the merchant; delivered means received; all signed")
    secrets = [endpoint.secret for endpoint in facts.ledger.endpoints]
    rows = {_event_id(row): row for row in facts.ledger.outbox}
    received: defaultdict[str, list[Receipt]] = defaultdict(list)
    for receipt in facts.receipts:
        received[receipt.event_id].append(receipt)
        found.expect(is_genuine(receipt, secrets), f"{receipt.event_id}: the signature is wrong")
    for event_id, receipts in received.items():
        row = rows.get(event_id)
        found.expect(row is not None, f"{event_id} was sent, and nothing of it is in the outbox")
        same = len({receipt.body_sha256 for receipt in receipts}) == 1
        found.expect(same, f"{event_id} was sent with different bodies")
    for event_id, row in rows.items():
        if row.state == "DELIVERED":
            taken = any(receipt.answered == "200" for receipt in received[event_id])
            found.expect(taken, f"{event_id} counts as delivered, and was never received")
    _every_end_is_sent(found, facts)
    return found


def _event_id(row: OutboxRow) -> str:
    """The id under which a row is sent, which its body repeats."""
    try:
        return str(json.loads(row.body)["id"])
    except (ValueError, KeyError):
        return ""


def _every_end_is_sent(found: Finding, facts: Facts) -> None:
    """An event has the status after a whole transaction, under the number of its last event."""
    last_sent: defaultdict[tuple[UUID, UUID, str], int] = defaultdict(int)
    for row in facts.ledger.outbox:
        name = (row.payment_id, row.endpoint_id, row.event_type)
        last_sent[name] = max(last_sent[name], row.sequence)
    for endpoint in facts.ledger.endpoints:
        if endpoint.disabled_at is not None:
            continue
        for case in facts.cases:
            for event in case.events:
                ends = event.to_state in TERMINAL and event.from_state != event.to_state
                if ends and event.occurred_at > endpoint.created_at + RECEIVES_AFTER:
                    name = (case.payment.id, endpoint.id, f"payment.{event.to_state.lower()}")
                    what = f"{case.id} #{event.sequence} {event.to_state} is sent to nobody"
                    found.expect(last_sent[name] >= event.sequence, what)
