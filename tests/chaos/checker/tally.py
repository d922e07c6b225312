"""How many acknowledged payments are lost, and how many were charged or paid out more than once. A
lost payment and the one that the same key has made again count as one."""

from collections import defaultdict
from collections.abc import Sequence

from tests.chaos.books import BookLine
from tests.chaos.checker.evidence import Facts
from tests.chaos.checker.money import payouts
from tests.chaos.checker.report import Tally
from tests.chaos.history import OK


def tally(facts: Facts) -> Tally:
    """Counts them."""
    key_of = {
        op.end.payment_id: op.invoke.idem_key
        for op in facts.operations
        if op.invoke.f == "create" and op.type == OK and op.end
    }
    by_request: dict[str, list[BookLine]] = defaultdict(list)
    for line in facts.book:
        payment_id = line.transaction_id or line.key
        by_request[key_of.get(payment_id, payment_id)].append(line)
    return Tally(
        acknowledged=len(key_of),
        lost=sum(payment_id not in facts.case_of for payment_id in key_of),
        doubled=sum(map(_is_doubled, by_request.values())),
    )


def _is_doubled(lines: Sequence[BookLine]) -> bool:
    charges = {(line.provider, line.id) for line in lines if line.effect == "charge_succeeded"}
    return len(charges) > 1 or sum(payout.live for payout in payouts(lines)) > 1
