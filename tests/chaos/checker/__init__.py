"""The checker: three independent books in, a finding on every invariant out. It trusts the
clients' history, the simulator's book and the rows of our database, and shares no rule with the
code that it checks: states, accounts and prices are written again here, from the design."""

from tests.chaos.checker.audit import INVARIANTS, Invariant, audit, check_facts
from tests.chaos.checker.evidence import Evidence, Facts, gather
from tests.chaos.checker.report import Finding, Report, Tally, render

__all__ = [
    "INVARIANTS",
    "Evidence",
    "Facts",
    "Finding",
    "Invariant",
    "Report",
    "Tally",
    "audit",
    "check_facts",
    "gather",
    "render",
]
