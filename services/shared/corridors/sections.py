"""The base of every section of a corridor file: it takes no unknown key, and each kind of value
is written in one way only."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.shared.corridors.countries import COUNTRIES
from services.shared.money import SOURCE_CURRENCY, exponent, parse_amount


class Section(BaseModel):
    """A table of a corridor file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _usd(text: str) -> str:
    canonical = str(parse_amount(text, SOURCE_CURRENCY, field="amount"))
    if text != canonical:
        # It is shown to merchants as it stands.
        raise ValueError(f"write it as {canonical}")
    return text


def _currency(code: str) -> str:
    exponent(code)
    return code


def _country(code: str) -> str:
    if code not in COUNTRIES:
        raise ValueError("it must be the code of a country, such as IN")
    return code


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("a name stands there twice")
    return names


UsdText = Annotated[str, AfterValidator(_usd)]
CurrencyCode = Annotated[str, AfterValidator(_currency)]
CountryCode = Annotated[str, AfterValidator(_country)]
RateText = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,9})(\.[0-9]{1,12})?$")]
PercentText = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]?)(\.[0-9]{1,4})?$")]
# TOML's true and 60.0 are no whole numbers.
Whole = Annotated[int, Field(strict=True)]
# And "yes" is no flag.
Flag = Annotated[bool, Field(strict=True)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
# In order of preference.
Names = Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(_distinct)]
