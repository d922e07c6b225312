"""Our own book: I6 every account of a payment is what its history says, I7 balances are the sums of
postings, I8 nothing is left of a payment that is over. The rules of design.md §5, written again."""

from collections import Counter
from decimal import ROUND_HALF_UP, Context, Decimal

from tests.chaos.books import AttemptRow
from tests.chaos.checker.evidence import Case, Facts
from tests.chaos.checker.report import Finding

OVER = frozenset({"COMPLETED", "REFUNDED", "FAILED", "CANCELLED", "EXPIRED"})
EXACT = Context(prec=60)
# The sign that an account must never have: its debits less its credits. An onramp collects dollars;
# in another currency its account has only what it stated wrongly, and of a refund that is negative.
COLLECTED = "USD"
NEVER_POSITIVE = ("offramp:", "payments:", "revenue:")


def i6(facts: Facts) -> Finding:
    """Each payment's postings add up to what its history says has happened."""
    found = Finding("I6", "the postings of a payment are those that its history asks for")
    for case in facts.cases:
        for posting in case.postings:
            well_formed = posting.amount_minor > 0 and posting.debit != posting.credit
            currencies = {posting.debit.rsplit(":")[-1], posting.credit.rsplit(":")[-1]}
            same = currencies == {posting.currency}
            found.expect(well_formed and same, f"{case.id}: a posting that cannot be: {posting}")
            known = posting.sequence <= case.payment.version
            found.expect(known, f"{case.id}: a posting of no event: {posting}")
        wanted, kept = _expected(case), _actual(case)
        for account in {*wanted, *kept}:
            what = f"{case.id} ({case.payment.state}) {account}: "
            same = wanted[account] == kept[account]
            found.expect(same, f"{what}{kept[account]}, should be {wanted[account]}")
    return found


def i7(facts: Facts) -> Finding:
    """The kept balances are the sums of the postings, and none has a sign that it must not have."""
    found = Finding("I7", "every balance is the sum of its postings, none with a forbidden sign")
    sums: Counter[tuple[str, str, str]] = Counter()
    for posting in facts.ledger.postings:
        sums[posting.merchant_id, posting.debit, posting.currency] += posting.amount_minor
        sums[posting.merchant_id, posting.credit, posting.currency] -= posting.amount_minor
    kept = {(b.merchant_id, b.account, b.currency): b.balance_minor for b in facts.ledger.balances}
    for account in {*sums, *kept}:
        balance = kept.get(account, 0)
        found.expect(balance == sums[account], f"{account}: {balance}, sum {sums[account]}")
        _, name, currency = account
        if name.startswith("onramp:") and currency == COLLECTED:
            found.expect(balance >= 0, f"{account} has {balance}")
        if name.startswith(NEVER_POSITIVE):
            found.expect(balance <= 0, f"{account} has {balance}")
    return found


def i8(facts: Facts) -> Finding:
    """We owe nothing for a payment once it is over."""
    found = Finding("I8", "nothing is left on the account of a payment that is over")
    for case in facts.cases:
        if case.payment.state in OVER and case.payment.hold_reason is None:
            kept = _actual(case).items()
            left = {a: b for a, b in kept if a.startswith(("payments:", "suspense:")) and b}
            found.expect(not left, f"{case.id} ({case.payment.state}) has left {left}")
    return found


def _actual(case: Case) -> Counter[str]:
    sums: Counter[str] = Counter()
    for posting in case.postings:
        sums[posting.debit] += posting.amount_minor
        sums[posting.credit] -= posting.amount_minor
    return sums


def _expected(case: Case) -> Counter[str]:
    payment, sums = case.payment, Counter[str]()
    if case.when("FUNDED") or case.when("REFUNDING"):
        _move(sums, f"onramp:{payment.onramp}:USD", "payments:USD", payment.amount_minor)
    is_open = case.when("FUNDED") and not case.when("REFUNDING")
    if is_open or (case.when("FUNDED") and payment.refund_fees == "kept"):
        _move(sums, "payments:USD", "revenue:fees:USD", payment.fee_minor)
    if is_open and case.when("CONVERTED"):
        _exchange(sums, case)
    if _is_paid(case):
        currency = payment.destination_currency
        account = f"offramp:{payment.offramp}:{currency}"
        _move(sums, f"payments:{currency}", account, payment.payout_minor)
    _move(sums, "payments:USD", f"onramp:{payment.onramp}:USD", payment.refunded_minor)
    for attempt in case.attempts:
        _suspend(sums, attempt)
    for dispute in case.disputes:
        onramp = f"onramp:{dispute.provider}:USD"
        _move(sums, "chargebacks:USD", onramp, dispute.withdrawn_minor)
    return sums


def _is_paid(case: Case) -> bool:
    """Whether its payout has arrived and has not come back since. A corrected one is paid again."""
    moves = (e.to_state for e in case.events if e.to_state != e.from_state)
    ends = [state for state in moves if state in {"COMPLETED", "RETURNED"}]
    return ends[-1:] == ["COMPLETED"]


def _suspend(sums: Counter[str], attempt: AttemptRow) -> None:
    """The amount that its provider states to have moved, less the amount that the payment
    counts."""
    if attempt.moved_minor is None:
        return
    parts = [(attempt.moved_currency, attempt.moved_minor)]
    if attempt.state == "SUCCEEDED":
        parts.append((attempt.currency, -attempt.amount_minor))
    for currency, amount in parts:
        suspense = f"suspense:{attempt.provider}:{currency}"
        if attempt.step == "payout":
            _move(sums, suspense, f"offramp:{attempt.provider}:{currency}", amount)
        elif attempt.step == "refund":
            _move(sums, suspense, f"onramp:{attempt.provider}:{currency}", amount)
        else:
            _move(sums, f"onramp:{attempt.provider}:{currency}", suspense, amount)


def _exchange(sums: Counter[str], case: Case) -> None:
    """The markup apart, the rest sold, and the payout bought."""
    payment, currency = case.payment, case.payment.destination_currency
    net = Decimal(payment.net_minor).scaleb(-2)
    share = Decimal(payment.markup_basis_points).scaleb(-4)
    markup = int(EXACT.multiply(net, share).scaleb(2).quantize(Decimal(1), ROUND_HALF_UP, EXACT))
    _move(sums, "payments:USD", "revenue:fx:USD", markup)
    _move(sums, "payments:USD", "fx:position:USD", payment.net_minor - markup)
    _move(sums, f"fx:position:{currency}", f"payments:{currency}", payment.payout_minor)


def _move(sums: Counter[str], debit: str, credit: str, amount: int) -> None:
    sums[debit] += amount
    sums[credit] -= amount
