"""The payout is rounded once, to the decimals that every rail of its route has, and lies within the
bounds of each; where no rail is left, the refusal says which bound it is."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.model.payouts import PayoutAboveMaximum
from services.payments.model.rails import (
    OfframpRail,
    PayoutBelowMinimum,
    RailUnsupported,
    agree_by_rails,
    decimals_of,
    offramps_of,
    rails_to,
    taking,
    target_of,
)
from services.shared.errors import DomainError
from services.shared.money import Money
from services.shared.recipients import MobileMoney, RecipientKind, Wallet
from services.shared.recipients.rails import Rail
from tests.makers import FEES, make_capabilities, make_trail

BANK, PHONE = RecipientKind.BANK_ACCOUNT, RecipientKind.MOBILE_MONEY


def _rail(
    offramp: str = "one",
    *,
    decimals: int = 2,
    least: int = 100,
    most: int = 10**12,
    kind: RecipientKind = BANK,
    currency: str = "TZS",
    country: str = "",
) -> OfframpRail:
    return OfframpRail(
        offramp=offramp,
        rail=Rail(
            recipient_kind=kind,
            minimum=Money(least, currency),
            maximum=Money(most, currency),
            decimals=decimals,
            country=country,
        ),
    )


def test_the_coarsest_rail_of_a_route_decides_the_decimals() -> None:
    fine, coarse = _rail("fine"), _rail("coarse", decimals=0)

    terms, rails = agree_by_rails(
        Money(10_000, "USD"), FEES, make_trail("2503.777"), (fine, coarse)
    )

    assert (terms.payout, rails) == (Money(24_289_800, "TZS"), (fine, coarse))
    alone, _ = agree_by_rails(Money(10_000, "USD"), FEES, make_trail("2503.777"), (fine,))
    assert alone.payout == Money(24_289_767, "TZS")


def test_a_rail_beyond_its_bounds_is_left_out_and_the_rest_decide_the_decimals() -> None:
    fine, coarse = _rail("fine"), _rail("coarse", decimals=0, most=100_000)

    terms, rails = agree_by_rails(
        Money(10_000, "USD"), FEES, make_trail("2503.777"), (coarse, fine)
    )

    assert (terms.payout, rails) == (Money(24_289_767, "TZS"), (fine,))


@given(
    amount=st.integers(300, 1_000_000),
    mid=st.decimals("0.001", "50000", places=4),
    decimals=st.lists(st.integers(0, 2), min_size=1, max_size=3),
    bounds=st.lists(st.integers(1, 10**8), min_size=6, max_size=6),
)
def test_every_rail_that_is_left_sends_the_payout_and_no_other_could(
    amount: int, mid: object, decimals: list[int], bounds: list[int]
) -> None:
    rails = tuple(
        _rail(
            str(place),
            decimals=digits,
            least=min(bounds[2 * place : 2 * place + 2]) * 100,
            most=max(bounds[2 * place : 2 * place + 2]) * 100,
        )
        for place, digits in enumerate(decimals)
    )
    try:
        terms, left = agree_by_rails(Money(amount, "USD"), FEES, make_trail(str(mid)), rails)
    except DomainError:
        return

    assert left
    assert all(one.rail.takes(terms.payout) for one in left)
    exact = terms.net.decimal * terms.rate
    step = 10 ** -decimals_of(left)
    assert abs(float(terms.payout.decimal - exact)) <= step / 2 + 1e-6


@pytest.mark.parametrize(
    ("minor", "refusal", "bound"),
    [
        (99, PayoutBelowMinimum, {"minimum": "1.00"}),
        (1_001, PayoutAboveMaximum, {"maximum": "10.00"}),
        (500, None, {}),
    ],
)
def test_the_refusal_names_the_bound(
    minor: int, refusal: type[DomainError] | None, bound: dict[str, str]
) -> None:
    rails = (_rail(least=100, most=900), _rail("two", least=100, most=1_000))
    if refusal is None:
        assert taking(rails, Money(minor, "TZS")) == rails
        return

    with pytest.raises(refusal) as refused:
        taking(rails, Money(minor, "TZS"))

    shown = str(Money(minor, "TZS"))
    assert refused.value.metadata == {"payout_amount": shown, "currency": "TZS", **bound}


def test_between_two_ranges_the_next_larger_amount_is_named() -> None:
    rails = (_rail(least=100, most=200), _rail("two", least=500, most=600))

    with pytest.raises(PayoutBelowMinimum) as refused:
        taking(rails, Money(300, "TZS"))

    assert refused.value.metadata["minimum"] == "5.00"


@pytest.mark.parametrize("rails", [(), (_rail(decimals=0),)], ids=["none", "coarser"])
def test_a_payout_that_no_rail_can_write_is_refused(rails: tuple[OfframpRail, ...]) -> None:
    with pytest.raises(RailUnsupported):
        taking(rails, Money(150, "TZS"))


def test_a_route_holds_the_offramps_that_pay_this_kind_there_in_order() -> None:
    capabilities = {
        "phones": make_capabilities("phones", rails=(_rail(kind=PHONE).rail,)),
        "both": make_capabilities(
            "both", rails=(_rail(kind=PHONE).rail, _rail().rail, _rail(country="KE").rail)
        ),
        "banks": make_capabilities("banks", rails=(_rail().rail,)),
        "elsewhere": make_capabilities("elsewhere", rails=(_rail(currency="KES").rail,)),
    }
    names = ("banks", "elsewhere", "silent", "both", "phones")

    def found(*kinds: RecipientKind) -> tuple[str, ...]:
        rails = rails_to(
            [(kind, "") for kind in kinds], names, capabilities, currency="TZS", country="TZ"
        )
        return offramps_of(rails)

    assert found(BANK) == ("banks", "both")
    assert found(PHONE) == ("both", "phones")
    assert found(BANK, PHONE) == ("banks", "both", "phones")
    assert found(RecipientKind.WALLET) == ()


def test_the_target_of_mobile_money_names_its_network_and_of_the_rest_the_kind_alone() -> None:
    phone = MobileMoney(holder_name="Ada", phone_number="+254712345678", operator="MPESA")

    assert target_of(phone) == (PHONE, "MPESA")
    assert target_of(Wallet(wallet_id="W-1")) == (RecipientKind.WALLET, "")


def test_bounds_may_be_the_payout_itself() -> None:
    exact = _rail(least=24_289_800, most=24_289_800, decimals=0)
    terms, _ = agree_by_rails(Money(10_000, "USD"), FEES, make_trail("2503.777"), (exact,))
    assert terms.payout.amount_minor == 24_289_800
    narrow = replace(
        exact,
        rail=replace(
            exact.rail, minimum=Money(24_289_900, "TZS"), maximum=Money(24_289_900, "TZS")
        ),
    )
    with pytest.raises(PayoutBelowMinimum):
        agree_by_rails(Money(10_000, "USD"), FEES, make_trail("2503.777"), (narrow,))
