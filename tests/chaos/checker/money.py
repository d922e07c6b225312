"""Where the money is: I3 one charge, I4 one payout, I5 the amounts, I9 the providers' books and
ours. The order of the effects in the simulator's book counts."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise

from tests.chaos.books import AttemptRow, BookLine
from tests.chaos.checker.evidence import Case, Facts
from tests.chaos.checker.lies import AMOUNT_LIES, anywhere, possible
from tests.chaos.checker.report import Finding

FUNDED = frozenset(
    {
        *("FUNDED", "CONVERTED", "PAYING_OUT", "ACTION_REQUIRED", "COMPLETED", "RETURNED"),
        *("REFUNDING", "PARTLY_REFUNDED", "REFUNDED"),
    }
)
UNPAID = frozenset({"FAILED", "CANCELLED", "EXPIRED"})
MONEY = frozenset(
    {"charge_succeeded", "payout_accepted", "payout_completed", "payout_failed",
     "payout_returned", "refund_succeeded", "refund_failed"}
)  # fmt: skip
# The money that an onramp takes for a dispute, and gives back once it is won. Only events say so.
DISPUTED = {"dispute_withdrawn": -1, "dispute_reinstated": 1}
UNREPORTED = frozenset({"no_webhook", "bad_signature", "old_timestamp", "future_timestamp"})
# The holds of payments of which a provider knows more than our book. An amount that is not ours
# does not belong here: the stated amount stands on suspense.
IN_DOUBT = frozenset(
    {"outcome_unknown", "provider_contradicts_itself", "step_failed",
     "refund_failed", "payout_failed", "payout_reversed", "refund_reversed",
     "collection_reversed"}
)  # fmt: skip
IN_FLIGHT = frozenset({"SENT", "ACCEPTED", "UNKNOWN"})
# Providers that promise that a success is for good; that one of them takes it back is its lie.
FINAL_AT_ONCE = frozenset({"local_wallet"})


@dataclass
class Payout:
    """One payout at a provider, as far as the book has come."""

    provider: str
    key: str
    amount_minor: int
    effects: list[str] = field(default_factory=list)
    # When it succeeded last.
    succeeded_at: datetime | None = None

    @property
    def live(self) -> bool:
        """Whether the recipient has the money, or may get it."""
        return self.effects[-1] in ("payout_accepted", "payout_completed")

    @property
    def paid(self) -> bool:
        """Whether the recipient has the money."""
        return self.effects[-1] == "payout_completed"

    @property
    def came_back(self) -> bool:
        """Whether it has failed after it had succeeded; the statement of either may come last."""
        return "payout_completed" in self.effects and not self.live

    @property
    def came_late(self) -> bool:
        """Whether it succeeded after the provider had said that it failed, or had come back."""
        return self.paid and not {"payout_failed", "payout_returned"}.isdisjoint(self.effects)


def payouts(lines: Sequence[BookLine]) -> Sequence[Payout]:
    """The payouts of a payment and how they ended."""
    found: dict[tuple[str, str], Payout] = {}
    for _ in _replayed(lines, found):
        pass
    return list(found.values())


def given_back(lines: Iterable[BookLine]) -> Sequence[BookLine]:
    """The refunds that stand: one that came back does not, unless it is there again."""
    known = [line for line in lines if line.effect in ("refund_succeeded", "refund_failed")]
    last = {(line.provider, line.id): line for line in known}
    return [line for line in last.values() if line.effect == "refund_succeeded"]


def _replayed(
    lines: Sequence[BookLine], found: dict[tuple[str, str], Payout]
) -> Iterator[BookLine]:
    """Brings the payouts up to date line by line."""
    for line in lines:
        if line.effect in MONEY and line.effect.startswith("payout_"):
            name = (line.provider, line.id)
            payout = found.setdefault(name, Payout(line.provider, line.key, line.amount_minor))
            payout.effects.append(line.effect)
            if line.effect == "payout_completed":
                payout.succeeded_at = line.time
        yield line


def i3(facts: Facts) -> Finding:
    """The payer is charged once, and for a payment that goes on."""
    found = Finding("I3", "a funded payment has one charge, and no payment has ever two")
    for case in facts.cases:
        charges = case.of("charge_succeeded")
        state, hold = case.payment.state, case.payment.hold_reason
        if len(charges) > 1 and _forgotten_between(case, charges):
            found.explained.append(f"{case.id}: charged again after the onramp forgot it")
        else:
            found.expect(len(charges) <= 1, f"{case.id} ({state}) was charged {len(charges)} times")
        if state in FUNDED:
            found.expect(bool(charges), f"{case.id} is {state} and was never charged")
        elif state in UNPAID and charges:
            back = sum(line.amount_minor for line in given_back(case.lines))
            taken = sum(line.amount_minor for line in charges)
            kept = taken > back and hold is None
            if kept and _not_known_by_its_onramp(case, charges):
                found.explained.append(f"{case.id} is {state}: the onramp forgot the charge")
            else:
                found.expect(not kept, f"{case.id} is {state}, and the payer was charged")
    return found


def _not_known_by_its_onramp(case: Case, charges: Sequence[BookLine]) -> bool:
    """Whether the onramp has forgotten every charge, so that only its statement can show it."""
    forgotten = {line.id for line in case.of("forgotten")}
    return all(charge.id in forgotten for charge in charges)


def _forgotten_between(case: Case, charges: Sequence[BookLine]) -> bool:
    """Whether every charge but the last was forgotten before the next one was made."""
    lines = list(case.lines)
    for first, second in pairwise(charges):
        between = lines[lines.index(first) : lines.index(second)]
        if not any(line.effect == "forgotten" and line.id == first.id for line in between):
            return False
    return True


def i4(facts: Facts) -> Finding:
    """The recipient is paid once, with money that is there."""
    found = Finding("I4", "never two live payouts; none without a charge, none beside a refund")
    cancelled = {
        op.end.payment_id
        for op in facts.operations
        if op.invoke.f == "cancel" and op.type == "ok" and op.end
    }
    for case in facts.cases:
        _one_at_a_time(found, case)
        if case.payment.state == "COMPLETED" and case.payment.hold_reason is None:
            paid = [one for one in payouts(case.lines) if one.paid]
            if not paid and case.of("payout_returned") and _cannot_know(case):
                found.explained.append(f"{case.id}: taken back, and we cannot know it yet")
            else:
                found.expect(bool(paid), f"{case.id} is COMPLETED and nobody was paid")
        if case.id in cancelled and not case.when("ACTION_REQUIRED"):
            found.expect(not case.of("payout_accepted"), f"{case.id} was cancelled and paid out")
    return found


def _cannot_know(case: Case) -> bool:
    """Whether a payout may be taken back without a report to us: by a provider that calls its
    success final, or before the last time that we ask."""
    lied = any(one.provider in FINAL_AT_ONCE for one in payouts(case.lines))
    return lied or case.payment.due_at is not None


def _one_at_a_time(found: Finding, case: Case) -> None:
    state: dict[tuple[str, str], Payout] = {}
    charged = refunded = False
    for line in _replayed(case.lines, state):
        charged = charged or line.effect == "charge_succeeded"
        if line.effect == "payout_accepted":
            found.expect(charged, f"{case.id}: paid out before it was charged")
            found.expect(not refunded, f"{case.id}: paid out after it was refunded")
        if line.effect == "refund_succeeded":
            refunded = True
        live = [one for one in state.values() if one.live]
        if len(live) > 1 or (refunded and live):
            _explain(found, case, live, refunded)
            return
    found.checked += 1


def _explain(found: Finding, case: Case, live: Sequence[Payout], refunded: bool) -> None:
    what = f"{case.id}: {len(live)} live payouts{' beside a refund' if refunded else ''}"
    late = [one for one in live if one.came_late]
    allowed = 0 if refunded else 1
    # All others may be successes after the provider's own failure. Such a success calls a person,
    # unless it has come back before anybody could be asked about it.
    is_late = len(live) - len(late) <= allowed
    last = {(one.provider, one.key) for one in payouts(case.lines) if one.live}
    stands = [one for one in late if (one.provider, one.key) in last]
    if is_late and (case.payment.hold_reason == "late_success" or not _was_received(case, stands)):
        found.explained.append(what)
    elif _not_forgotten(case, live) <= allowed:
        found.explained.append(f"{what}: the offramp forgot one")
    else:
        found.expect(False, f"{what} {[(one.provider, one.key, one.effects) for one in live]}")


def _was_received(case: Case, late: Sequence[Payout]) -> bool:
    """Whether we have received one of the late successes."""
    return any(successes_received(case, one) for one in late)


def successes_received(case: Case, payout: Payout) -> Sequence[str]:
    """The events that we have received of the last success of a payout: one that came before it is
    of an earlier success."""
    return [
        row.event_id
        for row in case.inbox
        if row.answer.get("outcome") == "SUCCEEDED"
        and row.answer.get("key") == payout.key
        and payout.succeeded_at is not None
        and row.received_at >= payout.succeeded_at
    ]


def _not_forgotten(case: Case, live: Sequence[Payout]) -> int:
    forgotten = {(line.provider, line.key) for line in case.of("forgotten")}
    return sum((one.provider, one.key) not in forgotten for one in live)


def i5(facts: Facts) -> Finding:
    """To the minor unit, and nothing of which we had not written the intent."""
    found = Finding("I5", "the amounts at the providers are ours; refunds never exceed the charge")
    known = {attempt.key: attempt for attempt in facts.ledger.attempts}
    for line in facts.book:
        if line.effect not in MONEY:
            continue
        attempt = known.get(line.key)
        what = f"{line.provider} {line.effect} {line.key}"
        if not found.expect(attempt is not None, f"{what}: there is no such attempt"):
            continue
        assert attempt is not None
        wanted = (attempt.provider, attempt.amount_minor, attempt.currency)
        stated = (line.provider, line.amount_minor, line.currency)
        found.expect(wanted == stated, f"{what}: {stated}, intended {wanted}")
    for case in facts.cases:
        _amounts(found, case)
    return found


def _amounts(found: Finding, case: Case) -> None:
    payment = case.payment
    for attempt in case.attempts:
        if attempt.step == "collection":
            wanted = (payment.amount_minor, "USD")
        elif attempt.step == "payout":
            wanted = (payment.payout_minor, payment.destination_currency)
        else:
            wanted = (min(attempt.amount_minor, payment.amount_minor), "USD")
        stated = (attempt.amount_minor, attempt.currency)
        found.expect(stated == wanted, f"{attempt.key}: {stated}, agreed {wanted}")
    taken = sum(line.amount_minor for line in case.of("charge_succeeded"))
    back = sum(line.amount_minor for line in given_back(case.lines))
    found.expect(back <= taken, f"{case.id}: {back} given back of {taken}")
    found.expect(payment.refunded_minor <= back, f"{case.id}: refunds that nobody has made")


def i9(facts: Facts) -> Finding:
    """Provider by provider and currency by currency, and every difference by its payment."""
    found = Finding("I9", "the providers' books and our accounts of them agree")
    total: Counter[str] = Counter()
    explained: Counter[str] = Counter()
    for case in facts.cases:
        for account, difference in differences(case).items():
            total[account] += difference
            rest = difference - _misstated(facts, case, account)
            rest -= _unreported(facts, case, account)
            if difference and (rest == 0 or _is_explained(case, account, rest)):
                explained[account] += difference
                found.explained.append(f"{case.id} {account} {difference:+}")
            else:
                hold = case.payment.hold_reason or case.payment.state
                what = f"{case.id} ({hold}) {account}: theirs is {difference:+} more"
                found.expect(difference == 0, what)
    for account, difference in by_account(facts).items():
        rest = difference - explained[account]
        found.expect(rest == 0, f"{account}: a difference of {rest:+} that no payment explains")
    return found


def _unreported(facts: Facts, case: Case, account: str) -> int:
    """The part of a difference that disputes are of which no event has come."""
    lines = [line for line in case.of(*DISPUTED) if account == f"onramp:{line.provider}:USD"]
    if not lines or not UNREPORTED & anywhere(facts, case):
        return 0
    theirs = sum(DISPUTED[line.effect] * line.amount_minor for line in lines)
    return theirs + sum(dispute.withdrawn_minor for dispute in case.disputes)


def differences(case: Case) -> Counter[str]:
    """The debits less credits of providers' accounts by their books, less those by ours."""
    theirs, ours = _theirs(case), _ours(case)
    return Counter({name: theirs[name] - ours[name] for name in {*theirs, *ours}})


def _theirs(case: Case) -> Counter[str]:
    sums = _refunds(case.lines)
    for line in case.of("charge_succeeded"):
        sums[f"onramp:{line.provider}:USD"] += line.amount_minor
    for line in case.of(*DISPUTED):
        sums[f"onramp:{line.provider}:USD"] += DISPUTED[line.effect] * line.amount_minor
    for payout in payouts(case.lines):
        if payout.paid:
            currency = case.payment.destination_currency
            sums[f"offramp:{payout.provider}:{currency}"] -= payout.amount_minor
    return sums


def _refunds(lines: Sequence[BookLine]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for line in given_back(lines):
        sums[f"onramp:{line.provider}:USD"] -= line.amount_minor
    return sums


def _ours(case: Case) -> Counter[str]:
    sums: Counter[str] = Counter()
    for posting in case.postings:
        for account, sign in ((posting.debit, 1), (posting.credit, -1)):
            if account.startswith(("onramp:", "offramp:")):
                sums[account] += sign * posting.amount_minor
    return sums


def _misstated(facts: Facts, case: Case, account: str) -> int:
    """The real effects less the false statements of a provider, among our postings that rest on
    its word."""
    kind, provider, currency = account.split(":")
    misstated = [
        one
        for one in case.attempts
        if one.moved_minor is not None
        and one.provider == provider
        and (one.step == "payout") == (kind == "offramp")
        and AMOUNT_LIES & possible(facts, case, provider, one.key)
    ]
    happened = _theirs(replace(case, lines=_about(case, {one.key for one in misstated})))
    said = sum(
        (one.moved_minor or 0) * (1 if one.step == "collection" else -1)
        for one in misstated
        if one.moved_currency == currency
    )
    return happened[account] - said


def _about(case: Case, keys: set[str]) -> Sequence[BookLine]:
    return [line for line in case.lines if line.key in keys]


def _is_explained(case: Case, account: str, difference: int) -> bool:
    """A held payment's difference is that of whole operations, none of which we made up."""
    provider = account.split(":")[1]
    operations = [attempt.amount_minor for attempt in case.attempts if attempt.provider == provider]
    is_whole = abs(difference) in {0, *operations, sum(operations)}
    if case.payment.hold_reason in IN_DOUBT and is_whole:
        return True
    if abs(difference) in {a.amount_minor for a in case.attempts if _is_open(case, a)}:
        return True
    if case.of("forgotten") and is_whole:
        return True
    known = {one.key for one in case.attempts if one.state == "REVERSED"}
    unknown = {line.key for line in case.of("payout_returned")} - known
    taken_back = unknown and _cannot_know(case)
    unreceived = [one for one in payouts(case.lines) if one.came_late and one.provider == provider]
    return bool((taken_back or unreceived) and is_whole and not _was_received(case, unreceived))


def _is_open(case: Case, attempt: AttemptRow) -> bool:
    """Whether its provider may have moved money without our knowing: not where it has stated an
    amount, and an onramp states the amount with each answer."""
    is_stated = case.payment.hold_reason == "amount_mismatch" and attempt.step == "collection"
    return attempt.state in IN_FLIGHT and attempt.moved_minor is None and not is_stated


def by_account(facts: Facts) -> Counter[str]:
    """Theirs less ours, from the whole books and no payment's share of them."""
    sums = _refunds(facts.book)
    latest: dict[tuple[str, str], BookLine] = {}
    for line in facts.book:
        if line.effect == "charge_succeeded":
            sums[f"onramp:{line.provider}:USD"] += line.amount_minor
        elif line.effect in DISPUTED:
            sums[f"onramp:{line.provider}:USD"] += DISPUTED[line.effect] * line.amount_minor
        elif line.effect in MONEY:
            latest[line.provider, line.id] = line
    for line in latest.values():
        if line.effect == "payout_completed":
            sums[f"offramp:{line.provider}:{line.currency}"] -= line.amount_minor
    kept: defaultdict[str, int] = defaultdict(int)
    for row in facts.ledger.balances:
        if row.account.startswith(("onramp:", "offramp:")):
            kept[row.account] += row.balance_minor
    for account, balance in kept.items():
        sums[account] -= balance
    return sums
