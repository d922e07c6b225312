"""Quotes, corridors and account checks as the public API shows them."""

from datetime import datetime, timedelta

from caravel.common.v1 import recipient_pb2
from caravel.payments.v1 import checks_pb2, corridors_pb2, payments_pb2

from services.payments.base.convert import for_message, timestamp, write_recipient_form
from services.payments.base.view import pricing_fields, terms_fields, trail_fields
from services.payments.model.quote import Quote, RateTrail
from services.payments.orders.checks import Checked
from services.payments.orders.convert.fees import write_fees
from services.payments.orders.limits import KindLimits, Offer
from services.shared.ids import Prefix, encode_id
from services.shared.money import format_rate
from services.shared.recipients import Recipient, masked
from services.shared.recipients.wire import recipient_fields


def write_quote(quote: Quote, now: datetime) -> payments_pb2.Quote:
    """A quote as it stands at this instant."""
    return payments_pb2.Quote(
        **terms_fields(quote.terms),
        **for_message(pricing_fields(quote.pricing)),
        quote_id=quote.quote_id,
        state=payments_pb2.Quote.State.Value(quote.state(now)),
        transaction_id=encode_id(Prefix.PAYMENT, quote.payment_id) if quote.payment_id else "",
        created_at=timestamp(quote.created_at),
        expires_at=timestamp(quote.expires_at),
        refund_fees=quote.conditions.refund_fees if quote.conditions else "",
        cancel_window_minutes=_cancel_window_minutes(quote),
        recipient=_write_recipient(masked(quote.recipient)) if quote.recipient else None,
        recipient_name=quote.recipient.holder_name if quote.recipient else "",
    )


def write_check(checked: Checked) -> checks_pb2.RecipientCheck:
    """The answer about an account: of the holder's name no more than initials."""
    return checks_pb2.RecipientCheck(
        result=checks_pb2.AccountCheck.Value(checked.result),
        recipient=_write_recipient(masked(checked.recipient)),
        recipient_name=checked.recipient.holder_name,
        holder_initials=checked.initials,
    )


def write_corridor(offer: Offer) -> corridors_pb2.Corridor:
    """A corridor as it is offered, with the rate one would get now."""
    corridor, trail = offer.corridor, offer.trail
    return corridors_pb2.Corridor(
        corridor_id=corridor.id,
        source_country=corridor.source.country,
        destination_country=corridor.destination.country,
        destination_currency=corridor.destination.currency,
        minimum_usd=str(offer.minimum),
        maximum_usd=str(offer.maximum),
        onramps=corridor.providers.onramps,
        offramps=corridor.providers.offramps,
        indicative_rate=format_rate(trail.rate) if trail else "",
        rate_trail=_write_trail(trail) if trail else None,
        quote_lifetime_seconds=corridor.quote.lifetime_seconds,
        refund_fees=corridor.refunds.fees,
        cancel_window_minutes=corridor.refunds.cancel_window_minutes,
        recipients=[
            write_recipient_form(rules) for rules in corridor.recipient_rules.kinds.values()
        ],
        rails=[_write_rail(one) for one in offer.kinds],
        fees=write_fees(offer.schedule) if offer.schedule else None,
        paused=offer.is_paused,
    )


def _write_recipient(recipient: Recipient) -> recipient_pb2.Recipient:
    return recipient_pb2.Recipient(**recipient_fields(recipient))


def _write_rail(limits: KindLimits) -> corridors_pb2.CorridorRail:
    return corridors_pb2.CorridorRail(
        recipient_kind=recipient_pb2.RecipientKind.Value(limits.kind.name),
        offramps=limits.offramps,
        payout_decimals=limits.decimals,
        minimum_usd=str(limits.minimum),
        maximum_usd=str(limits.maximum),
        minimum_payout=str(limits.minimum_payout),
        maximum_payout=str(limits.maximum_payout),
        cut_off=limits.cut_off,
    )


def _write_trail(trail: RateTrail) -> corridors_pb2.RateTrail:
    return corridors_pb2.RateTrail(**for_message(trail_fields(trail)))


def _cancel_window_minutes(quote: Quote) -> int:
    window = quote.conditions.route.cancel_window if quote.conditions else timedelta(0)
    return window // timedelta(minutes=1)
