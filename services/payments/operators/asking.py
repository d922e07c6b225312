"""The question to the provider that precedes an operator's statement about an attempt: a statement
that the provider contradicts is not taken, and one without its answer only where that is said."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime

from services.payments.mesh.ports import ProviderCall, Providers
from services.payments.model.answer import (
    DENIAL,
    MISMATCHES,
    REFERENCE_MISMATCH,
    UNDOCUMENTED,
    Answer,
    Outcome,
)
from services.payments.model.attempt import Attempt, Capabilities, Step
from services.payments.model.payment import Payment
from services.payments.model.timing import OPERATION
from services.payments.operators.domain import (
    AttemptMayArrive,
    OperationOfAnotherAttempt,
    ProviderContradicts,
    ProviderNotAsked,
)
from services.shared.errors import field_invalid

# The outcomes with which a provider says how an operation stands.
_DEFINITE = frozenset({Outcome.SUCCEEDED, Outcome.FAILED, Outcome.PENDING})
# An UNKNOWN with one of these is an answer all the same.
_ANSWERED = MISMATCHES | {DENIAL, UNDOCUMENTED}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The provider's answer about an attempt; None where it could not be asked."""

    attempt: Attempt
    answer: Answer | None
    # The moment before the question.
    at: datetime

    @property
    def words(self) -> str:
        """The answer for the history and the log: outcome, code, the provider's id, the amount."""
        if self.answer is None:
            return "not asked"
        amount = self.answer.amount
        parts = (
            self.answer.outcome,
            self.answer.code,
            self.answer.provider_reference,
            f"{amount} {amount.currency}" if amount else "",
        )
        return " ".join(filter(None, parts))

    def check(self, stated: Answer, *, provider_unreachable: bool) -> None:
        """Raises ProviderContradicts, or ProviderNotAsked where nothing says that this is known."""
        if self.answer is None:
            if not provider_unreachable:
                raise ProviderNotAsked(provider=self.attempt.provider)
        elif self.answer.outcome in _DEFINITE and self.answer.outcome is not stated.outcome:
            raise ProviderContradicts(
                f"The provider says {self.words}.",
                provider=self.attempt.provider,
                outcome=self.answer.outcome,
                answer=self.words,
            )

    def identified(self, stated: Answer) -> Answer:
        """The statement with the provider's own id of the operation, where that is known.

        Raises ProviderContradicts where the statement names another one, and Invalid where nobody
        names that of a collection: no refund of it could be asked for.
        """
        known = self._reference
        named = stated.provider_reference or known
        if known and named != known:
            raise ProviderContradicts(
                f"The provider's id of the operation is {known}.",
                provider=self.attempt.provider,
                provider_reference=known,
            )
        is_collected = self.attempt.step is Step.COLLECTION and stated.outcome is Outcome.SUCCEEDED
        if is_collected and not named:
            words = "provider_reference is required: a refund of the collection names it"
            raise field_invalid("provider_reference", words, "FIELD_REQUIRED")
        return replace(stated, provider_reference=named)

    @property
    def _reference(self) -> str:
        """The provider's id of the operation; empty where nobody has said it, or only of an
        operation that is not ours."""
        said = (self.answer, self.attempt)
        ours = (one for one in said if one is not None and one.code != REFERENCE_MISMATCH)
        return next((one.provider_reference for one in ours if one.provider_reference), "")

    def check_landed(self, attempt: Attempt, stated: Answer, known: Capabilities) -> None:
        """Raises AttemptMayArrive for a failure that only the operator states, while a request
        under the attempt may arrive, or was not to be seen at its provider when that was asked."""
        if stated.outcome is not Outcome.FAILED or (self.answer and known.says_failed(self.answer)):
            return
        until = known.absence_counts_from(attempt)
        if until is not None and self.at <= until:
            raise AttemptMayArrive(provider=attempt.provider, until=until.isoformat())

    def check_own(self, known_as: str) -> None:
        """Raises OperationOfAnotherAttempt where only the operator says the id, and another attempt
        is known as it."""
        if known_as and not self._reference:
            raise OperationOfAnotherAttempt(provider=self.attempt.provider, attempt=known_as)


async def ask(providers: Providers, payment: Payment, attempt: Attempt, *, now: datetime) -> Asked:
    """Asks the provider what became of the attempt. Never raises for the provider or the mesh."""
    call = ProviderCall(payment=payment, attempt=attempt)
    answer = None
    try:
        async with asyncio.timeout(OPERATION.total_seconds()):
            async for _, one in providers.look_up([call]):
                answer = one
    except TimeoutError:
        answer = None
    if answer and answer.outcome is Outcome.UNKNOWN and answer.code not in _ANSWERED:
        answer = None
    return Asked(attempt=attempt, answer=answer, at=now)
