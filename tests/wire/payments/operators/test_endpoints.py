"""The webhook endpoints of all merchants as operators see them, with their deliveries."""

from typing import Any

from caravel.payments.v1 import overview_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.shared.ids import new_id
from tests.poison import run
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import new_payment, refused

_ENDPOINT = """
    INSERT INTO webhook_endpoints (merchant_id, id, url, secret)
    VALUES ('sandbox', :id, 'https://shop.example/hook?key=secret', 'whsec')
"""
_NOTICE = """
    INSERT INTO outbox (merchant_id, payment_id, sequence, endpoint_id, event_type, body, state,
           failures, last_error)
    VALUES ('sandbox', :payment, :sequence, :id, 'payment.pending', '', :state, :failures, :error)
"""


async def _listed(service: Service, **fields: Any) -> overview_pb2.ListMerchantEndpointsResponse:
    request = overview_pb2.ListMerchantEndpointsRequest(**fields)
    return await service.overview.ListMerchantEndpoints(request)


async def test_endpoints_are_listed_with_their_deliveries_and_without_their_secrets(
    service: Service, engine: AsyncEngine
) -> None:
    payment, quiet, busy = await new_payment(engine), new_id(), new_id()
    for endpoint in (quiet, busy):
        await run(engine, _ENDPOINT, id=endpoint)
    for sequence, state, failures, error in (
        (1, "PENDING", 0, None),
        (2, "PENDING", 3, "HTTP 503"),
        (3, "SET_ASIDE", 11, "HTTP 500"),
        (4, "DELIVERED", 0, None),
    ):
        values = {"sequence": sequence, "state": state, "failures": failures, "error": error}
        await run(engine, _NOTICE, payment=payment, id=busy, **values)

    shown = await _listed(service)

    first, second = shown.endpoints
    assert (first.waiting, first.failing, first.set_aside) == (2, 1, 1)
    assert (first.last_error, first.HasField("next_try_at")) == ("HTTP 503", True)
    assert (second.waiting, second.set_aside, second.HasField("next_try_at")) == (0, 0, False)
    assert first.url == "https://shop.example/hook"
    assert "secret" not in str(shown)
    assert shown.next_page_token == ""


async def test_endpoints_are_of_one_merchant_where_it_is_named_and_come_page_by_page(
    service: Service, engine: AsyncEngine
) -> None:
    made = [new_id() for _ in range(3)]
    for endpoint in made:
        await run(engine, _ENDPOINT, id=endpoint)

    first = await _listed(service, page_size=2, merchant_id="sandbox")
    second = await _listed(
        service, page_size=2, merchant_id="sandbox", page_token=first.next_page_token
    )

    assert [len(page.endpoints) for page in (first, second)] == [2, 1]
    assert list((await _listed(service, merchant_id="mer_nobody")).endpoints) == []
    for fields in ({"page_token": first.next_page_token}, {"page_size": -1}, {"merchant_id": "\t"}):
        call = _listed(service, **fields)
        assert (await refused(call))[0] == "INVALID_ARGUMENT"
