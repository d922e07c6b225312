"""A count is kept for a minute, one is made at a time, and an unknown cost has a reason."""

import asyncio
from datetime import datetime, timedelta

import pytest

from services.payments.model.principal import MerchantId
from services.payments.model.scoreboard import Figures
from services.payments.model.timing import SCOREBOARD_KEPT
from services.payments.orders.scoreboard import KEPT_MAX, Counted, Scoreboards
from services.shared.corridors import Corridors, CorridorUnsupported, load_corridors
from services.shared.errors import Unavailable
from tests.conftest import ROOT
from tests.fakes import FixedRates
from tests.makers import NOW
from tests.pricing import make_offers

CORRIDORS = load_corridors(ROOT / "deploy" / "corridors", live=False)
ACME, OTHER = MerchantId("mer_acme"), MerchantId("mer_other")


class _Counts:
    """The port ScoreboardStore: so many payments as there were counts before."""

    def __init__(self) -> None:
        self.asked: list[MerchantId | None] = []

    async def count(self, merchant_id: MerchantId | None) -> Counted:
        self.asked.append(merchant_id)
        await asyncio.sleep(0)
        return Counted(
            counted_from=NOW - timedelta(days=30),
            counted_until=NOW,
            all_counted=True,
            figures={"us-ng": Figures(payments=len(self.asked))},
        )


class _Clock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at


class Bench:
    """Scoreboards with all that is around them."""

    def __init__(self, corridors: Corridors = CORRIDORS, rates: FixedRates | None = None) -> None:
        self.counts, self.clock = _Counts(), _Clock()
        self.boards = Scoreboards(
            self.counts, corridors, rates or FixedRates(), make_offers(corridors), self.clock
        )

    async def payments(self, merchant_id: MerchantId | None, corridor_id: str = "us-ng") -> int:
        """The count that is shown."""
        if merchant_id is None:
            boards = await self.boards.all()
            return next(one for one in boards if one.corridor_id == corridor_id).figures.payments
        return (await self.boards.of(merchant_id, corridor_id)).figures.payments


async def test_a_count_is_kept_for_a_minute_and_is_of_one_merchant() -> None:
    bench = Bench()

    assert await bench.payments(ACME) == await bench.payments(ACME) == 1
    assert await bench.payments(OTHER) == 2
    assert await bench.payments(None) == 3
    bench.clock.at += SCOREBOARD_KEPT
    assert await bench.payments(ACME) == 4


async def test_calls_that_come_together_share_one_count() -> None:
    bench = Bench()

    assert await asyncio.gather(*(bench.payments(ACME) for _ in range(5))) == [1] * 5


async def test_the_counts_of_some_merchants_are_kept_and_not_of_all() -> None:
    bench = Bench()
    for number in range(KEPT_MAX + 1):
        await bench.payments(MerchantId(f"mer_{number}"))

    assert await bench.payments(MerchantId("mer_1")) == 2
    assert await bench.payments(MerchantId("mer_0")) == KEPT_MAX + 2


async def test_a_corridor_without_payments_has_none() -> None:
    assert await Bench().payments(ACME, "us-in") == 0


async def test_a_corridor_that_is_not_there_is_refused_before_anything_is_counted() -> None:
    bench = Bench()

    with pytest.raises(CorridorUnsupported):
        await bench.payments(ACME, "us-xx")
    assert bench.counts.asked == []


async def test_the_cost_is_that_of_two_hundred_dollars_now() -> None:
    board = await Bench(rates=FixedRates(mid="94.75")).boards.of(ACME, "us-in")

    assert board.cost is not None
    assert str(board.cost.terms.amount) == "200.00"
    assert board.cost.trail.mid_rate == board.cost.terms.mid_rate
    assert board.cost.fee_schedule_version == CORRIDORS.get("us-in").fees[-1].version


async def test_without_a_rate_the_cost_is_unknown_and_the_reason_is_said() -> None:
    rates = FixedRates({"us-ng": Unavailable("fx cannot answer now")})

    board = await Bench(rates=rates).boards.of(ACME, "us-ng")

    assert board.cost is None
    assert board.cost_unknown_reason == "SERVICE_UNAVAILABLE"
    assert board.figures.payments == 1


async def test_a_corridor_that_takes_less_than_two_hundred_dollars_has_no_cost() -> None:
    corridor = CORRIDORS.get("us-ng")
    limits = corridor.limits.model_copy(update={"maximum_usd": "150.00"})
    limits.__dict__.pop("maximum", None)
    small = Corridors((corridor.model_copy(update={"limits": limits}),))

    board = await Bench(small).boards.of(ACME, "us-ng")

    assert board.cost_unknown_reason == "AMOUNT_ABOVE_MAXIMUM"


async def test_all_corridors_are_measured_with_one_question_for_rates() -> None:
    rates = FixedRates({"us-ng": Unavailable("no rate")})

    boards = await Bench(rates=rates).boards.all()

    assert [one.corridor_id for one in boards] == sorted(CORRIDORS.by_id)
    assert len(rates.calls) == 1
    assert [one.corridor_id for one in boards if one.cost is None] == ["us-ng"]
