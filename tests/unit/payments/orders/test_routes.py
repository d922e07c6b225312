"""A route holds only the offramps that pay this kind of recipient this amount, by what they have
declared last."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.payments.model.pause import NOTHING_PAUSED, Paused, ProviderPaused
from services.payments.model.payouts import PayoutAboveMaximum
from services.payments.model.quote import Conditions, Terms
from services.payments.model.rails import (
    PayoutBelowMinimum,
    RailUnsupported,
    Target,
    offramps_of,
)
from services.payments.orders.routes import Rails, Routes
from services.shared.corridors import Corridors, load_corridors
from services.shared.errors import DomainError, Unavailable
from services.shared.money import Money
from services.shared.recipients import BankAccount, MobileMoney, RecipientKind, Wallet
from tests.conftest import ROOT
from tests.fakes import Held
from tests.makers import make_capabilities, make_payment, make_terms
from tests.rails import declared_rails

CORRIDORS = load_corridors(ROOT / "deploy" / "corridors", live=False)
NIGERIA = CORRIDORS.get("us-ng")
BANK, WALLET = (RecipientKind.BANK_ACCOUNT, ""), (RecipientKind.WALLET, "")


def _routes() -> Routes:
    return Routes(CORRIDORS, Held(declared_rails()))


def _conditions(routes: Routes, rails: Rails) -> Conditions:
    return routes.conditions("us-ng", NIGERIA.providers.onramps, rails, 2)


def _agreed() -> Conditions:
    routes = _routes()
    return _conditions(routes, routes.rails(NIGERIA, None))


def test_the_route_keeps_the_cancel_window_of_its_corridor() -> None:
    refunds = NIGERIA.refunds.model_copy(update={"cancel_window_minutes": 30})
    windowed = Corridors((NIGERIA.model_copy(update={"refunds": refunds}),))
    routes = Routes(windowed, Held(declared_rails()))

    agreed = _conditions(routes, routes.rails(windowed.get("us-ng"), None))

    assert agreed.route.cancel_window == timedelta(minutes=30)
    assert _agreed().route.cancel_window == timedelta(0)


def test_each_kind_has_a_route_of_its_own() -> None:
    routes = _routes()

    banks = offramps_of(routes.rails(NIGERIA, BANK))
    wallets = offramps_of(routes.rails(NIGERIA, WALLET))

    assert "local_wallet" not in banks
    assert {"flutterwave", "paystack"} <= set(banks)
    assert wallets == ("local_wallet",)
    assert set(offramps_of(routes.rails(NIGERIA, None))) == {*banks, *wallets}


def test_a_kind_that_no_offramp_pays_has_none() -> None:
    with pytest.raises(RailUnsupported) as refused:
        _routes().rails(NIGERIA, (RecipientKind.MOBILE_MONEY, "MTN"))

    assert refused.value.metadata == {
        "corridor_id": "us-ng",
        "recipient_kind": "mobile_money",
        "operator": "MTN",
    }


def test_a_network_has_the_route_of_the_offramps_that_reach_it() -> None:
    routes, kenya = _routes(), CORRIDORS.get("us-ke")

    def reached_by(operator: str) -> set[str]:
        return set(offramps_of(routes.rails(kenya, (RecipientKind.MOBILE_MONEY, operator))))

    assert reached_by("MPESA") == {"flutterwave", "paystack"}
    assert reached_by("AIRTEL") == {"flutterwave"}
    with pytest.raises(RailUnsupported):
        reached_by("MTN")


def test_until_providers_has_answered_nothing_is_priced() -> None:
    routes = Routes(CORRIDORS, Held({}))

    with pytest.raises(Unavailable):
        routes.rails(NIGERIA, BANK)
    with pytest.raises(Unavailable):
        routes.fitted(_agreed(), Money(10_000, "NGN"), BANK, NOTHING_PAUSED)


def test_new_declarations_count_at_once() -> None:
    held = Held(declared_rails())
    routes = Routes(CORRIDORS, held)
    before = offramps_of(routes.rails(NIGERIA, BANK))

    held.current = {**declared_rails(), "flutterwave": make_capabilities("flutterwave", rails=())}

    assert offramps_of(routes.rails(NIGERIA, BANK)) == tuple(
        name for name in before if name != "flutterwave"
    )


def test_the_route_of_an_offer_is_cut_down_to_its_recipient() -> None:
    fitted = _routes().fitted(_agreed(), Money(1_000_000, "NGN"), BANK, NOTHING_PAUSED)

    assert "local_wallet" not in fitted.route.offramps
    assert fitted.route.payout_decimals == _agreed().route.payout_decimals
    assert fitted.route.country == "NG"


@pytest.mark.parametrize(
    ("target", "minor", "refusal"),
    [
        ((RecipientKind.MOBILE_MONEY, ""), 1_000_000, RailUnsupported),
        (BANK, 50, PayoutBelowMinimum),
        (BANK, 10**14, PayoutAboveMaximum),
    ],
)
def test_an_offer_whose_payout_cannot_reach_its_recipient_is_refused(
    target: Target, minor: int, refusal: type[DomainError]
) -> None:
    with pytest.raises(refusal):
        _routes().fitted(_agreed(), Money(minor, "NGN"), target, NOTHING_PAUSED)


def test_a_paused_offramp_is_left_out_of_the_route_of_an_offer() -> None:
    first, *others = (
        _routes().fitted(_agreed(), Money(1_000_000, "NGN"), BANK, NOTHING_PAUSED).route.offramps
    )

    fitted = _routes().fitted(_agreed(), Money(1_000_000, "NGN"), BANK, Paused(providers=(first,)))

    assert fitted.route.offramps == tuple(others)
    assert fitted.route.onramps == _agreed().route.onramps


@pytest.mark.parametrize(
    ("target", "providers"),
    [
        (WALLET, ("local_wallet",)),
        (BANK, NIGERIA.providers.offramps),
        (BANK, NIGERIA.providers.onramps),
    ],
)
def test_an_offer_is_refused_where_every_provider_of_a_leg_is_paused(
    target: Target, providers: tuple[str, ...]
) -> None:
    with pytest.raises(ProviderPaused):
        _routes().fitted(_agreed(), Money(1_000_000, "NGN"), target, Paused(providers=providers))


def test_an_offer_keeps_its_own_offramps_whatever_the_corridor_has_now() -> None:
    agreed = _agreed()
    routes = Routes(
        load_corridors(ROOT / "deploy" / "corridors", live=False),
        Held({**declared_rails(), "acme": make_capabilities("acme")}),
    )

    fitted = routes.fitted(agreed, Money(1_000_000, "NGN"), WALLET, NOTHING_PAUSED)

    assert fitted.route.offramps == ("local_wallet",)


def test_equal_routes_are_made_once() -> None:
    routes = _routes()
    rails = routes.rails(NIGERIA, BANK)

    assert routes.rails(NIGERIA, BANK) is rails
    assert _conditions(routes, rails) is _conditions(routes, rails)


def test_a_corrected_payment_takes_the_route_of_its_new_recipient() -> None:
    routes, payment = _routes(), make_payment(corridor_id="us-ng", terms=_naira(1_000_000))

    bank = routes.corrected(payment, BankAccount(holder_name="Ada Obi", bank_code="044"))
    wallet = routes.corrected(payment, Wallet(holder_name="Ada Obi", wallet_id="wallet-1"))

    assert bank.offramps == ("flutterwave", "paystack")
    assert wallet.offramps == ("local_wallet",)
    assert replace(bank, offramps=payment.route.offramps) == payment.route


def test_a_correction_to_a_recipient_whom_no_rail_pays_that_much_is_refused() -> None:
    payment = make_payment(corridor_id="us-ng", terms=_naira(10**12))

    with pytest.raises(PayoutAboveMaximum):
        _routes().corrected(payment, BankAccount(holder_name="Ada Obi", bank_code="044"))
    with pytest.raises(RailUnsupported):
        _routes().corrected(payment, MobileMoney(holder_name="Ada Obi", operator="MTN"))


def _naira(minor: int) -> Terms:
    return replace(make_terms(), payout=Money(minor, "NGN"))
