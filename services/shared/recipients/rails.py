"""A rail: a way to pay recipients of one kind in one currency. Adapters declare theirs from the
documents of their providers; payments makes routes and quotes by them."""

from dataclasses import dataclass
from datetime import time

from services.shared.money import Money, exponent
from services.shared.recipients.nouns import RecipientKind


@dataclass(frozen=True, kw_only=True)
class CutOff:
    """The time of day until which a payout leaves on the same working day, and where it counts."""

    time: time
    # IANA name, for example "Asia/Tokyo".
    time_zone: str

    def __str__(self) -> str:
        return f"{self.time:%H:%M} {self.time_zone}"


@dataclass(frozen=True, kw_only=True)
class Rail:
    """A way to pay recipients of one kind in one currency."""

    recipient_kind: RecipientKind
    # The smallest and the largest amount of one payout, in its currency.
    minimum: Money
    maximum: Money
    # How many decimals an amount may have; fewer than ISO 4217 has where it sends whole units.
    decimals: int
    # ISO 3166 code of the only country that it pays in; empty where the currency alone decides.
    country: str = ""
    cut_off: CutOff | None = None
    # The networks that it reaches, where it is mobile money and reaches not every one.
    operators: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Raises ValueError where its bounds cannot be sent themselves."""
        if not 0 <= self.decimals <= exponent(self.currency):
            raise ValueError(f"{self.currency} has no {self.decimals} decimals")
        if self.minimum.amount_minor <= 0:
            raise ValueError("the minimum of a rail is positive")
        if not (self.takes(self.minimum) and self.takes(self.maximum)):
            raise ValueError(f"the bounds of a rail in {self.currency} cannot be sent")

    @property
    def currency(self) -> str:
        """ISO 4217 code of the currency that arrives."""
        return self.minimum.currency

    @property
    def unit(self) -> int:
        """The smallest step between two amounts, in minor units."""
        return int(10 ** (exponent(self.currency) - self.decimals))

    def reaches(self, kind: RecipientKind, operator: str = "") -> bool:
        """Whether it pays recipients of this kind, at this network where one is named."""
        excludes = self.operators and operator and operator not in self.operators
        return self.recipient_kind is kind and not excludes

    def pays_in(self, currency: str, country: str) -> bool:
        """Whether it pays this currency in this country, or in one at all where that is empty."""
        return self.currency == currency and (
            not (self.country and country) or self.country == country
        )

    def takes(self, amount: Money) -> bool:
        """Whether it sends exactly this amount."""
        return self.minimum <= amount <= self.maximum and amount.amount_minor % self.unit == 0
