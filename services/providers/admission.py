"""The admission of operations to a provider: first a place within its limits, then the breaker's
consent. It is asynchronous, so that a limiter that several processes share may wait, or ask
elsewhere."""

from enum import Enum
from typing import Protocol

from services.providers.breaker import Breaker
from services.providers.limits import Gate


class Refused(Enum):
    """Why an operation may not be sent now."""

    CAPPED = "capped"
    UNAVAILABLE = "unavailable"


# The breaker's name of an admitted operation.
Ticket = int


class Admission(Protocol):
    """Admits operations of one kind to one provider."""

    async def admit(self, key: str, patience_seconds: float) -> Ticket | Refused:
        """A place, to be given back with `leave`; Refused where none came free in time.

        It never raises: a limiter that cannot be reached admits or refuses by its own rule.
        """
        ...

    def leave(self) -> None:
        """Gives an admitted operation's place back."""
        ...


class LocalAdmission:
    """The gate and the breaker of this process."""

    def __init__(self, gate: Gate, breaker: Breaker) -> None:
        self._gate = gate
        self._breaker = breaker

    async def admit(self, key: str, patience_seconds: float) -> Ticket | Refused:
        """The breaker is asked last: much may have happened while the operation waited."""
        if not await self._gate.take(patience_seconds):
            return Refused.CAPPED
        ticket = self._breaker.admit(key)
        if ticket is None:
            self._gate.leave()
            return Refused.UNAVAILABLE
        return ticket

    def leave(self) -> None:
        """Gives the place in the gate back."""
        self._gate.leave()
