"""The ways in which a payment could be paid out now: the offramps that can pay its recipient, and
the recipients that it could be corrected to. Both come from its corridor, as it counts now, and
from the newest declarations of the providers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.payments.model.attempt import Capabilities
from services.payments.model.payment import Payment
from services.payments.model.rails import Target, offramps_of, rails_to, taking, target_of
from services.shared.corridors import Corridor
from services.shared.errors import DomainError
from services.shared.recipients.rules import KindRules


@dataclass(frozen=True, kw_only=True)
class PayoutOptions:
    """The ways to pay a payment out."""

    # Those that can pay its recipient this amount, in the order of the corridor.
    offramps: Sequence[str]
    # The kinds of recipient that some offramp of the corridor can pay this amount.
    recipients: Sequence[KindRules]


def able_offramps(
    payment: Payment, target: Target, corridor: Corridor, capabilities: Mapping[str, Capabilities]
) -> Sequence[str]:
    """The offramps of the corridor that can send the payout to this target, in its order.

    Raises PayoutBelowMinimum, PayoutAboveMaximum, RailUnsupported where there is none.
    """
    rails = rails_to(
        (target,),
        corridor.providers.offramps,
        capabilities,
        currency=payment.terms.payout.currency,
        country=payment.route.country,
    )
    return offramps_of(taking(rails, payment.terms.payout))


def payout_options(
    payment: Payment, corridor: Corridor, capabilities: Mapping[str, Capabilities]
) -> PayoutOptions:
    """The options of a payment in its corridor."""

    def able(target: Target) -> Sequence[str]:
        try:
            return able_offramps(payment, target, corridor, capabilities)
        except DomainError:
            return ()

    kinds = corridor.recipient_rules.kinds
    return PayoutOptions(
        offramps=able(target_of(payment.recipient)),
        recipients=[rules for kind, rules in kinds.items() if able((kind, ""))],
    )
