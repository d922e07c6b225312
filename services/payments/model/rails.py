"""The rails that can send a payout: those of a corridor's offramps to a kind of recipient, the
terms in the precision that all of them share, and the refusals where none is left."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from services.payments.model.attempt import Capabilities
from services.payments.model.payouts import PayoutAboveMaximum
from services.payments.model.quote import Fees, RateTrail, Terms, agree_terms
from services.shared.errors import NotAllowedNow, OutOfRange, field_invalid
from services.shared.money import Money, exponent
from services.shared.recipients import MobileMoney, Recipient, RecipientKind
from services.shared.recipients.rails import Rail


class RailUnsupported(NotAllowedNow):
    """No offramp of the corridor pays this kind of recipient in its currency."""

    reason = "RAIL_UNSUPPORTED"


class PayoutBelowMinimum(OutOfRange):
    """The payout is smaller than any offramp sends to this kind of recipient."""

    reason = "PAYOUT_BELOW_MINIMUM"


@dataclass(frozen=True, kw_only=True)
class OfframpRail:
    """A rail, and the offramp that has it."""

    offramp: str
    rail: Rail


# A kind of recipient, and of mobile money the network; empty for any.
Target = tuple[RecipientKind, str]


def target_of(recipient: Recipient) -> Target:
    """The target that a rail to this recipient must reach."""
    operator = recipient.operator if isinstance(recipient, MobileMoney) else ""
    return (recipient.kind, operator)


def rails_to(
    targets: Collection[Target],
    offramps: Sequence[str],
    capabilities: Mapping[str, Capabilities],
    *,
    currency: str,
    country: str,
) -> tuple[OfframpRail, ...]:
    """The rails of these offramps to any of these targets in this country, in the order of the
    offramps. An offramp that has declared nothing has none."""
    return tuple(
        OfframpRail(offramp=name, rail=rail)
        for name in offramps
        if name in capabilities
        for rail in capabilities[name].rails
        if rail.pays_in(currency, country) and any(rail.reaches(*one) for one in targets)
    )


def offramps_of(rails: Sequence[OfframpRail]) -> tuple[str, ...]:
    """The offramps of these rails, each once, in order."""
    return tuple(dict.fromkeys(one.offramp for one in rails))


def decimals_of(rails: Sequence[OfframpRail]) -> int:
    """How many decimals a payout has that each of these rails can send."""
    return min(one.rail.decimals for one in rails)


def taking(rails: Sequence[OfframpRail], payout: Money) -> tuple[OfframpRail, ...]:
    """Those of the rails that send exactly this amount. Raises PayoutBelowMinimum,
    PayoutAboveMaximum, RailUnsupported where there is none."""
    fitting = tuple(one for one in rails if one.rail.takes(payout))
    if fitting:
        return fitting
    shown, currency = str(payout), payout.currency
    larger = [one.rail.minimum for one in rails if one.rail.minimum > payout]
    if larger:
        least = str(min(larger))
        raise PayoutBelowMinimum(payout_amount=shown, currency=currency, minimum=least)
    most = max((one.rail.maximum for one in rails), default=payout)
    if most < payout:
        raise PayoutAboveMaximum(payout_amount=shown, currency=currency, maximum=str(most))
    # None at all, or each sends coarser amounts than this one.
    raise RailUnsupported(payout_amount=shown, currency=currency)


def sending(rails: Sequence[OfframpRail], payout: Money) -> tuple[OfframpRail, ...]:
    """Those of the rails that send exactly the payout that was asked for. Raises Invalid where it
    has more decimals than any of them, and what taking() raises."""
    decimals = max(one.rail.decimals for one in rails)
    if payout.amount_minor % 10 ** (exponent(payout.currency) - decimals):
        raise field_invalid(
            "payout_amount",
            f"payout_amount may have at most {decimals} decimals",
            "AMOUNT_PRECISION_EXCEEDED",
            max_decimals=str(decimals),
        )
    return taking(rails, payout)


def agree_by_rails(
    amount: Money, fees: Fees, trail: RateTrail, rails: tuple[OfframpRail, ...]
) -> tuple[Terms, tuple[OfframpRail, ...]]:
    """The terms of a payment, and the rails that can send its payout: rounded once, to the decimals
    that all of them have, and within the bounds of each.

    There is at least one rail. Raises AmountTooSmallAfterFees and what taking() raises.
    """
    currency = rails[0].rail.currency
    while True:
        terms = agree_terms(amount, currency, fees, trail, decimals_of(rails))
        fitting = taking(rails, terms.payout)
        if len(fitting) == len(rails):
            return terms, rails
        rails = fitting
