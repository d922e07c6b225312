"""The fees of a corridor are shown as its schedule has them, and in one sentence."""

from datetime import date

from services.payments.orders.convert.fees import described, write_fees
from services.shared.corridors import FeeSchedule, TierKind
from services.shared.corridors.prices import FeeTier


def _schedule(**terms: object) -> FeeSchedule:
    return FeeSchedule(version="2026-01", effective_from=date(2026, 1, 1), **terms)  # type: ignore[arg-type]


def test_a_schedule_without_tiers_is_one_price() -> None:
    schedule = _schedule(flat_usd="1.00", percent="1.5", minimum_usd="0.50", maximum_usd="75.00")

    assert described(schedule) == (
        "1.00 USD plus 1.5 % of the amount (at least 0.50 USD and at most 75.00 USD)."
    )
    assert described(_schedule(flat_usd="1.00")) == "1.00 USD."
    assert described(_schedule(percent="2", maximum_usd="9.00")) == (
        "2 % of the amount (at most 9.00 USD)."
    )
    assert described(_schedule()) == "no fee."
    shown = write_fees(schedule)
    assert shown.tier_kind == shown.NO_TIERS


def test_marginal_tiers_price_the_parts_of_an_amount() -> None:
    tiers = tuple(
        FeeTier(from_usd=start, percent=percent)
        for start, percent in (("1000.00", "1.2"), ("5000.00", "1"))
    )

    schedule = _schedule(
        flat_usd="1.00", percent="1.5", minimum_usd="0.50", tier_kind=TierKind.MARGINAL, tiers=tiers
    )

    assert described(schedule) == (
        "1.00 USD plus 1.5 % of the part up to 1000.00 USD, 1.2 % of the part from 1000.00 to "
        "5000.00 USD and 1 % of the part above 5000.00 USD (at least 0.50 USD)."
    )


def test_a_tier_of_the_whole_amount_has_terms_of_its_own() -> None:
    tier = FeeTier(from_usd="500.00", flat_usd="2.00", percent="0.5", maximum_usd="20.00")

    schedule = _schedule(percent="1", tier_kind=TierKind.WHOLE_AMOUNT, tiers=(tier,))

    assert described(schedule) == (
        "1 % of the amount; from 500.00 USD on: 2.00 USD plus 0.5 % of the amount "
        "(at most 20.00 USD)."
    )
    shown = write_fees(schedule)
    assert shown.tier_kind == shown.WHOLE_AMOUNT
    assert (shown.schedule_version, shown.effective_from) == ("2026-01", "2026-01-01")
    assert (shown.terms.percent, shown.terms.flat_usd) == ("1", "")
    assert (shown.effective_until, shown.promotional) == ("", False)
    assert [one.from_usd for one in shown.tiers] == ["500.00"]
    assert (shown.tiers[0].terms.flat_usd, shown.tiers[0].terms.maximum_usd) == ("2.00", "20.00")


def test_a_promotion_says_that_it_is_one_and_until_when() -> None:
    shown = write_fees(_schedule(promotional=True, effective_until=date(2026, 2, 1)))

    assert (shown.effective_until, shown.promotional) == ("2026-02-01", True)
