"""The override of a corridor's rate: its order, its bounds against the market, and its end."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from services.payments.operators.policy import OverrideBounds
from services.shared.corridors.model import MidBounds
from services.shared.errors import NotAllowedNow, NotFound
from services.shared.ids import Prefix, decode_id, encode_id
from services.shared.money import EXACT, format_rate


class OverrideNotFound(NotFound):
    """No override has this id."""

    reason = "RATE_OVERRIDE_NOT_FOUND"


class OverrideTooFar(NotAllowedNow):
    """The override is farther from the market's middle than the policy allows, or a middle that the
    corridor accepts from no source."""

    reason = "RATE_OVERRIDE_TOO_FAR"


class OverrideTooLong(NotAllowedNow):
    """The override is over, or would last longer or begin later than the policy allows."""

    reason = "RATE_OVERRIDE_TOO_LONG"


class OverrideExists(NotAllowedNow):
    """The corridor has an override that has not ended; end it first."""

    reason = "RATE_OVERRIDE_EXISTS"


@dataclass(frozen=True, kw_only=True)
class OverrideOrder:
    """A middle or a margin, one of them, for a corridor and a time."""

    corridor_id: str
    rate: Decimal | None
    markup_basis_points: int | None
    # None: it begins with its approval.
    starts_at: datetime | None
    ends_at: datetime

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The order as a proposal keeps it."""
        return {
            "ends_at": self.ends_at.isoformat(),
            "markup_basis_points": self.markup_basis_points,
            "rate": None if self.rate is None else format_rate(self.rate),
            "starts_at": self.starts_at.isoformat() if self.starts_at else None,
        }

    def check_times(self, now: datetime, bounds: OverrideBounds) -> None:
        """Raises OverrideTooLong."""
        begins = max(self.starts_at or now, now)
        is_near = begins <= now + bounds.longest
        if not is_near or not begins < self.ends_at <= begins + bounds.longest:
            raise OverrideTooLong(maximum_hours=str(bounds.maximum_hours))

    def check_distance(self, market: Decimal, bounds: OverrideBounds) -> None:
        """Raises OverrideTooFar."""
        most = Decimal(bounds.maximum_deviation_basis_points)
        if self.rate is None:
            distance, allowed = Decimal(self.markup_basis_points or 0), most
        else:
            distance = EXACT.multiply(abs(EXACT.subtract(self.rate, market)), Decimal(10_000))
            allowed = EXACT.multiply(most, market)
        if distance > allowed:
            raise OverrideTooFar(
                mid_rate=format_rate(market),
                maximum_basis_points=str(bounds.maximum_deviation_basis_points),
            )

    def check_accepted(self, bounds: MidBounds | None) -> None:
        """Raises OverrideTooFar where the corridor accepts such a middle from no source."""
        if bounds is None or self.rate is None:
            return
        lowest, highest = bounds.both
        if not lowest <= self.rate <= highest:
            raise OverrideTooFar(lowest=bounds.lowest, highest=bounds.highest)


def order_of(corridor_id: str, arguments: Mapping[str, Any]) -> OverrideOrder:
    """The order that a proposal has kept."""
    rate, starts_at = arguments["rate"], arguments["starts_at"]
    return OverrideOrder(
        corridor_id=corridor_id,
        rate=None if rate is None else Decimal(rate),
        markup_basis_points=arguments["markup_basis_points"],
        starts_at=datetime.fromisoformat(starts_at) if starts_at else None,
        ends_at=datetime.fromisoformat(arguments["ends_at"]),
    )


@dataclass(frozen=True, kw_only=True)
class AgreedOverride:
    """An override as the database has it."""

    id: UUID
    corridor_id: str
    rate: Decimal | None
    markup_basis_points: int | None
    maximum_deviation_basis_points: int
    starts_at: datetime
    ends_at: datetime
    proposal_id: UUID
    proposed_by: str
    approved_by: str
    reason: str
    ended_at: datetime | None = None
    ended_by: str = ""

    @property
    def override_id(self) -> str:
        """The public id, for example ovr_01jd8x3v9me7rb5k3n6q2f4h8z."""
        return encode_id(Prefix.OVERRIDE, self.id)

    @property
    def shown_proposal_id(self) -> str:
        """The public id of its proposal."""
        return encode_id(Prefix.PROPOSAL, self.proposal_id)

    def is_in_force(self, now: datetime) -> bool:
        """Whether rates are made by it."""
        return self.ended_at is None and self.starts_at <= now < self.ends_at


class OverrideRows(Protocol):
    """The overrides of rates, within a transaction."""

    async def open_of(self, corridor_id: str) -> UUID | None:
        """The override of a corridor that has not ended; None where there is none."""
        ...

    async def add(self, override: AgreedOverride) -> None:
        """Keeps a new override. Raises OverrideExists."""
        ...


def read_override_id(text: str) -> UUID:
    """The id behind a public one. Raises OverrideNotFound."""
    override_id = decode_id(Prefix.OVERRIDE, text)
    if override_id is None:
        raise OverrideNotFound(override_id=text)
    return override_id
