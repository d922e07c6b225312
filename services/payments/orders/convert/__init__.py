"""Between the wire and the verbs: `requests` reads text strictly into nouns, `answers` shows nouns
as the public API has them."""

from services.payments.orders.convert.answers import write_check, write_corridor, write_quote
from services.payments.orders.convert.requests import (
    read_check_order,
    read_correction_order,
    read_list_request,
    read_payment_order,
    read_quote_order,
    read_refund_order,
    read_retry_order,
    write_page_token,
)

__all__ = [
    "read_check_order",
    "read_correction_order",
    "read_list_request",
    "read_payment_order",
    "read_quote_order",
    "read_refund_order",
    "read_retry_order",
    "write_check",
    "write_corridor",
    "write_page_token",
    "write_quote",
]
