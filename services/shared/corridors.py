"""Corridors: one TOML file each in deploy/corridors, holding the whole fact. Every service reads
the folder and uses its own section. Unknown keys, unknown currencies and two corridors to one
currency are refused when the process starts."""

import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from services.shared.errors import CannotStart, Invalid, NotAllowedNow
from services.shared.money import Money, exponent, parse_amount


class CorridorUnsupported(NotAllowedNow):
    """No corridor leads to this currency."""

    reason = "CORRIDOR_UNSUPPORTED"


class CorridorsError(CannotStart):
    """A corridor file is wrong; the message names the file and the key."""


def _usd(text: str) -> str:
    parse_amount(text, "USD", field="amount")
    return text


def _currency(code: str) -> str:
    exponent(code)
    return code


UsdText = Annotated[str, AfterValidator(_usd)]
CurrencyCode = Annotated[str, AfterValidator(_currency)]
CountryCode = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
PercentText = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]?)(\.[0-9]{1,4})?$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class End(_Section):
    """Where the money comes from or goes to."""

    country: CountryCode
    currency: CurrencyCode


class Limits(_Section):
    """What one payment may be, in the source currency."""

    minimum_usd: UsdText
    maximum_usd: UsdText

    @cached_property
    def minimum(self) -> Money:
        """The smallest amount."""
        return parse_amount(self.minimum_usd, "USD", field="minimum_usd")

    @cached_property
    def maximum(self) -> Money:
        """The largest amount."""
        return parse_amount(self.maximum_usd, "USD", field="maximum_usd")


class Providers(_Section):
    """Who moves the money, in order of preference."""

    onramps: tuple[str, ...] = Field(min_length=1)
    offramps: tuple[str, ...] = Field(min_length=1)


class FxTerms(_Section):
    """Where the rate comes from and what we keep of it."""

    sources: tuple[str, ...] = Field(min_length=1)
    markup_basis_points: int = Field(ge=0, le=1000)
    # Absent means any age will do, which only a sandbox on shipped rates may say.
    maximum_age_hours: int | None = Field(None, gt=0)


class QuoteTerms(_Section):
    """How long an offer binds us."""

    lifetime_seconds: int = Field(gt=0, le=1800)


class LateFunds(_Section):
    """What is done with money that comes after the offer has expired."""

    # So long after it the locked rate is honoured all the same.
    grace_seconds: int = Field(ge=0, le=86_400)
    # Later the payment is priced anew, and goes on by itself where the rate has become worse by no
    # more than that; else a person decides.
    tolerance_basis_points: int = Field(ge=0, le=1000)


class FeeTerms(_Section):
    """A price: a flat part and a percentage of the amount, the latter within bounds."""

    flat_usd: UsdText | None = None
    percent: PercentText = "0"
    minimum_usd: UsdText | None = None
    maximum_usd: UsdText | None = None

    @cached_property
    def share(self) -> Decimal:
        """The percentage as a fraction: 1.5 percent is 0.015."""
        return Decimal(self.percent) / 100


class FeeTier(FeeTerms):
    """A price that replaces the schedule's own for amounts from from_usd on."""

    from_usd: UsdText


class FeeSchedule(FeeTerms):
    """A version of the corridor's prices, in force from a day on."""

    version: str = Field(min_length=1, max_length=32)
    effective_from: date
    tiers: tuple[FeeTier, ...] = ()


class Corridor(_Section):
    """One way for money to go, with everything that is agreed about it."""

    id: str = Field(pattern=r"^[a-z]{2}-[a-z]{2}(-[a-z0-9]+)?$")
    source: End
    destination: End
    limits: Limits
    providers: Providers
    fx: FxTerms
    quote: QuoteTerms
    late_funds: LateFunds
    fees: tuple[FeeSchedule, ...] = Field(min_length=1)


class Corridors:
    """All corridors, by id and by destination currency."""

    def __init__(self, corridors: tuple[Corridor, ...]) -> None:
        self.by_id: Mapping[str, Corridor] = {c.id: c for c in corridors}
        self._by_currency = {c.destination.currency: c for c in corridors}

    def __iter__(self) -> Iterator[Corridor]:
        return iter(self.by_id.values())

    def get(self, corridor_id: str) -> Corridor:
        """The corridor of this id. Raises CorridorUnsupported."""
        try:
            return self.by_id[corridor_id]
        except KeyError:
            raise CorridorUnsupported(corridor_id=corridor_id) from None

    def to_currency(self, currency: str) -> Corridor:
        """The corridor that pays this currency. Raises CurrencyUnknown, CorridorUnsupported."""
        exponent(currency)
        try:
            return self._by_currency[currency]
        except KeyError:
            raise CorridorUnsupported(destination_currency=currency) from None


def load_corridors(folder: Path) -> Corridors:
    """Reads every *.toml of the folder, sorted by name. Raises CorridorsError."""
    corridors = [_load(path) for path in sorted(folder.glob("*.toml"))]
    if not corridors:
        raise CorridorsError(f"no corridor files in {folder}")
    for corridor in corridors:
        twins = [c.id for c in corridors if c.destination.currency == corridor.destination.currency]
        if len(twins) > 1:
            raise CorridorsError(
                f"{' and '.join(twins)} both pay out {corridor.destination.currency}; "
                "a destination currency names one corridor"
            )
    return Corridors(tuple(corridors))


def _load(path: Path) -> Corridor:
    try:
        corridor = Corridor.model_validate(tomllib.loads(path.read_text()))
    except (ValidationError, tomllib.TOMLDecodeError, Invalid) as error:
        raise CorridorsError(f"{path.name}: {error}") from error
    if corridor.id != path.stem:
        raise CorridorsError(f"{path.name}: the id must be the file's name, not {corridor.id}")
    if corridor.source.currency != "USD":
        raise CorridorsError(f"{path.name}: only USD can be collected")
    dates = [schedule.effective_from for schedule in corridor.fees]
    if sorted(set(dates)) != dates:
        raise CorridorsError(f"{path.name}: fee schedules must be in order of effective_from")
    for schedule in corridor.fees:
        starts = [Decimal(tier.from_usd) for tier in schedule.tiers]
        if sorted(set(starts)) != starts:
            raise CorridorsError(f"{path.name}: fee tiers must be in order of from_usd")
    if corridor.limits.minimum > corridor.limits.maximum:
        raise CorridorsError(f"{path.name}: limits.minimum_usd is above limits.maximum_usd")
    return corridor
