"""A corridor whose offramps cannot pay there is refused when the process starts."""

from dataclasses import replace

import pytest

from services.providers.adapters import ADAPTERS
from services.providers.domain import Kind
from services.providers.rails import RailMissing, refuse_missing_rails
from services.shared.corridors import Corridor, load_corridors
from services.shared.money import EXPONENTS
from services.shared.recipients import RecipientKind
from services.shared.recipients.rails import Rail
from tests.conftest import ROOT

CORRIDORS = load_corridors(ROOT / "deploy" / "corridors", live=False)
RAILS = {name: ADAPTERS[name].capabilities.rails for name in ADAPTERS}
NIGERIA = CORRIDORS.get("us-ng")


def _paying_through(*offramps: str) -> Corridor:
    providers = NIGERIA.providers.model_copy(update={"offramps": offramps})
    return NIGERIA.model_copy(update={"providers": providers})


def test_every_shipped_corridor_has_rails_to_each_kind_that_it_pays() -> None:
    for corridor in CORRIDORS:
        refuse_missing_rails(corridor, RAILS)


def test_every_offramp_declares_rails_that_it_can_be_held_to() -> None:
    for name, registration in ((name, ADAPTERS[name]) for name in ADAPTERS):
        rails = registration.capabilities.rails
        assert bool(rails) == (Kind.PAYOUT in registration.capabilities.kinds), name
        places = [(rail.recipient_kind, rail.currency, rail.country) for rail in rails]
        assert len(set(places)) == len(places), name
        assert all(rail.currency in EXPONENTS for rail in rails), name


@pytest.mark.parametrize(
    ("offramps", "words"),
    [
        (("flutterwave", "paystack"), "none of its offramps pays a wallet"),
        (("local_wallet",), "none of its offramps pays a bank_account"),
    ],
)
def test_a_kind_without_an_offramp_is_named(offramps: tuple[str, ...], words: str) -> None:
    with pytest.raises(RailMissing, match=words):
        refuse_missing_rails(_paying_through(*offramps), RAILS)


def test_an_offramp_that_does_not_pay_there_is_named() -> None:
    rails = {**RAILS, "paystack": tuple(r for r in RAILS["paystack"] if r.currency != "NGN")}

    with pytest.raises(RailMissing, match="us-ng: paystack pays none of its recipients in NGN"):
        refuse_missing_rails(_paying_through("flutterwave", "paystack", "local_wallet"), rails)


def test_two_offramps_with_wallets_of_their_own_are_refused() -> None:
    wallets: tuple[Rail, ...] = tuple(
        rail for rail in RAILS["local_wallet"] if rail.recipient_kind is RecipientKind.WALLET
    )
    rails = {**RAILS, "flutterwave": (*RAILS["flutterwave"], *wallets)}

    with pytest.raises(RailMissing, match="two of its offramps pay wallets"):
        refuse_missing_rails(_paying_through("flutterwave", "paystack", "local_wallet"), rails)


def test_a_rail_of_another_country_does_not_count() -> None:
    elsewhere = tuple(
        replace(rail, country="GH") for rail in RAILS["paystack"] if rail.currency == "NGN"
    )

    with pytest.raises(RailMissing, match="paystack"):
        refuse_missing_rails(
            _paying_through("flutterwave", "paystack", "local_wallet"),
            {**RAILS, "paystack": elsewhere},
        )
