"""Failures of a step or an event on our side: the payment or event, the error, and the limit after
which it is set aside. store.quarantine counts them. A refusal of a provider is no failure of ours,
and neither is a database that cannot answer."""

import math
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from services.payments.model.timing import BREAKDOWNS_MAX, FIRST_REST, REST_FACTOR

# The error of a step whose process died of it.
DIED = "the worker did not come back from this step"


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A claimed payment, whether or not the rest of its row can be read."""

    merchant_id: str
    payment_id: UUID
    token: int
    # When it has ended for certain, on the monotonic clock of the worker's machine.
    ends: float = math.inf


@dataclass(frozen=True, kw_only=True)
class StepFailure:
    """A step that broke down, and why."""

    lease: Lease
    error: str


@dataclass(frozen=True, kw_only=True)
class EventFailure:
    """An event of the inbox that cannot be read or applied, and why."""

    provider: str
    event_id: str
    error: str


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How often something may break down in a row before it is set aside, and how long it rests."""

    limit: int = BREAKDOWNS_MAX
    first_rest: timedelta = FIRST_REST
    factor: int = REST_FACTOR
