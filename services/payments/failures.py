"""What a step or an event that breaks down on our side leaves behind: whose it was, in which words,
and how patient we are with it. Where it is counted is store.failures; what the world refuses is no
failure of ours, and neither is a database that cannot answer."""

import math
import traceback
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from services.shared.errors import DomainError

# What is left of a process that died over a step and could say nothing itself.
DIED = "the worker did not come back from this step"
_OURS = Path(__file__).resolve().parents[1]


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
class NewsFailure:
    """An event of the inbox that cannot be read or applied, and why."""

    provider: str
    event_id: str
    error: str


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How often something may break down in a row before it is set aside, and how long it rests."""

    limit: int = 5
    first_rest: timedelta = timedelta(seconds=2)
    factor: int = 4


def describe(error: BaseException) -> str:
    """An error's class and where it arose, or its words where they are ours.

    Any other text may quote a person's name or account, so nothing of it is kept.
    """
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    name = type(error).__name__
    if isinstance(error, DomainError):
        return f"{name}: {error.message}"
    if failure := getattr(error, "failure", None):
        return f"{name}: {failure}"
    return f"{name} in {_place(error)}"


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_OURS)]
    if not ours:
        return "code that is not ours"
    module = Path(ours[-1].filename).relative_to(_OURS).with_suffix("").as_posix()
    return f"{module.replace('/', '.')}.{ours[-1].name}, line {ours[-1].lineno}"
