"""Wire to domain in reading, domain to wire in writing."""

from services.payments.convert.reading import (
    read_headers,
    read_idempotency_key,
    read_list_request,
    read_payment_order,
    read_quote_order,
    read_refund_order,
    write_page_token,
)
from services.payments.convert.writing import (
    encode_payment,
    write_corridor,
    write_event,
    write_payment,
    write_quote,
    write_receipt,
)

__all__ = [
    "encode_payment",
    "read_headers",
    "read_idempotency_key",
    "read_list_request",
    "read_payment_order",
    "read_quote_order",
    "read_refund_order",
    "write_corridor",
    "write_event",
    "write_page_token",
    "write_payment",
    "write_quote",
    "write_receipt",
]
