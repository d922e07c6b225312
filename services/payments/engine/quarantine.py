"""What a step or an event that breaks down on our side leaves behind: whose it was, in which words,
and how patient we are with it. Where it is counted is store.failures; what the world refuses is no
failure of ours, and neither is a database that cannot answer."""

import math
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from services.payments.model.timing import BREAKDOWNS_MAX, FIRST_REST, REST_FACTOR

# What is left of a process that died over a step and could say nothing itself.
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
