"""The file that describes a JSON source, and the following of its paths. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.fx.sources.settings import HOUR, RefreshSeconds

# A member's name, a place in a list, or the one element of a list whose members have these values.
# In texts {base} and {quote} stand for the currencies of the pair.
Step = str | Annotated[int, Field(strict=True, ge=0, le=10_000)] | Mapping[str, str]
Path = Annotated[tuple[Step, ...], Field(min_length=1, max_length=10)]


class Direction(StrEnum):
    """How a published rate is meant."""

    # Units of the quote currency for one of the base currency, as everywhere here.
    QUOTE_PER_BASE = "quote_per_base"
    BASE_PER_QUOTE = "base_per_quote"


class StampForm(StrEnum):
    """How the time of a rate is written."""

    UNIX = "unix"
    UNIX_MILLISECONDS = "unix_milliseconds"
    # With its zone.
    ISO = "iso"
    # A day alone, which counts from its start in UTC.
    DAY = "day"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KeyPart(_Part):
    """Where a request has the key: in a header, or in a parameter of the address."""

    header: str = Field("", pattern=r"^[A-Za-z0-9-]*$")
    parameter: str = Field("", pattern=r"^[A-Za-z0-9_.-]*$")
    # Stands before it, for example "Bearer ".
    before: str = Field("", pattern=r"^[A-Za-z]* ?$")

    @model_validator(mode="after")
    def _one(self) -> "KeyPart":
        if bool(self.header) == bool(self.parameter):
            raise ValueError("either header or parameter")
        return self


class RatePart(_Part):
    """Where an answer has the rate, and how it is meant."""

    path: Path
    direction: Direction = Direction.QUOTE_PER_BASE
    # Of the currency that is priced: some publish the price of 100 yen.
    units: Annotated[Decimal, Field(gt=0, le=1_000_000)] = Decimal(1)


class StampPart(_Part):
    """Where an answer has the time of the rate."""

    path: Path
    form: StampForm


class Expected(_Part):
    """A value that the answer must have, else it is an error."""

    path: Path
    value: str | bool


class Description(_Part):
    """A file of a source: where to ask, how often, and where its answers have rate and time."""

    address: str = Field(max_length=2000)
    refresh_seconds: RefreshSeconds = HOUR
    key: KeyPart | None = None
    rate: RatePart
    stamp: StampPart
    # Where the answer repeats the base currency; it must be the one that was asked for.
    base_path: Path | None = None
    expected: tuple[Expected, ...] = ()


def found(value: Any, path: tuple[Step, ...], pair: tuple[str, str]) -> Any:
    """The value at the path; None where there is none, or where several would fit."""
    for step in path:
        if isinstance(step, str):
            name = _filled(step, pair)
            value = value.get(name) if isinstance(value, dict) else None
        elif isinstance(step, int):
            is_there = isinstance(value, list) and step < len(value)
            value = value[step] if is_there else None
        else:
            wanted = {name: _filled(text, pair) for name, text in step.items()}
            value = _only(value, wanted)
    return value


def _only(value: Any, wanted: Mapping[str, str]) -> Any:
    if not isinstance(value, list):
        return None
    fitting = [
        one
        for one in value
        if isinstance(one, dict) and all(one.get(name) == text for name, text in wanted.items())
    ]
    return fitting[0] if len(fitting) == 1 else None


def _filled(text: str, pair: tuple[str, str]) -> str:
    base, quote = pair
    return text.replace("{base}", base).replace("{quote}", quote)
