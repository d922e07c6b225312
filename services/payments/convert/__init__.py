"""Wire to domain in reading, domain to wire in writing; what merchants are told is in endpoints."""

from services.payments.convert.endpoints import (
    encode_event,
    write_endpoint,
    write_new_endpoint,
)
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
    "encode_event",
    "encode_payment",
    "read_headers",
    "read_idempotency_key",
    "read_list_request",
    "read_payment_order",
    "read_quote_order",
    "read_refund_order",
    "write_corridor",
    "write_endpoint",
    "write_event",
    "write_new_endpoint",
    "write_page_token",
    "write_payment",
    "write_quote",
    "write_receipt",
]
