"""Explains every quote that is read, and keeps those whose figures are not what their stored inputs
make of them, or that an override priced which does not hold."""

from collections.abc import Mapping

from services.payments.audit.overridden import Agreed, faults
from services.payments.audit.report import Finding
from services.payments.model.explanation import Result, explain_quote
from services.payments.model.quote import Quote

EXPLAINED = "every quote explains itself"
OVERRIDDEN = "every quote by an override follows from one that two people agreed on"
EXAMPLES_MAX = 3


class Prices:
    """The quotes that were looked at."""

    def __init__(self, overrides: Mapping[str, Agreed]) -> None:
        self.explained = 0
        self._overrides = overrides
        self._differing: list[str] = []
        self._unfounded: list[str] = []

    def look(self, quote: Quote) -> None:
        """Recomputes the quote."""
        self.explained += 1
        differing = [step.figure for step in explain_quote(quote) if step.finding is Result.DIFFERS]
        if differing:
            self._differing.append(f"{quote.quote_id} {', '.join(differing)}")
        unfounded = list(faults(quote, self._overrides))
        if unfounded:
            self._unfounded.append(f"{quote.quote_id} {', '.join(unfounded)}")

    @property
    def finding(self) -> Finding:
        """How many differ, with examples."""
        return _finding(EXPLAINED, self._differing)

    @property
    def overridden(self) -> Finding:
        """How many were priced by an override that does not hold, with examples."""
        return _finding(OVERRIDDEN, self._unfounded)


def _finding(invariant: str, found: list[str]) -> Finding:
    return Finding(invariant=invariant, violations=len(found), examples=tuple(found[:EXAMPLES_MAX]))
