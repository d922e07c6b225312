"""Pauses of providers and corridors, and their effect on quotes and routes. The table in which they
stand is the operators'; the effect of WAIT on a payment that is under way is in the statement that
marks an attempt as sent (engine/store)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.shared.errors import Unavailable
from services.shared.ids import Prefix, encode_id


class CorridorPaused(Unavailable):
    """The corridor is paused by an operator."""

    reason = "CORRIDOR_PAUSED"


class ProviderPaused(Unavailable):
    """Every provider that could move this money is paused by an operator."""

    reason = "PROVIDER_PAUSED"


class PauseKind(StrEnum):
    """The kinds of targets; the names of the public API."""

    PROVIDER = "PROVIDER"
    CORRIDOR = "CORRIDOR"


class UnderWay(StrEnum):
    """The fate of the payments that are under way; the names of the public API."""

    FINISH = "FINISH"
    WAIT = "WAIT"


@dataclass(frozen=True, kw_only=True)
class Pause:
    """A pause as the database has it."""

    id: UUID
    kind: PauseKind
    # Of the provider, or id of the corridor.
    name: str
    under_way: UnderWay
    reason: str
    paused_by: str
    starts_at: datetime
    # None where only an operator ends it.
    ends_at: datetime | None
    ended_at: datetime | None = None
    ended_by: str = ""
    end_reason: str = ""

    @property
    def pause_id(self) -> str:
        """The public id, for example pau_01jd8x3v9me7rb5k3n6q2f4h8z."""
        return encode_id(Prefix.PAUSE, self.id)

    def is_in_force(self, now: datetime) -> bool:
        """Whether it counts; before its begin too, because its row is then known."""
        return self.ended_at is None and (self.ends_at is None or now < self.ends_at)

    def covers(self, ends_at: datetime | None) -> bool:
        """Whether it lasts as long as another one until then, or longer."""
        return self.ends_at is None or (ends_at is not None and self.ends_at >= ends_at)


@dataclass(frozen=True, kw_only=True)
class Paused:
    """The targets that are paused at one moment."""

    corridors: Collection[str] = ()
    providers: Collection[str] = ()

    def refuse(self, corridor_id: str) -> None:
        """Raises CorridorPaused."""
        if corridor_id in self.corridors:
            raise CorridorPaused(corridor_id=corridor_id)

    def open(self, providers: Sequence[str]) -> tuple[str, ...]:
        """Those of the providers that are not paused, in order. Raises ProviderPaused where all
        are."""
        left = tuple(name for name in providers if name not in self.providers)
        if providers and not left:
            raise ProviderPaused(providers=",".join(providers))
        return left

    def stops(self, corridor_id: str, onramps: Sequence[str], offramps: Sequence[str]) -> bool:
        """Whether no payment can be made in a corridor with these providers."""
        try:
            self.refuse(corridor_id)
            self.open(onramps)
            self.open(offramps)
        except (CorridorPaused, ProviderPaused):
            return True
        return False


NOTHING_PAUSED = Paused()


def paused_by(pauses: Collection[Pause]) -> Paused:
    """The targets of these pauses."""
    return Paused(
        corridors=frozenset(one.name for one in pauses if one.kind is PauseKind.CORRIDOR),
        providers=frozenset(one.name for one in pauses if one.kind is PauseKind.PROVIDER),
    )
