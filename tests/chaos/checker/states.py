"""Where a payment may go: I10 the table of states and the history, I16 nothing that a worker
without a lease has done, IE expiry and late funds. The table of design.md §4, written again."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise

from tests.chaos.books import AttemptRow, QuoteRow
from tests.chaos.checker.evidence import Case, Facts
from tests.chaos.checker.lies import possible
from tests.chaos.checker.report import Finding
from tests.chaos.corridors import PATIENCE_SECONDS

TABLE: Mapping[str, frozenset[str]] = {
    "CREATED": frozenset({"COLLECTING", "CANCELLED", "EXPIRED"}),
    "COLLECTING": frozenset({"FUNDED", "FAILED", "CANCELLED", "EXPIRED"}),
    "FUNDED": frozenset({"CONVERTED", "REFUNDING"}),
    "CONVERTED": frozenset({"PAYING_OUT", "REFUNDING"}),
    "PAYING_OUT": frozenset({"COMPLETED", "ACTION_REQUIRED", "REFUNDING"}),
    # COMPLETED with a refused payout that is confirmed after all.
    "ACTION_REQUIRED": frozenset({"PAYING_OUT", "COMPLETED", "REFUNDING"}),
    "COMPLETED": frozenset({"RETURNED"}),
    "RETURNED": frozenset({"PAYING_OUT", "REFUNDING"}),
    "REFUNDING": frozenset({"PARTLY_REFUNDED", "REFUNDED"}),
    "PARTLY_REFUNDED": frozenset({"REFUNDING", "REFUNDED"}),
    # With a refund that came back.
    "REFUNDED": frozenset({"PARTLY_REFUNDED"}),
    # With a collection that is confirmed after all.
    "FAILED": frozenset({"REFUNDING"}),
    "CANCELLED": frozenset({"REFUNDING"}),
    "EXPIRED": frozenset({"REFUNDING"}),
}
# The first event of a collection, payout or refund at a provider.
BEGINNINGS = ("charge_succeeded", "payout_accepted", "refund_succeeded")
# After which nothing new is sent.
LAST = frozenset({"FAILED", "CANCELLED", "EXPIRED", "REFUNDED"})
# Failures that are about the recipient.
REFUSALS = frozenset(
    {"recipient_account_blocked", "recipient_account_closed", "recipient_account_invalid"}
    | {"recipient_bank_unknown", "recipient_invalid", "recipient_limit_exceeded"}
    | {"recipient_missing", "recipient_name_mismatch", "recipient_unreachable"}
)
# Failures that say nothing of the recipient and may pass.
PASSING = frozenset(
    {"insufficient_balance", "limit_exceeded", "never_left", "not_accepted"}
    | {"access_refused", "bank_unavailable", "credentials_refused", "payouts_unavailable"}
)
# A person has changed the recipient, or the offramp, and the payout begins again.
ROUTED_AGAIN = frozenset({"recipient_corrected", "payout_forced"})
PATIENCE = timedelta(seconds=PATIENCE_SECONDS)
# The mode after which an effect comes long after its request.
LATE = "late_effect"
# A decision is made a little before it is recorded.
SLACK = timedelta(seconds=60)


def i10(facts: Facts) -> Finding:
    """Every move is allowed, and the history is whole and leads to where the payment stands."""
    found = Finding("I10", "every move is in the table, and the history leads to the present")
    for case in facts.cases:
        sequences = [event.sequence for event in case.events]
        whole = sequences == list(range(1, case.payment.version + 1))
        found.expect(whole, f"{case.id}: version {case.payment.version}, history {sequences}")
        before: str | None = None
        for event in case.events:
            stays = event.to_state == event.from_state
            first = event.from_state is None and event.to_state == "CREATED"
            allowed = first or stays or event.to_state in TABLE.get(event.from_state or "", ())
            what = f"{case.id} #{event.sequence} {event.from_state} -> {event.to_state}"
            found.expect(event.from_state == before, f"{what}, before it was {before}")
            found.expect(allowed, f"{what} is no move of the table")
            before = event.to_state
        found.expect(before == case.payment.state, f"{case.id} is {case.payment.state}")
        _attempts(found, case)
        _hold(found, case)
    return found


def _attempts(found: Finding, case: Case) -> None:
    steps: defaultdict[str, list[AttemptRow]] = defaultdict(list)
    for attempt in case.attempts:
        steps[attempt.step].append(attempt)
    for step, tries in steps.items():
        numbers = [one.number for one in tries]
        found.expect(numbers == list(range(1, len(tries) + 1)), f"{case.id} {step}: {numbers}")
        over = {"FAILED", "REVERSED"} | ({"SUCCEEDED"} if step == "refund" else set())
        for earlier in tries[:-1]:
            late = (earlier.state, earlier.failure_code) == ("SUCCEEDED", "succeeded_late")
            known = late or earlier.state in over
            found.expect(known, f"{earlier.key} is {earlier.state}, not the last")
    done = Counter(f"{one.step} {one.state}" for one in case.attempts)
    state, succeeded = case.payment.state, done["payout SUCCEEDED"]
    funded = case.when("FUNDED") is not None or case.when("REFUNDING") is not None
    what = f"{case.id} is {state}, with {dict(done)}"
    found.expect((done["collection SUCCEEDED"] == 1) == funded, what)
    found.expect((succeeded == 1) == (state == "COMPLETED") and succeeded <= 1, what)
    came_back = done["payout REVERSED"] > 0
    # One that came back may succeed once more, late.
    again = any((a.state, a.failure_code) == ("SUCCEEDED", "succeeded_late") for a in case.attempts)
    found.expect(came_back <= (case.when("RETURNED") is not None) <= (came_back or again), what)
    refunds = (a for a in case.attempts if (a.step, a.state) == ("refund", "SUCCEEDED"))
    refunded = sum(one.amount_minor for one in refunds)
    found.expect(refunded == case.payment.refunded_minor, f"{what}, refunded {refunded}")
    whole = refunded == _refundable(case)
    found.expect(whole == (state == "REFUNDED"), f"{what}, refunded {refunded}")
    _refunds(found, case)


def _refundable(case: Case) -> int:
    """The cents that the payer may get back in all."""
    payment = case.payment
    return payment.net_minor if payment.refund_fees == "kept" else payment.amount_minor


def _refunds(found: Finding, case: Case) -> None:
    """Each refund says what its attempts say, and one is under way only where its payment is."""
    done = Counter(
        one.refund_number
        for one in case.attempts
        if (one.step, one.state) == ("refund", "SUCCEEDED") and one.moved_minor != 0
    )
    for refund in case.refunds:
        succeeded = refund.status == "SUCCEEDED"
        what = f"refund {refund.number} is {refund.status}, with {done[refund.number]} successes"
        found.expect(done[refund.number] == succeeded, f"{case.id}: {what}")
    known = {refund.number for refund in case.refunds}
    found.expect(done.keys() <= known, f"{case.id}: refunds that have no record: {done}")
    pending = sum(refund.status == "PENDING" for refund in case.refunds)
    is_open = case.payment.state == "REFUNDING"
    found.expect(pending <= is_open, f"{case.id}: {pending} refunds, {case.payment.state}")


# A merchant who asks for a refund answers the hold that waited for it, an outcome the one that
# waited for nothing else, and a dispute that is over releases the one that waited for it.
HOLD_ENDS = frozenset(
    {"refund_requested", "refund_retried", "hold_ended_by_outcome", "hold_released"}
    # An operator's choice of offramp ends the hold that waited for one, and a statement the hold
    # that waited for an outcome.
    | {"payout_forced", "attempt_resolved"}
)


def _hold(found: Finding, case: Case) -> None:
    reason, held_by = case.payment.hold_reason, ""
    for event in case.events:
        if event.cause.startswith("held_"):
            held_by = event.cause
        elif event.cause in HOLD_ENDS:
            held_by = ""
    stands = held_by == (f"held_{reason}" if reason else "")
    found.expect(stands, f"{case.id}: hold {reason}, its history says {held_by or 'none'}")


def i16(facts: Facts) -> Finding:
    """No worker did anything about a payment that was no longer its own."""
    found = Finding("I16", "nothing was written or sent by a worker without a lease")
    for case in facts.cases:
        intents = Counter(
            event.evidence.get("key", "")
            for event in case.events
            if event.cause.endswith("_intended")
        )
        for key, count in intents.items():
            found.expect(count == 1, f"{key} was intended {count} times")
        _no_zombie(found, facts, case)
    return found


def _no_zombie(found: Finding, facts: Facts, case: Case) -> None:
    intended = {
        event.evidence.get("key"): event.occurred_at
        for event in case.events
        if event.cause.endswith("_intended")
    }
    # Money collected after the end is refunded, and only then is the payment over.
    back = case.when("REFUNDING")
    ends = [event for event in case.events if event.to_state in LAST]
    end = next((e for e in ends if back is None or e.sequence > back.sequence), None)
    for line in case.of(*BEGINNINGS):
        if LATE in possible(facts, case, line.provider, line.key):
            # It was sent before, and the provider took its time.
            found.explained.append(f"{line.key}: done late")
            continue
        stem, _, number = line.key.rpartition("-")
        following = intended.get(f"{stem}-{int(number) + 1}") if number.isdecimal() else None
        in_time = following is None or line.time <= following
        found.expect(in_time, f"{line.key} was sent after its successor was intended")
        began = intended.get(line.key)
        early = began is not None and line.time < began - SLACK
        found.expect(not early, f"{line.key} was sent before it was intended")
        late = end is not None and line.time > end.occurred_at
        found.expect(not late, f"{line.key} was sent after {case.id} was {case.payment.state}")


def i23(facts: Facts) -> Finding:
    """An empty balance of a moment gives nobody's money back."""
    found = Finding(
        "I23", "a payout that no offramp can pay now waits as long as its corridor says"
    )
    for case in facts.cases:
        payouts = [attempt for attempt in case.attempts if attempt.step == "payout"]
        began = next((e for e in case.events if e.cause == "payout_intended"), None)
        back = next((e for e in case.events if e.cause == "payout_failed"), None)
        if not began or not back or any(one.failure_code not in PASSING for one in payouts):
            continue
        waited = back.occurred_at - began.occurred_at
        # The rests between its rounds grow: after the last one that fits, some patience is left.
        found.expect(waited >= PATIENCE / 2, f"{case.id} was given back after {waited}")
    return found


def i24(facts: Facts) -> Finding:
    """A refusal of the recipient goes back to the merchant, and to nobody else."""
    found = Finding("I24", "after a refused recipient nothing moves until the merchant says so")
    for case in facts.cases:
        intended = [event for event in case.events if event.cause == "payout_intended"]
        began = {event.evidence.get("key"): event.sequence for event in intended}
        corrections = [e.sequence for e in case.events if e.cause in ROUTED_AGAIN]
        payouts = [attempt for attempt in case.attempts if attempt.step == "payout"]
        for refused, following in pairwise(payouts):
            if refused.failure_code in REFUSALS:
                first, then = began.get(refused.key, 0), began.get(following.key, 0)
                asked = any(first < sequence < then for sequence in corrections)
                found.expect(asked, f"{following.key} follows {refused.failure_code}")
        for event in case.events:
            back = event.cause == "payout_failed"
            code = event.evidence.get("failure_code")
            found.expect(not (back and code in REFUSALS), f"{case.id} went back after {code}")
        _recipients(found, case, began)
    return found


def _recipients(found: Finding, case: Case, began: Mapping[str | None, int]) -> None:
    """Each payout before the payment last got another recipient keeps the one that it was sent
    with."""
    changes = ROUTED_AGAIN | {"earlier_recipient_paid"}
    last = max((e.sequence for e in case.events if e.cause in changes), default=0)
    for attempt in case.attempts:
        if attempt.step == "payout" and attempt.key in began:
            keeps = attempt.recipient is not None
            what = f"{attempt.key}: {'keeps' if keeps else 'has lost'} its recipient"
            found.expect(keeps == (began[attempt.key] < last), what)


def ie(facts: Facts) -> Finding:
    """Nothing expires early, and money that comes late is exchanged by the late-funds rule only."""
    found = Finding("IE", "no expiry before its time, no late exchange but by the late-funds rule")
    quotes: defaultdict[object, list[QuoteRow]] = defaultdict(list)
    for quote in facts.ledger.quotes:
        quotes[quote.payment_id].append(quote)
    for case in facts.cases:
        offers = quotes[case.payment.id]
        if not found.expect(bool(offers), f"{case.id} has no quote"):
            continue
        binding = offers[0].expires_at + timedelta(seconds=case.payment.late_funds["grace_seconds"])
        expired, funded = case.when("EXPIRED"), case.when("FUNDED")
        if expired:
            early = expired.occurred_at < binding
            found.expect(not early, f"{case.id} expired {binding - expired.occurred_at} too early")
        if funded and case.when("CONVERTED"):
            is_first = case.payment.quote_id == offers[0].id
            # When the provider took it, by its own book, and not when it was learned of.
            charges = case.of("charge_succeeded")
            taken_at = charges[-1].time if charges else funded.occurred_at
            if taken_at <= binding - SLACK:
                found.expect(is_first, f"{case.id}: paid in time, and priced again")
            elif taken_at > binding + SLACK:
                found.expect(not is_first, f"{case.id}: paid late, exchanged at the old rate")
            if not is_first:
                _within_tolerance(found, case, offers)
    return found


def _within_tolerance(found: Finding, case: Case, offers: Sequence[QuoteRow]) -> None:
    promised = int(offers[0].terms["payout_minor"])
    tolerance = case.payment.late_funds["tolerance_basis_points"]
    least = promised * (10_000 - tolerance) // 10_000
    given = case.payment.payout_minor
    found.expect(given >= least, f"{case.id}: {given} of {promised} promised, least {least}")
