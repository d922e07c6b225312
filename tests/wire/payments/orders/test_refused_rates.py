"""A rate that there is none of, as the merchant meets it."""

import grpc
import pytest
from caravel.payments.v1 import payments_pb2

from services.shared.errors import Unavailable
from tests.wire.payments.calls import new_key, order
from tests.wire.payments.conftest import Service


async def test_a_refused_rate_says_when_to_come_back(service: Service) -> None:
    closed = type("MarketClosed", (Unavailable,), {"reason": "FX_MARKET_CLOSED"})("The market is.")
    closed.retry_after_seconds = 122_400
    service.rates.refuse("us-ng", closed)

    for call in (
        service.payments.CreateQuote(
            payments_pb2.CreateQuoteRequest(amount_usd="100", destination_currency="NGN")
        ),
        service.payments.CreatePayment(order(), metadata=new_key()),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
        trailers = dict(refused.value.trailing_metadata() or ())
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert trailers["retry-after"] == "122400"
