"""The list of all merchants' endpoints: its request and its answer."""

from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from caravel.payments.v1 import overview_pb2

from services.payments.base.convert import optional_timestamp, timestamp
from services.payments.base.paging import cut, read_page_size, read_token, write_token
from services.payments.operators.endpoints import MerchantEndpoint
from services.shared.text import limited_text

_MERCHANT_MAX = 64


def read_endpoints_request(
    request: overview_pb2.ListMerchantEndpointsRequest,
) -> tuple[str | None, UUID | None, int]:
    """The merchant, None for all; the endpoint to list before, and how many. Raises Invalid."""
    merchant_id = limited_text("merchant_id", _MERCHANT_MAX)(request.merchant_id)

    def read(words: list[str]) -> UUID:
        filtered, before = words
        if filtered != merchant_id:
            raise ValueError
        return UUID(before)

    before = read_token(request.page_token, read) if request.page_token else None
    return merchant_id or None, before, read_page_size(request.page_size)


def write_endpoints(
    request: overview_pb2.ListMerchantEndpointsRequest,
    page: Sequence[MerchantEndpoint],
    limit: int,
) -> overview_pb2.ListMerchantEndpointsResponse:
    """A page, which has one more endpoint than it shows where another page follows."""
    shown, last = cut(page, limit)
    token = write_token([request.merchant_id, str(last.id)]) if last else ""
    return overview_pb2.ListMerchantEndpointsResponse(
        endpoints=[_write(one) for one in shown], next_page_token=token
    )


def _write(endpoint: MerchantEndpoint) -> overview_pb2.MerchantEndpoint:
    return overview_pb2.MerchantEndpoint(
        endpoint_id=endpoint.endpoint_id,
        merchant_id=endpoint.merchant_id,
        url=without_query(endpoint.url),
        created_at=timestamp(endpoint.created_at),
        disabled_at=optional_timestamp(endpoint.disabled_at),
        disabled_reason=endpoint.disabled_reason,
        waiting=endpoint.waiting,
        failing=endpoint.failing,
        next_try_at=optional_timestamp(endpoint.next_try_at),
        last_error=endpoint.last_error,
        set_aside=endpoint.set_aside,
    )


def without_query(url: str) -> str:
    """A URL as operators see it: merchants put secrets into queries."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
