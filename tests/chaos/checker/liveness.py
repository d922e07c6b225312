"""Liveness: I15 a while after everything was healed, everything has come to its end, and I22 nobody
waits unseen meanwhile. A separate result: a payment that waits has lost no money."""

from datetime import datetime, timedelta

from tests.chaos.books import UNKNOWN_AT_MOST
from tests.chaos.checker.evidence import Case, Facts
from tests.chaos.checker.lies import ENDLESS, anywhere, asked_for
from tests.chaos.checker.report import Finding
from tests.chaos.checker.states import LAST

# An open payment that is on no hold is due again within so long.
LOOKS_AHEAD = timedelta(minutes=10)
# Between two looks at what is unknown pass some seconds, and a minute at most.
SLACK = timedelta(seconds=90)
ENDS = LAST | {"COMPLETED"}
# The merchant may correct the recipient, or refund.
CORRECTABLE = frozenset({"ACTION_REQUIRED", "RETURNED"})


def i15(facts: Facts) -> Finding:
    """No payment, event or delivery waits for the machine."""
    found = Finding("I15", "everything has come to its end, and nobody holds a lease", True)
    now = facts.ledger.now
    for case in facts.cases:
        payment = case.payment
        what = f"{case.id} is {payment.state}"
        leased = payment.lease_until is not None and payment.lease_until < now
        found.expect(not leased, f"{what} under a lease that has run out")
        if payment.hold_reason is not None:
            continue
        if _never_ends(facts, case) and payment.state not in ENDS:
            found.explained.append(f"{what}: its provider never says how it ended")
            continue
        if _waits_for_payer(case, now):
            found.explained.append(f"{what}: its payer may still act")
            continue
        done = payment.state in ENDS or _waits_for_merchant(case)
        never = "" if payment.due_at else " and never due again"
        found.expect(done, f"{what}{never} and not over, {payment.reference!r}")
        due = payment.due_at is not None and payment.due_at <= now
        found.expect(not due, f"{what} and has been due since {payment.due_at}")
        waiting = [row.event_id for row in case.inbox if row.state == "PENDING"]
        found.expect(not waiting, f"{what}, and has not read {waiting}")
    for row in facts.ledger.outbox:
        what = f"{row.payment_id} #{row.sequence} is not yet delivered to the merchant"
        if row.state == "PENDING" and (row.due_at > now or (row.lease_until or now) > now):
            found.explained.append(f"{what}, who did not take it: later")
        else:
            found.expect(row.state != "PENDING", what)
    return found


def i22(facts: Facts) -> Finding:
    """Nobody waits unseen: whatever is open comes up again soon, what nobody can find out is given
    to a person in time, and what waits for a person has a deadline."""
    found = Finding("I22", "what is open is looked at again soon, the unknown held in time", True)
    now = facts.ledger.now
    for case in facts.cases:
        payment = case.payment
        what = f"{case.id} ({payment.hold_reason or payment.state})"
        if payment.hold_reason is not None or payment.state in CORRECTABLE:
            found.expect(payment.deadline_at is not None, f"{what} waits for a person for ever")
            continue
        if payment.state in ENDS or _waits_for_merchant(case):
            continue
        soon = payment.due_at is not None and payment.due_at <= now + LOOKS_AHEAD
        is_leased = payment.lease_until is not None
        found.expect(soon or is_leased, f"{what} is due at {payment.due_at}")
        for attempt in case.attempts:
            if attempt.state == "UNKNOWN" and attempt.unknown_since is not None:
                late = now - attempt.unknown_since > UNKNOWN_AT_MOST + SLACK
                found.expect(not late, f"{what}: {attempt.key} unknown since before half an hour")
    return found


def _never_ends(facts: Facts, case: Case) -> bool:
    """Whether a provider will not say how it ended, also now that everything was healed."""
    providers = {attempt.provider for attempt in case.attempts} | {case.payment.onramp}
    asked = frozenset[str]().union(*(asked_for(case, provider) for provider in providers))
    return bool(ENDLESS & asked) or "hold" in anywhere(facts, case)


def _waits_for_payer(case: Case, now: datetime) -> bool:
    """Whether the payer was asked to act, and has time until the terms end."""
    grace = timedelta(seconds=case.payment.late_funds["grace_seconds"])
    asked = any(event.cause == "payer_asked" for event in case.events)
    binding = case.payment.quote_expires_at + grace
    return asked and case.payment.state == "COLLECTING" and now < binding + SLACK


def _waits_for_merchant(case: Case) -> bool:
    """Whether only the merchant can say how it goes on: money that came back, or a part of it."""
    payment = case.payment
    if payment.deadline_at is None or payment.due_at != payment.deadline_at:
        return False
    return payment.state in CORRECTABLE or payment.state == "PARTLY_REFUNDED"
