"""Explains every quote that is read, and keeps those whose figures are not what their stored inputs
make of them."""

from services.payments.audit.report import Finding
from services.payments.model.explanation import Result, explain_quote
from services.payments.model.quote import Quote

EXPLAINED = "every quote explains itself"
EXAMPLES_MAX = 3


class Prices:
    """The quotes that were looked at."""

    def __init__(self) -> None:
        self.explained = 0
        self._differing: list[str] = []

    def look(self, quote: Quote) -> None:
        """Recomputes the quote."""
        self.explained += 1
        differing = [step.figure for step in explain_quote(quote) if step.finding is Result.DIFFERS]
        if differing:
            self._differing.append(f"{quote.quote_id} {', '.join(differing)}")

    @property
    def finding(self) -> Finding:
        """How many differ, with examples."""
        return Finding(
            invariant=EXPLAINED,
            violations=len(self._differing),
            examples=tuple(self._differing[:EXAMPLES_MAX]),
        )
