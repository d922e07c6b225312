"""Money that came after its quote had expired: priced again, and exchanged without a person only
where the new rate is within the agreed tolerance. Where it is better and its payout cannot be sent,
the promised payout is."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from services.payments.engine.decisions.facts import Change, Repricing, Work
from services.payments.engine.decisions.moves import exchange
from services.payments.engine.decisions.waiting import hold, release
from services.payments.model.attempt import Capabilities
from services.payments.model.causes import Cause
from services.payments.model.fixed_payout import agree_payout, smallest_net_minor
from services.payments.model.holds import HoldReason
from services.payments.model.payment import Payment
from services.payments.model.quote import (
    Fees,
    FixedSide,
    RateTrail,
    Terms,
    agree_terms,
)
from services.payments.model.rails import rails_to, target_of
from services.payments.model.timing import RATE_RETRY
from services.shared.errors import DomainError
from services.shared.ids import new_id
from services.shared.money import Money


def reprice(
    work: Work,
    trail: RateTrail | DomainError,
    now: datetime,
    providers: Mapping[str, Capabilities],
) -> Change:
    """The exchange at the new rate; at the locked one where the new one is no worse and its payout
    cannot be sent, but the promised one can; a hold where the new rate is worse than the tolerance
    allows, or where no offramp of the route sends the payout."""
    payment = work.payment
    if isinstance(trail, DomainError):
        return release(work, due_in=RATE_RETRY)
    terms = _terms_at(payment, trail)
    if not _is_intolerable(payment, trail.rate):
        if terms and _can_be_sent(payment, terms.payout, providers):
            return _at_new_rate(work, trail, terms, now)
        if trail.rate >= payment.terms.rate and _can_be_sent(
            payment, payment.terms.payout, providers
        ):
            return _at_locked_rate(work, trail)
    return hold(
        work,
        HoldReason.LATE_FUNDS,
        locked_rate=str(payment.terms.rate),
        rate=str(trail.rate),
        expired_at=payment.quote_expires_at.isoformat(),
    )


def _at_new_rate(work: Work, trail: RateTrail, terms: Terms, now: datetime) -> Change:
    payment, locked = work.payment, work.payment.terms
    repricing = Repricing(quote_id=new_id(), replaces=payment.quote_id, trail=trail, priced_at=now)
    priced = replace(payment, quote_id=repricing.quote_id, terms=terms)
    change = replace(release(work, due_in=timedelta(0)), payment=priced, repricing=repricing)
    return exchange(
        change,
        cause=Cause.EXCHANGED_AT_NEW_RATE,
        locked_rate=str(locked.rate),
        locked_payout=f"{locked.payout} {locked.payout.currency}",
        expired_at=payment.quote_expires_at.isoformat(),
    )


def _at_locked_rate(work: Work, trail: RateTrail) -> Change:
    """The promise is kept: the payout of the better rate is more than a rail takes."""
    return exchange(
        release(work, due_in=timedelta(0)),
        cause=Cause.EXCHANGED_AT_LOCKED_RATE,
        new_rate=str(trail.rate),
        expired_at=work.payment.quote_expires_at.isoformat(),
    )


def _terms_at(payment: Payment, trail: RateTrail) -> Terms | None:
    """The terms at another rate: the dollars are there, so that the payout follows from them. One
    that was asked for exactly stays where they still come to it and a cent less does not. None
    where the dollars come to nothing, or to more than any amount can be."""
    terms = payment.terms
    fees = Fees(lines=terms.fees, schedule_version="")
    currency, decimals = terms.payout.currency, payment.route.payout_decimals
    if terms.fixed_side is FixedSide.DESTINATION:
        needed = smallest_net_minor(terms.payout, trail.rate, decimals)
        if needed == terms.net.amount_minor:
            return agree_payout(terms.net, terms.payout, fees, trail)
    try:
        return agree_terms(terms.amount, currency, fees, trail, decimals)
    except DomainError:
        return None


def _can_be_sent(payment: Payment, payout: Money, providers: Mapping[str, Capabilities]) -> bool:
    route = payment.route
    rails = rails_to(
        (target_of(payment.recipient),),
        route.offramps,
        providers,
        currency=payout.currency,
        country=route.country,
    )
    return any(one.rail.takes(payout) for one in rails)


def _is_intolerable(payment: Payment, rate: Decimal) -> bool:
    share = 1 - Decimal(payment.late_funds.tolerance_basis_points).scaleb(-4)
    return rate < payment.terms.rate * share
