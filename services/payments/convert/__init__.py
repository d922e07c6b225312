"""Wire to domain in reading, domain to wire in writing; what merchants are told is in endpoints,
and what operators say and see in admin."""

from services.payments.convert.admin import (
    read_actions_request,
    read_letters_request,
    read_operator,
    read_overdue_request,
    read_resolution,
    write_action,
    write_actions_token,
    write_letter,
    write_letters_token,
    write_overdue,
    write_overdue_token,
)
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
    "read_actions_request",
    "read_headers",
    "read_idempotency_key",
    "read_letters_request",
    "read_list_request",
    "read_operator",
    "read_overdue_request",
    "read_payment_order",
    "read_quote_order",
    "read_refund_order",
    "read_resolution",
    "write_action",
    "write_actions_token",
    "write_corridor",
    "write_endpoint",
    "write_event",
    "write_letter",
    "write_letters_token",
    "write_new_endpoint",
    "write_overdue",
    "write_overdue_token",
    "write_page_token",
    "write_payment",
    "write_quote",
    "write_receipt",
]
