"""The simulator's book after a recovery: whoever was charged, paid or refunded twice, under
whatever payment and number it was done; and the money that is on none of our accounts."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from tests.chaos.books import BookLine, Ledger
from tests.chaos.checker import Facts
from tests.chaos.checker.money import MONEY, by_account, differences, given_back, payouts


def by_order(book: Sequence[BookLine], names: Mapping[str, str]) -> Mapping[str, list[BookLine]]:
    """The lines of each order, by its reference; names has the references of known payments. An
    order that was carried out as two payments has the lines of both."""
    known = dict(names)
    for line in book:
        if line.reference and _payment(line):
            known.setdefault(_payment(line), line.reference)
    lines: dict[str, list[BookLine]] = defaultdict(list)
    for line in book:
        lines[known.get(_payment(line), _payment(line))].append(line)
    return lines


def doubles(lines: Mapping[str, Sequence[BookLine]]) -> Iterator[str]:
    """A sentence about each order whose money moved twice."""
    for reference, found in lines.items():
        charges = [line for line in found if line.effect == "charge_succeeded"]
        live = [one for one in payouts(found) if one.live]
        charged = sum(line.amount_minor for line in charges)
        parts = Counter(line.amount_minor for line in given_back(found))
        back = sum(amount * times for amount, times in parts.items())
        if len(charges) > 1:
            yield f"{reference}: charged {len(charges)} times"
        if len(live) > 1:
            yield f"{reference}: paid {len(live)} times, {[(o.provider, o.key) for o in live]}"
        if back > charged:
            yield f"{reference}: {back} refunded of {charged}"
        # No client asks for two parts of the same size.
        for amount, times in parts.items():
            if times > 1:
                yield f"{reference}: {amount} refunded {times} times"
        if live and back:
            yield f"{reference}: paid, and {back} refunded"


def strangers(facts: Facts) -> Sequence[str]:
    """The payments of the book that our database does not have."""
    moved = {_payment(line) for line in facts.book if line.effect in MONEY}
    return sorted(moved - facts.case_of.keys())


def off_account(facts: Facts) -> Iterator[str]:
    """A sentence about each amount that a provider has moved and that is on no account. The money
    of a payment on hold stands in the log of operators, and that of a stranger in the report."""
    found = by_account(facts)
    lines = [line for line in facts.book if _payment(line) not in facts.case_of]
    explained = by_account(replace(facts, book=lines, ledger=Ledger(now=facts.ledger.now)))
    for case in facts.cases:
        rest = Counter({name: amount for name, amount in differences(case).items() if amount})
        if case.payment.hold_reason is None and rest:
            yield f"{case.id} ({case.payment.state}): theirs is {dict(rest)} more"
        explained.update(rest)
    for account in {*found, *explained}:
        if found[account] != explained[account]:
            yield f"{account}: {found[account] - explained[account]:+} that no payment explains"


def _payment(line: BookLine) -> str:
    return line.transaction_id or line.key.partition("-")[0]
