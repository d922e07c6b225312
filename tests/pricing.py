"""Pricing and offers, where every offramp pays everybody unless a test says otherwise."""

from collections.abc import Mapping

from services.payments.mesh.ports import FeeBook, Rates
from services.payments.model.attempt import Capabilities
from services.payments.orders.limits import Offers
from services.payments.orders.pricing import Pricing
from services.payments.orders.routes import Routes
from services.shared.clock import SystemClock
from services.shared.corridors import Corridors
from tests.fakes import Held, Pausing, Unlimited
from tests.rails import any_rails


def make_pricing(
    corridors: Corridors,
    fees: FeeBook,
    rates: Rates,
    declared: Mapping[str, Capabilities] | None = None,
    *,
    pauses: Pausing | None = None,
) -> Pricing:
    """Pricing by these services."""
    return Pricing(
        corridors,
        fees,
        rates,
        make_routes(corridors, declared),
        exposure=Unlimited(),
        pauses=pauses or Pausing(),
    )


def make_offers(corridors: Corridors, declared: Mapping[str, Capabilities] | None = None) -> Offers:
    """The amounts that these corridors can send."""
    return Offers(make_routes(corridors, declared), SystemClock())


def make_routes(corridors: Corridors, declared: Mapping[str, Capabilities] | None = None) -> Routes:
    """Routes through the offramps of these corridors."""
    return Routes(corridors, Held(any_rails() if declared is None else declared))
