"""The limits that are shown can be sent, and no amount beyond them can: by the corridor's own
limits, its fees, and the bounds of its rails at the rate."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from services.fees.domain import calculate
from services.payments.model.quote import FeeLine, Fees, RateTrail
from services.payments.model.rails import agree_by_rails
from services.payments.orders.limits import Offer, Offers
from services.payments.orders.routes import Routes
from services.shared.clock import SystemClock
from services.shared.corridors import Corridor, Corridors, load_corridors
from services.shared.corridors.model import Limits
from services.shared.errors import DomainError
from services.shared.money import MAX_AMOUNT_MINOR, Money
from services.shared.recipients import RecipientKind
from tests.conftest import ROOT
from tests.fakes import Held
from tests.makers import make_capabilities, make_trail
from tests.pricing import make_routes
from tests.rails import declared_rails
from tests.schedules import corridor_with, make_schedule

CORRIDORS = load_corridors(ROOT / "deploy" / "corridors", live=False)
ROUTES = Routes(CORRIDORS, Held(declared_rails()))
# Rates at which the bounds of rails count, and rates at which they do not.
MIDS = ("0.0051", "0.93", "17.2", "129.4", "1530.25", "25310", "4100000")


def _offer(corridor: Corridor, trail: RateTrail | None, routes: Routes = ROUTES) -> Offer:
    return Offers(routes, SystemClock()).offer(corridor, trail)


def _can_be_sent(corridor: Corridor, kind: RecipientKind, minor: int, trail: RateTrail) -> bool:
    """By the rules of pricing, from the beginning."""
    amount = Money(minor, "USD")
    if not corridor.limits.minimum <= amount <= corridor.limits.maximum:
        return False
    priced = calculate(corridor.schedule_on(SystemClock().now().date()), amount)
    lines = tuple(FeeLine(name=line.name, amount=line.amount) for line in priced.lines)
    try:
        rails = ROUTES.rails(corridor, (kind, ""))
        agree_by_rails(amount, Fees(lines=lines, schedule_version=""), trail, rails)
    except DomainError:
        return False
    return True


def _shown(mid: str) -> Iterator[tuple[Corridor, Offer, RateTrail]]:
    trail = make_trail(mid)
    for corridor in CORRIDORS:
        yield corridor, _offer(corridor, trail), trail


@pytest.mark.parametrize("mid", MIDS)
def test_each_shown_limit_can_be_sent_and_a_cent_beyond_cannot(mid: str) -> None:
    for corridor, offer, trail in _shown(mid):
        for kind in offer.kinds:
            least, most = kind.minimum.amount_minor, kind.maximum.amount_minor
            sent = [
                _can_be_sent(corridor, kind.kind, minor, trail)
                for minor in (least - 1, least, (least + most) // 2, most, most + 1)
            ]
            assert sent == [False, True, True, True, False], (corridor.id, kind)


@pytest.mark.parametrize("mid", MIDS)
def test_where_no_limits_are_shown_nothing_can_be_sent(mid: str) -> None:
    for corridor, offer, trail in _shown(mid):
        limits = corridor.limits
        tried = (limits.minimum.amount_minor, 10_000, limits.maximum.amount_minor)
        for kind in set(corridor.kinds) - {shown.kind for shown in offer.kinds}:
            assert not any(_can_be_sent(corridor, kind, minor, trail) for minor in tried)


def test_the_corridor_s_limits_are_those_that_every_kind_has() -> None:
    offer = _offer(CORRIDORS.get("us-ke"), make_trail("129.4"))

    assert len(offer.kinds) > 1
    assert offer.minimum == max(one.minimum for one in offer.kinds)
    assert offer.maximum == min(one.maximum for one in offer.kinds)
    phones = next(one for one in offer.kinds if one.kind is RecipientKind.MOBILE_MONEY)
    assert phones.decimals == 0
    assert phones.maximum_payout <= Money(25_000_000, "KES")
    assert phones.maximum < CORRIDORS.get("us-ke").limits.maximum


def test_without_a_rate_or_rails_the_file_s_own_limits_are_shown() -> None:
    corridor = CORRIDORS.get("us-in")

    for offer in (
        _offer(corridor, None),
        _offer(corridor, make_trail("94"), Routes(CORRIDORS, Held({}))),
    ):
        assert offer.kinds == ()
        assert (offer.minimum, offer.maximum) == (corridor.limits.minimum, corridor.limits.maximum)


def test_a_new_rate_and_new_rails_change_what_is_shown() -> None:
    held = Held(declared_rails())
    offers = Offers(Routes(CORRIDORS, held), SystemClock())
    corridor = CORRIDORS.get("us-ke")
    first = offers.offer(corridor, make_trail("129.4"))

    dearer = offers.offer(corridor, make_trail("258.8"))
    held.current = {
        name: replace(known, rails=tuple(_halved(known.rails)))
        for name, known in declared_rails().items()
    }
    narrower = offers.offer(corridor, make_trail("129.4"))

    assert dearer.maximum < first.maximum
    assert narrower.maximum < first.maximum
    assert offers.offer(corridor, make_trail("129.4")) == narrower


def test_a_merchant_with_prices_of_its_own_is_shown_those_and_the_limits_that_they_leave() -> None:
    usual = make_schedule(flat_usd="1.00", percent="1")
    own = make_schedule(version="own", percent="20", flat_usd="1.50", merchants=["sandbox"])
    corridor = corridor_with(usual, own)
    offers = Offers(make_routes(Corridors((corridor,))), SystemClock())

    shown = [offers.offer(corridor, make_trail("0.9"), who) for who in ("", "sandbox", "")]

    assert [offer.schedule for offer in shown] == [usual, own, usual]
    payouts = [offer.kinds[0].minimum_payout for offer in shown]
    assert payouts[0] == payouts[2] > payouts[1]


def _halved(rails: tuple[object, ...]) -> Iterator[object]:
    for rail in rails:
        maximum = rail.maximum  # type: ignore[attr-defined]
        unit = rail.unit  # type: ignore[attr-defined]
        half = max(maximum.amount_minor // 2 // unit * unit, rail.minimum.amount_minor)  # type: ignore[attr-defined]
        yield replace(rail, maximum=Money(half, maximum.currency))  # type: ignore[type-var]


def test_a_rate_is_exact_in_the_shown_payouts() -> None:
    trail = make_trail("129.4")
    for kind in _offer(CORRIDORS.get("us-ke"), trail).kinds:
        exact = kind.minimum_payout.decimal / trail.rate
        assert exact <= kind.minimum.decimal + Decimal(1)


def test_a_provider_that_declares_nothing_pays_nobody() -> None:
    silent = {name: make_capabilities(name, rails=()) for name in declared_rails()}

    offer = _offer(CORRIDORS.get("us-in"), make_trail("94"), Routes(CORRIDORS, Held(silent)))

    assert offer.kinds == ()


def test_a_corridor_whose_maximum_pays_out_more_than_an_amount_can_be_is_shown_up_to_that() -> None:
    corridor = CORRIDORS.get("us-id")
    limits = Limits(minimum_usd="2.00", maximum_usd="1000000000.00")
    corridor = corridor.model_copy(update={"limits": limits})
    trail = make_trail("18148")

    offer = Offers(make_routes(Corridors((corridor,))), SystemClock()).offer(corridor, trail)

    (*_, shown) = offer.kinds
    assert shown.maximum < corridor.limits.maximum
    assert shown.maximum_payout.amount_minor <= MAX_AMOUNT_MINOR
