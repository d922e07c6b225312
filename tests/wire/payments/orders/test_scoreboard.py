"""A merchant sees its own payments against the targets, and operators those of all merchants."""

from decimal import Decimal

from caravel.payments.v1 import payments_pb2, scoreboard_pb2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.wire.payments.calls import new_key, order, refusal
from tests.wire.payments.conftest import Service


async def _collected(service: Service, engine: AsyncEngine) -> None:
    """One payment with a quote and one without, both collected."""
    quote = await service.payments.CreateQuote(
        payments_pb2.CreateQuoteRequest(amount_usd="100.00", destination_currency="NGN")
    )
    await service.payments.CreatePayment(order(quote_id=quote.quote_id), metadata=new_key())
    await service.payments.CreatePayment(order(), metadata=new_key())
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE payments SET state = 'FUNDED'"))


async def test_a_merchant_sees_cost_and_its_own_payments(
    service: Service, engine: AsyncEngine
) -> None:
    await _collected(service, engine)

    board = await service.payments.GetScoreboard(
        scoreboard_pb2.GetScoreboardRequest(corridor_id="us-ng")
    )

    assert (board.corridor_id, board.payments, board.all_counted) == ("us-ng", 2, True)
    assert (board.cost.amount_usd, board.cost.target_percent) == ("200.00", "3")
    assert board.cost.rate_trail.mid_rate == "1530.25"
    assert Decimal(board.cost.cost_usd) > Decimal(board.cost.fee_usd) > 0
    assert board.cost_unknown_reason == ""
    assert (board.within_one_hour.counted, board.within_one_hour.percent) == (0, "")
    assert not board.within_one_hour.HasField("target_met")
    assert board.disclosed_before_payment.counted == 2
    assert board.disclosed_before_payment.HasField("target_met")


async def test_operators_see_every_corridor(service: Service, engine: AsyncEngine) -> None:
    await _collected(service, engine)

    shown = await service.inspection.ListScoreboards(scoreboard_pb2.ListScoreboardsRequest())

    payments = {one.corridor_id: one.payments for one in shown.scoreboards}
    assert list(payments) == sorted(payments)
    assert payments["us-ng"] == 2
    assert payments["us-in"] == 0


async def test_a_corridor_that_is_not_there_is_refused(service: Service) -> None:
    call = service.payments.GetScoreboard(scoreboard_pb2.GetScoreboardRequest(corridor_id="us-xx"))

    assert (await refusal(call))[1] == "CORRIDOR_UNSUPPORTED"
