"""The routes of a corridor: which of its offramps pay a kind of recipient, by the rails that they
have declared. Prices are in pricing, the amounts that can be sent in limits."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from services.payments.model.attempt import Capabilities
from services.payments.model.disclosure import Contact, DisclosureTerms, Rule
from services.payments.model.pause import Paused
from services.payments.model.payment import Payment
from services.payments.model.quote import Conditions, LateFunds, RefundFees, Route
from services.payments.model.rails import (
    OfframpRail,
    RailUnsupported,
    Target,
    offramps_of,
    rails_to,
    taking,
    target_of,
)
from services.payments.orders.ports import Declared
from services.shared.corridors import Corridor, Corridors, Disclosure
from services.shared.errors import Unavailable
from services.shared.money import Money
from services.shared.recipients import Recipient

Rails = tuple[OfframpRail, ...]


class Routes:
    """Makes routes by the newest declarations of the providers."""

    def __init__(self, corridors: Corridors, declared: Declared) -> None:
        self._corridors = corridors
        self._declared = declared
        # Made once: every quote has those of its corridor, with one of a few routes.
        self._conditions = {corridor.id: _conditions(corridor) for corridor in corridors}
        self._with_route: dict[tuple[str, tuple[str, ...], tuple[str, ...], int], Conditions] = {}
        # The rails are of these declarations.
        self._found_in: Mapping[str, Capabilities] = {}
        self._rails: dict[tuple[str, Target | None], Rails] = {}

    def rails(self, corridor: Corridor, target: Target | None) -> Rails:
        """The rails that reach this target, in order of preference; that reach any of the
        corridor's kinds where it is None. Raises RailUnsupported, Unavailable."""
        current = self._current()
        if current is not self._found_in:
            self._found_in, self._rails = current, {}
        rails = self._rails.get((corridor.id, target))
        if rails is None:
            rails = rails_to(
                [(kind, "") for kind in corridor.kinds] if target is None else (target,),
                corridor.providers.offramps,
                current,
                currency=corridor.destination.currency,
                country=corridor.destination.country,
            )
            self._rails[corridor.id, target] = rails
        if not rails:
            kind, operator = target or ("any", "")
            raise RailUnsupported(corridor_id=corridor.id, recipient_kind=kind, operator=operator)
        return rails

    def conditions(
        self, corridor_id: str, onramps: tuple[str, ...], rails: Rails, decimals: int
    ) -> Conditions:
        """The conditions of a corridor, with the route of these onramps and rails for payouts of so
        many decimals."""
        key = (corridor_id, onramps, offramps_of(rails), decimals)
        made = self._with_route.get(key)
        if made is None:
            made = _with_route(self._conditions[corridor_id], *key[1:])
            self._with_route[key] = made
        return made

    def all_offramps(self, corridor_id: str) -> Conditions:
        """The conditions of a corridor with every offramp, whoever is to be paid."""
        return self._conditions[corridor_id]

    def fitted(
        self, conditions: Conditions, payout: Money, target: Target, paused: Paused
    ) -> Conditions:
        """The conditions of an offer, its route cut down to the onramps that are not paused, and to
        the offramps that are not and send this payout to this target. Raises what taking() raises,
        ProviderPaused, and Unavailable."""
        route = conditions.route
        rails = rails_to(
            (target,),
            route.offramps,
            self._current(),
            currency=payout.currency,
            country=route.country,
        )
        offramps = paused.open(offramps_of(taking(rails, payout)))
        return _with_route(conditions, paused.open(route.onramps), offramps, route.payout_decimals)

    def corrected(self, payment: Payment, recipient: Recipient) -> Route:
        """The route of a payment whose payout goes to this recipient instead: by those of its
        corridor's offramps that send it there.

        Raises CorridorUnsupported, Unavailable, and what taking() raises.
        """
        rails = self.rails(self._corridors.get(payment.corridor_id), target_of(recipient))
        return replace(payment.route, offramps=offramps_of(taking(rails, payment.terms.payout)))

    def _current(self) -> Mapping[str, Capabilities]:
        if not self._declared.current:
            raise Unavailable("providers has not said yet which rails there are")
        return self._declared.current


def unpaused(rails: Rails, paused: Paused) -> Rails:
    """Those of the rails whose offramps are not paused. Raises ProviderPaused where all are."""
    left = paused.open(offramps_of(rails))
    return tuple(one for one in rails if one.offramp in left)


def _with_route(
    conditions: Conditions,
    onramps: tuple[str, ...],
    offramps: tuple[str, ...],
    decimals: int | None,
) -> Conditions:
    route = replace(conditions.route, onramps=onramps, offramps=offramps, payout_decimals=decimals)
    return conditions if route == conditions.route else replace(conditions, route=route)


def _conditions(corridor: Corridor) -> Conditions:
    providers, late_funds = corridor.providers, corridor.late_funds
    return Conditions(
        route=Route(
            onramps=providers.onramps,
            offramps=providers.offramps,
            country=corridor.destination.country,
            patience=timedelta(seconds=providers.patience_seconds),
            correction=timedelta(hours=corridor.action_required.deadline_hours),
            expected={
                step: timedelta(seconds=within)
                for step, within in providers.expected_seconds.items()
            },
            cancel_window=timedelta(minutes=corridor.refunds.cancel_window_minutes),
        ),
        late_funds=LateFunds(
            grace=timedelta(seconds=late_funds.grace_seconds),
            tolerance_basis_points=late_funds.tolerance_basis_points,
        ),
        refund_fees=RefundFees(corridor.refunds.fees),
        recipients=corridor.recipient_rules,
        disclosure=_disclosure(corridor.disclosure) if corridor.disclosure else None,
    )


def _disclosure(section: Disclosure) -> DisclosureTerms:
    return DisclosureTerms(
        rules=tuple(Rule(rule) for rule in section.rules),
        scope_above=section.scope_above,
        available_within=timedelta(days=section.available_within_days),
        provider=Contact(**section.provider.model_dump()),
        authorities=tuple(Contact(**one.model_dump()) for one in section.authorities),
    )
