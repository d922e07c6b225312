"""A verb on a payment between its two halves: what it has learned of other services, and its
decision over the claimed payment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from services.payments.engine.decisions.facts import Change, Work
from services.payments.model.adjustment import Adjusted
from services.payments.model.operator import Operator
from services.payments.operators.asking import Asked


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A payment that was claimed for a verb, and the one who acts."""

    work: Work
    operator: Operator
    # How often its recipient was corrected.
    corrected_before: int = 0
    # The key of another attempt whose operation has the id that a statement names.
    known_as: str = ""
    # Of an adjustment.
    adjusted: Adjusted = field(default_factory=Adjusted)


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A verb whose questions are answered."""

    # Raises what refuses it.
    decide: Callable[[Claim], Change]
    answers: Sequence[Asked] = ()

    @property
    def words(self) -> str:
        """The answers of the providers, for the history and the log."""
        return "; ".join(asked.words for asked in self.answers)
