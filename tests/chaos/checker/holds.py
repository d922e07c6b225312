"""Holds: I20 every hold is explained by a lie or a fault that was put there, and every lie that
must lead to one did."""

from tests.chaos.checker.evidence import Case, Facts
from tests.chaos.checker.lies import AMOUNT_LIES, ONRAMP, anywhere, asked_for, read_by
from tests.chaos.checker.money import FUNDED, UNPAID, payouts, successes_received
from tests.chaos.checker.report import Finding

# Modes after which a provider may never say how it ended.
NEVER_KNOWN = AMOUNT_LIES | frozenset(
    {"amnesia", "key_mismatch_error", "cache_500", "key_ttl", "unknown_status", "webhook_only"}
)
# Modes any of which may lead to a hold for this reason.
CAUSES = {
    "amount_mismatch": AMOUNT_LIES,
    "provider_contradicts_itself": frozenset({"amnesia", "lookup_lag", "eventual_list"}),
    "outcome_unknown": NEVER_KNOWN,
    "payout_unconfirmed": NEVER_KNOWN,
    "unknown_status": frozenset({"unknown_status"}),
}


# Effects any of which leads to a hold for this reason.
EFFECTS = {
    "disputed": ("dispute_opened", "fraud_warning", "review_opened"),
    "refund_failed": ("refund_failed", "dispute_opened"),
    "payout_reversed": ("payout_returned", "forgotten"),
    "outcome_unknown": ("forgotten",),
    "provider_contradicts_itself": ("forgotten",),
}
# An operator has stated the outcome of an attempt.
RESOLVED = "attempt_resolved"
# Events after which operators have led to a hold for this reason.
OPERATORS_CAUSES = {"operator": "held_operator", "refund_failed": RESOLVED}
# A card that waits for its payer, who never comes.
ASKS_PAYER = "pm_card_authenticationRequired"


def i20(facts: Facts) -> Finding:
    """A hold has its lie, and a lie that calls for a person has its hold."""
    found = Finding("I20", "each hold is explained, and each lie that must hold did")
    for case in facts.cases:
        reason = case.payment.hold_reason
        if reason is not None:
            if found.expect(_is_explained(facts, case, reason), f"{case.id}: no cause of {reason}"):
                found.explained.append(f"{case.id}: {reason}")
        else:
            _nothing_hidden(found, case)
    return found


def _is_explained(facts: Facts, case: Case, reason: str) -> bool:
    if reason in CAUSES and CAUSES[reason] & anywhere(facts, case):
        return True
    if reason in OPERATORS_CAUSES and _has(case, OPERATORS_CAUSES[reason]):
        return True
    if reason == "late_success":
        contradicted = any(one.came_late or one.came_back for one in payouts(case.lines))
        return contradicted or _charged_after_the_end(case)
    if reason == "late_funds":
        funded = case.when("FUNDED")
        return funded is not None and funded.occurred_at > case.payment.quote_expires_at
    if reason == "outcome_unknown" and case.payment.payment_method == ASKS_PAYER:
        return True
    return bool(case.of(*EFFECTS.get(reason, ()))) or any(
        reason in entry.get("explains", ()) for entry in facts.nemesis
    )


def _has(case: Case, cause: str) -> bool:
    return any(event.cause == cause for event in case.events)


def _charged_after_the_end(case: Case) -> bool:
    """Whether the onramp has taken the money after the collection was cancelled."""
    ends = [event.occurred_at for event in case.events if event.to_state in UNPAID]
    return any(line.time > end for line in case.of("charge_succeeded") for end in ends[:1])


def _nothing_hidden(found: Finding, case: Case) -> None:
    """A payment that goes on by itself, although somebody should have looked at it."""
    # An operator who states an outcome has seen the amount.
    resolved = _has(case, RESOLVED)
    if not resolved and AMOUNT_LIES & asked_for(case, ONRAMP):
        passed = case.payment.state in FUNDED
        found.expect(not passed, f"{case.id}: the onramp lied about the amount, and was believed")
    if not resolved and case.payment.state == "COMPLETED":
        lied = AMOUNT_LIES & read_by(case, case.payment.offramp)
        found.expect(not lied, f"{case.id}: the offramp lied about the amount, and was believed")
    last = [line.effect for line in case.of("refund_succeeded", "refund_failed")][-1:]
    found.expect(last != ["refund_failed"], f"{case.id}: a refund failed, and nobody was called")
    # A success that was true when it was stated is not late: the provider reversed it afterwards.
    failed = {a.key for a in case.attempts if a.state == "FAILED"}
    late = [one for one in payouts(case.lines) if one.came_late and one.key in failed]
    late_events = [event for one in late for event in successes_received(case, one)]
    found.expect(
        not late_events,
        f"{case.id}: we received a late success ({late_events}), and nobody was called",
    )
