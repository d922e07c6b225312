"""The audit: all invariants, over all books, in one report."""

import asyncio
from collections.abc import Callable, Sequence

from tests.chaos.checker.evidence import Evidence, Facts, gather
from tests.chaos.checker.holds import i20
from tests.chaos.checker.ledger import i6, i7, i8
from tests.chaos.checker.liveness import i15, i22
from tests.chaos.checker.logs import i21, i25
from tests.chaos.checker.money import i3, i4, i5, i9
from tests.chaos.checker.promises import i1, i2, i11, i12, i17, i18
from tests.chaos.checker.report import Finding, Report
from tests.chaos.checker.states import i10, i16, i23, i24, ie
from tests.chaos.checker.tally import tally
from tests.chaos.checker.webhooks import i13, i14, iw

Invariant = Callable[[Facts], Finding]
INVARIANTS: Sequence[Invariant] = (
    i1, i2, i3, i4, i5, i6, i7, i8, i9, i10, i11, i12, i13, i14, i15, i16, i17, i18, i20, i21,
    i22, i23, i24, i25, ie, iw,
)  # fmt: skip


async def audit(evidence: Evidence, invariants: Sequence[Invariant] = INVARIANTS) -> Report:
    """Reads the books and checks them.

    That takes seconds, in which the mesh's proxies must go on: without them no replica is healthy.
    """
    facts = await gather(evidence)
    return await asyncio.to_thread(check_facts, facts, invariants)


def check_facts(facts: Facts, invariants: Sequence[Invariant] = INVARIANTS) -> Report:
    """The finding on every invariant, and the numbers."""
    return Report(facts.phase, [invariant(facts) for invariant in invariants], tally(facts))
