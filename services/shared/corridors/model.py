"""The sections of a corridor file, and all corridors together, by id and by where they lead."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field, StrictBool

from services.shared.corridors.prices import FeeSchedule
from services.shared.corridors.sections import (
    CountryCode,
    CurrencyCode,
    Names,
    RateText,
    Section,
    UsdText,
    Whole,
)
from services.shared.corridors.windows import Window, in_force, windows_of
from services.shared.errors import NotAllowedNow
from services.shared.money import SOURCE_CURRENCY, Money, exponent, parse_amount
from services.shared.recipients import RecipientKind
from services.shared.recipients.rules import CheckDemand, RecipientRules, make_rules


class CorridorUnsupported(NotAllowedNow):
    """No corridor leads to this currency, or to this currency in this country."""

    reason = "CORRIDOR_UNSUPPORTED"


class CorridorAmbiguous(NotAllowedNow):
    """Several corridors pay this currency out; destination_country must say which is meant."""

    reason = "CORRIDOR_AMBIGUOUS"


class End(Section):
    """Where the money comes from or goes to."""

    country: CountryCode
    currency: CurrencyCode


# How long a payout waits in all for an offramp that can pay, where its corridor does not say.
PATIENCE_SECONDS = 3600
# How long a recipient may be corrected, where a corridor does not say.
DEADLINE_HOURS = 72

ExpectedSeconds = Annotated[Whole, Field(gt=0, le=864_000)]


class Limits(Section):
    """The limits of one payment, in the source currency."""

    minimum_usd: UsdText
    maximum_usd: UsdText

    @cached_property
    def minimum(self) -> Money:
        """The smallest amount."""
        return parse_amount(self.minimum_usd, SOURCE_CURRENCY, field="minimum_usd")

    @cached_property
    def maximum(self) -> Money:
        """The largest amount."""
        return parse_amount(self.maximum_usd, SOURCE_CURRENCY, field="maximum_usd")


class Providers(Section):
    """The providers that move the money, in order of preference."""

    onramps: Names
    offramps: Names
    # How long a payout waits in all where a balance is empty, a limit reached or a provider down;
    # then the payer has the money back.
    patience_seconds: Whole = Field(PATIENCE_SECONDS, ge=0, le=86_400)
    # A step that takes longer is overdue; absent, each provider's own time counts.
    expected_seconds: Mapping[Literal["collection", "payout", "refund"], ExpectedSeconds] = {}


# No currency that is paid out is worth so much or so little: a rate beyond is a mistake.
MID_MIN, MID_MAX = Decimal("0.0001"), Decimal(10_000_000)


class MidBounds(Section):
    """The lowest and the highest mid rate that is accepted; each source's rate beyond them is
    not used."""

    lowest: RateText
    highest: RateText

    @cached_property
    def both(self) -> tuple[Decimal, Decimal]:
        """The two as numbers."""
        return Decimal(self.lowest), Decimal(self.highest)


class FxTerms(Section):
    """Where the rate comes from and what we keep of it."""

    sources: Names
    markup_basis_points: Whole = Field(ge=0, le=1000)
    # Absent means any age will do, which no live deployment may say. Only hours in which the market
    # is open count.
    maximum_age_hours: Whole | None = Field(None, gt=0, le=8760)
    mid_bounds: MidBounds | None = None
    # Fresh sources that differ by more are not used; absent, nothing is compared.
    maximum_deviation_basis_points: Whole | None = Field(None, gt=0, le=5000)
    # While the currency market is closed: more of a margin, or no rate at all.
    closed_market_basis_points: Whole = Field(0, ge=0, le=1000)
    refused_while_closed: StrictBool = False


class QuoteTerms(Section):
    """How long an offer binds us."""

    # From half a minute, in which a payer can decide, to a day, over which a rate can be held.
    lifetime_seconds: Whole = Field(ge=30, le=86_400)


class LateFunds(Section):
    """The treatment of money that arrives after the quote has expired."""

    # So long after it the locked rate is honoured all the same.
    grace_seconds: Whole = Field(ge=0, le=86_400)
    # Later the payment is priced again, and goes on by itself where the rate is worse by no more
    # than that; else a person decides.
    tolerance_basis_points: Whole = Field(ge=0, le=1000)


class ActionRequired(Section):
    """The treatment of a payment whose recipient could not be paid."""

    # So long its merchant may correct the recipient; then the payer has the money back.
    deadline_hours: Whole = Field(DEADLINE_HOURS, ge=1, le=720)


class Refunds(Section):
    """The terms of refunds."""

    # Whether the payer gets the fees back too, or they are kept.
    fees: Literal["returned", "kept"] = "returned"
    # So long after the collection a payment is not paid out, and a cancel gives all of it back, the
    # fees too. None where it is 0.
    cancel_window_minutes: Whole = Field(0, ge=0, le=1440)


class Contact(Section):
    """How somebody is reached, for disclosures."""

    name: str = Field(min_length=1, max_length=100)
    phone: str = Field(min_length=1, max_length=40)
    website: str = Field(pattern=r"^https://[^\s<>\"]{1,200}$")


DisclosureRule = Literal["us_remittance_rule", "eu_2021_1230"]


class Disclosure(Section):
    """The facts that a sender is shown before and after the payment, beside its figures."""

    rules: tuple[DisclosureRule, ...] = Field(min_length=1)
    # The US Remittance Rule is about larger transfers alone.
    scope_above_usd: UsdText = "15.00"
    # The recipient has the money so many days after the payment was made, or before.
    available_within_days: Whole = Field(ge=0, le=30)
    provider: Contact
    # To whom the sender may complain.
    authorities: tuple[Contact, ...] = ()

    @cached_property
    def scope_above(self) -> Money:
        """The largest transfer that is out of the rule's scope."""
        return parse_amount(self.scope_above_usd, SOURCE_CURRENCY, field="scope_above_usd")


class RecipientSection(Section):
    """One kind of recipient that is paid: its rail, its fields and their forms by the names of
    shared.recipients.formats, and an example."""

    rail: str = Field(min_length=1, max_length=40)
    required: Mapping[str, str] = Field(min_length=1)
    optional: Mapping[str, str] = {}
    # Passes. In a sandbox the first kind's is paid where a payment names nobody.
    example: Mapping[str, str]
    # Whether the account's holder is asked for: of every payment, on request, or never.
    account_check: CheckDemand = CheckDemand.NONE
    # Whether a payment goes on where a required check has no answer.
    goes_on_unchecked: bool = False


class Corridor(Section):
    """One way for money to go, with everything that is agreed about it."""

    id: str = Field(pattern=r"^[a-z]{2}-[a-z]{2}(-[a-z0-9]+)?$")
    source: End
    destination: End
    limits: Limits
    providers: Providers
    fx: FxTerms
    quote: QuoteTerms
    late_funds: LateFunds
    action_required: ActionRequired = ActionRequired(deadline_hours=DEADLINE_HOURS)
    refunds: Refunds = Refunds(cancel_window_minutes=0)
    disclosure: Disclosure | None = None
    fees: tuple[FeeSchedule, ...] = Field(min_length=1)
    recipients: Mapping[RecipientKind, RecipientSection] = Field(min_length=1)

    @cached_property
    def kinds(self) -> tuple[RecipientKind, ...]:
        """The kinds of recipient that it pays, in order of preference."""
        return tuple(self.recipients)

    @cached_property
    def recipient_rules(self) -> RecipientRules:
        """The rules of its recipients. Raises RulesInvalid, while the file is read."""
        sections = {
            kind.value: section.model_dump(mode="json") for kind, section in self.recipients.items()
        }
        return make_rules(self.destination.country, sections)

    @cached_property
    def _windows(self) -> tuple[Window, ...]:
        return windows_of(self.fees)

    def schedule_on(self, day: date, merchant_id: str = "") -> FeeSchedule:
        """The fee schedule that counts on a day, for a merchant where one is named.

        Raises CorridorUnsupported where the corridor has no prices yet.
        """
        schedule = in_force(self._windows, day, merchant_id)
        if schedule is None:
            raise CorridorUnsupported(
                f"{self.id} has no fee schedule in force on {day}", corridor_id=self.id
            )
        return schedule


# The text of each file, by its name.
CorridorFiles = Mapping[str, str]


class Corridors:
    """All corridors, by id and by where they lead, with the files that they were read from and the
    version of those."""

    def __init__(
        self,
        corridors: tuple[Corridor, ...],
        *,
        version: str = "",
        files: CorridorFiles = MappingProxyType({}),
    ) -> None:
        self.version = version
        self.files = files
        self.by_id: Mapping[str, Corridor] = {c.id: c for c in corridors}
        by_currency: defaultdict[str, list[Corridor]] = defaultdict(list)
        for corridor in corridors:
            by_currency[corridor.destination.currency].append(corridor)
        self._by_currency: Mapping[str, Sequence[Corridor]] = dict(by_currency)

    def __iter__(self) -> Iterator[Corridor]:
        return iter(self.by_id.values())

    def get(self, corridor_id: str) -> Corridor:
        """The corridor of this id. Raises CorridorUnsupported."""
        try:
            return self.by_id[corridor_id]
        except KeyError:
            raise CorridorUnsupported(corridor_id=corridor_id) from None

    def leading_to(self, currency: str, country: str = "") -> Corridor:
        """The one corridor that pays this currency out, in this country where one is given.

        Raises CurrencyUnknown, CorridorUnsupported, CorridorAmbiguous.
        """
        exponent(currency)
        found = [
            corridor
            for corridor in self._by_currency.get(currency, ())
            if country in ("", corridor.destination.country)
        ]
        if len(found) == 1:
            return found[0]
        asked = {"destination_currency": currency}
        if country:
            asked["destination_country"] = country
        if not found:
            raise CorridorUnsupported(**asked)
        raise CorridorAmbiguous(**asked, corridor_ids=",".join(one.id for one in found))
