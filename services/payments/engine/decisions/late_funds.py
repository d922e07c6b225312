"""Money that came after its quote had expired: priced again, and exchanged without a person only
where the new rate is within the agreed tolerance."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from services.payments.engine.decisions.facts import Change, Repricing, Work
from services.payments.engine.decisions.moves import exchange
from services.payments.engine.decisions.waiting import hold, release
from services.payments.model.causes import Cause
from services.payments.model.holds import HoldReason
from services.payments.model.payment import Payment
from services.payments.model.quote import Fees, RateTrail, agree_terms
from services.payments.model.timing import RATE_RETRY
from services.shared.errors import DomainError
from services.shared.ids import new_id


def reprice(work: Work, trail: RateTrail | DomainError, now: datetime) -> Change:
    """The exchange at the new rate; a hold where it is worse than the tolerance allows."""
    payment = work.payment
    if isinstance(trail, DomainError):
        return release(work, due_in=RATE_RETRY)
    if _is_intolerable(payment, trail.rate):
        return hold(
            work,
            HoldReason.LATE_FUNDS,
            locked_rate=str(payment.terms.rate),
            rate=str(trail.rate),
            expired_at=payment.quote_expires_at.isoformat(),
        )
    terms = payment.terms
    fees = Fees(lines=terms.fees, schedule_version="")
    repricing = Repricing(quote_id=new_id(), replaces=payment.quote_id, trail=trail, priced_at=now)
    priced = replace(
        payment,
        quote_id=repricing.quote_id,
        terms=agree_terms(terms.amount, terms.payout.currency, fees, trail),
    )
    change = replace(release(work, due_in=timedelta(0)), payment=priced, repricing=repricing)
    return exchange(
        change,
        cause=Cause.EXCHANGED_AT_NEW_RATE,
        locked_rate=str(terms.rate),
        locked_payout=f"{terms.payout} {terms.payout.currency}",
        expired_at=payment.quote_expires_at.isoformat(),
    )


def _is_intolerable(payment: Payment, rate: Decimal) -> bool:
    share = 1 - Decimal(payment.late_funds.tolerance_basis_points).scaleb(-4)
    return rate < payment.terms.rate * share
