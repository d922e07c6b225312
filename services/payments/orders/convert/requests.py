"""Orders, filters and page tokens as they are read, strictly: every field that is wrong is reported
in one answer."""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from caravel.payments.v1 import (
    checks_pb2,
    corrections_pb2,
    payments_pb2,
    refunds_pb2,
)
from google.protobuf.timestamp_pb2 import Timestamp

from services.payments.base.idempotency import fingerprint_of
from services.payments.base.instants import read_instant
from services.payments.base.paging import DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE
from services.payments.base.problems import Problems, fields_invalid
from services.payments.base.requests import (
    read_amount_usd,
    read_given,
    read_new_recipient,
    read_refund_reason,
    refuse_unclear_part,
)
from services.payments.model.payment import STATUS_OF, State, Status
from services.payments.model.principal import MerchantId
from services.payments.model.quote import read_quote_id
from services.payments.orders.checking import CheckOrder
from services.payments.orders.correcting import CorrectionOrder
from services.payments.orders.creation import PaymentOrder
from services.payments.orders.payees import Payees
from services.payments.orders.payers import payer_print, read_payer
from services.payments.orders.ports import PaymentFilter
from services.payments.orders.pricing import QuoteOrder
from services.payments.orders.refunds import CREATE, RETRY, RefundOrder, RetryOrder
from services.shared.corridors import COUNTRIES
from services.shared.errors import Invalid, field_invalid
from services.shared.money import SOURCE_CURRENCY, Money, exponent, parse_amount
from services.shared.recipients import Recipient, as_row
from services.shared.text import limited_text

_NOTHING, _NOBODY = Money(0, SOURCE_CURRENCY), UUID(int=0)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


def read_payment_order(
    request: payments_pb2.CreatePaymentRequest,
    payees: Payees,
    *,
    key: str,
    merchant_id: MerchantId,
    trace_id: str,
) -> PaymentOrder:
    """A validated order. Raises Invalid with every field that is wrong, or QuoteNotFound."""
    problems = Problems()
    user_id = problems.read(_user_id, request.user_id, _NOBODY)
    amount = problems.read(read_amount_usd, request.amount_usd, _NOTHING)
    currency = problems.read(_currency, request.destination_currency, "")
    country = problems.read(_country, request.destination_country, "")
    recipient = read_given(request, problems)
    method = problems.read(_payment_method, request.payment_method, "")
    reference = problems.read(_reference, request.reference, "")
    payer = read_payer(request, problems)
    _raise_any(problems, payees, recipient, currency, country)
    return PaymentOrder(
        idempotency_key=key,
        fingerprint=fingerprint_of(
            "CreatePayment",
            user_id=str(user_id),
            amount_minor=amount.amount_minor,
            destination_currency=currency,
            # Left out where it was not given: a body from before this field keeps its fingerprint.
            **({"destination_country": country} if country else {}),
            quote_id=request.quote_id,
            # Without a recipient as it was before recipients had kinds, for keys from then.
            recipient=as_row(recipient) if recipient else ["", "", ""],
            payment_method=method,
            reference=reference,
            **payer_print(payer),
        ),
        quote=QuoteOrder(
            merchant_id=merchant_id,
            amount=amount,
            currency=currency,
            country=country,
            trace_id=trace_id,
            recipient=recipient,
        ),
        quote_id=read_quote_id(request.quote_id) if request.quote_id else None,
        user_id=user_id,
        payment_method=method,
        reference=reference,
        payer=payer,
    )


def read_refund_order(
    request: refunds_pb2.CreateRefundRequest, *, key: str, merchant_id: MerchantId
) -> RefundOrder:
    """A validated order for a refund. Raises Invalid, also where it does not say how much."""
    refuse_unclear_part(request)
    problems = Problems()
    amount = (
        problems.read(read_amount_usd, request.amount_usd, None) if request.amount_usd else None
    )
    reason = problems.read(read_refund_reason, request.reason, "")
    problems.raise_any()
    return RefundOrder(
        merchant_id=merchant_id,
        transaction_id=request.transaction_id,
        idempotency_key=key,
        fingerprint=fingerprint_of(
            CREATE,
            transaction_id=request.transaction_id,
            amount_minor=amount.amount_minor if amount else None,
            reason=reason,
            ends_payout=request.ends_payout,
        ),
        amount=amount,
        reason=reason,
        ends_payout=request.ends_payout,
    )


def read_retry_order(
    request: refunds_pb2.RetryRefundRequest, *, key: str, merchant_id: MerchantId
) -> RetryOrder:
    """An order to try a refund again."""
    return RetryOrder(
        merchant_id=merchant_id,
        refund_id=request.refund_id,
        idempotency_key=key,
        fingerprint=fingerprint_of(RETRY, refund_id=request.refund_id),
    )


def read_correction_order(
    request: corrections_pb2.CorrectRecipientRequest, *, key: str, merchant_id: MerchantId
) -> CorrectionOrder:
    """A validated order for another recipient. Raises Invalid with every field that is wrong."""
    recipient = read_new_recipient(request, Problems())
    return CorrectionOrder(
        merchant_id=merchant_id,
        transaction_id=request.transaction_id,
        idempotency_key=key,
        fingerprint=fingerprint_of(
            "CorrectRecipient",
            transaction_id=request.transaction_id,
            recipient=as_row(recipient),
        ),
        recipient=recipient,
    )


def read_quote_order(
    request: payments_pb2.CreateQuoteRequest,
    payees: Payees,
    *,
    merchant_id: MerchantId,
    trace_id: str,
) -> QuoteOrder:
    """A validated order for a quote. Raises Invalid with every field that is wrong."""
    problems = Problems()
    currency = problems.read(_currency, request.destination_currency, "")
    order = QuoteOrder(
        merchant_id=merchant_id,
        amount=_fixed_amount(request, currency, problems),
        currency=currency,
        country=problems.read(_country, request.destination_country, ""),
        trace_id=trace_id,
        recipient=read_given(request, problems),
    )
    _raise_any(problems, payees, order.recipient, order.currency, order.country)
    return order


def _fixed_amount(
    request: payments_pb2.CreateQuoteRequest, currency: str, problems: Problems
) -> Money:
    """The one amount that a quote fixes."""
    both = ("amount_usd", "payout_amount")
    by_amount, by_payout = request.HasField("amount_usd"), request.HasField("payout_amount")
    if by_amount and by_payout:
        words = "amount_usd or payout_amount, not both"
        problems.add(fields_invalid(both, words, "FIELDS_CONTRADICTORY"))
    elif not by_amount and not by_payout:
        words = "amount_usd or payout_amount is required"
        problems.add(fields_invalid(both, words, "FIELD_REQUIRED"))
    elif by_amount:
        return problems.read(read_amount_usd, request.amount_usd, _NOTHING)
    elif currency:
        return problems.read(_payout_in(currency), request.payout_amount, _NOTHING)
    return _NOTHING


def _payout_in(currency: str) -> Callable[[str], Money]:
    return lambda text: parse_amount(text, currency, field="payout_amount")


def read_check_order(request: checks_pb2.CheckRecipientRequest, payees: Payees) -> CheckOrder:
    """A validated order for an account check. Raises Invalid with every field that is wrong."""
    problems = Problems()
    currency = problems.read(_currency, request.destination_currency, "")
    country = problems.read(_country, request.destination_country, "")
    recipient = read_given(request, problems)
    _raise_any(problems, payees, recipient, currency, country)
    if recipient is None:
        raise field_invalid("recipient", "recipient is required", "FIELD_REQUIRED")
    return CheckOrder(recipient=recipient, currency=currency, country=country)


def _raise_any(
    problems: Problems, payees: Payees, recipient: Recipient | None, currency: str, country: str
) -> None:
    """Raises Invalid with every field that is wrong, those of the recipient by its corridor too.

    Where nothing else is wrong, the recipient is checked later: a key that was used before gets its
    first answer, whatever the corridor says by now.
    """
    if not problems:
        return
    try:
        payees.check(recipient, currency, country)
    except Invalid as error:
        problems.add(error)
    problems.raise_any()


def read_list_request(
    request: payments_pb2.ListPaymentsRequest,
) -> tuple[PaymentFilter, UUID | None, int]:
    """The filter, the id to list before, and how many. Raises Invalid."""
    problems = Problems()
    user_id = problems.read(_user_id, request.user_id, None) if request.user_id else None
    if request.destination_currency:
        problems.read(_currency, request.destination_currency, "")
    problems.raise_any()
    if request.page_size < 0:
        raise field_invalid("page_size", "page_size must not be negative")
    status = payments_pb2.Payment.Status.Name(request.status) if request.status else None
    wanted = PaymentFilter(
        **_status_filter(Status(status) if status else None),
        user_id=user_id,
        destination_currency=request.destination_currency or None,
        created_after=_instant(request, "created_after"),
        created_before=_instant(request, "created_before"),
    )
    before = _read_page_token(request) if request.page_token else None
    return wanted, before, min(request.page_size or DEFAULT_PAGE_SIZE, LARGEST_PAGE_SIZE)


def write_page_token(request: payments_pb2.ListPaymentsRequest, before: UUID | None) -> str:
    """An opaque token that is good for the same filters only; empty at the end."""
    if before is None:
        return ""
    return base64.urlsafe_b64encode(before.bytes + _filter_digest(request)).decode().rstrip("=")


def _instant(request: payments_pb2.ListPaymentsRequest, field: str) -> datetime | None:
    if not request.HasField(field):  # type: ignore[arg-type]
        return None
    stamp: Timestamp = getattr(request, field)
    return read_instant(stamp, field)


def _user_id(text: str) -> UUID:
    field = "user_id"
    if not text:
        raise field_invalid(field, f"{field} is required", "FIELD_REQUIRED")
    if not _UUID.fullmatch(text):
        raise field_invalid(field, f"{field} must be a UUID")
    return UUID(text)


_payment_method = limited_text("payment_method", 255)
_reference = limited_text("reference", 140)


def _currency(text: str) -> str:
    field = "destination_currency"
    if not text:
        raise field_invalid(field, f"{field} is required", "FIELD_REQUIRED")
    try:
        exponent(text)
    except Invalid:
        raise field_invalid(
            field, f"{field} must be an ISO 4217 code such as INR", "CURRENCY_UNKNOWN"
        ) from None
    return text


def _country(text: str) -> str:
    if text and text not in COUNTRIES:
        field = "destination_country"
        raise field_invalid(field, f"{field} must be an ISO 3166 code such as IN")
    return text


def _status_filter(status: Status | None) -> dict[str, Any]:
    """The columns that make a status; SENT and PROCESSING share a state."""
    if status is None:
        return {}
    if status is Status.ON_HOLD:
        return {"held": True}
    if status is Status.SENT:
        return {"states": [State.PAYING_OUT], "sent": True, "held": False}
    states = [state for state, shown in STATUS_OF.items() if shown is status]
    sent = False if status is Status.PROCESSING else None
    return {"states": states, "sent": sent, "held": False}


def _read_page_token(request: payments_pb2.ListPaymentsRequest) -> UUID:
    try:
        raw = base64.urlsafe_b64decode(request.page_token + "=" * (-len(request.page_token) % 4))
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 24 or raw[16:] != _filter_digest(request):
        raise field_invalid("page_token", "page_token is none of ours, or its filters differ")
    return UUID(bytes=raw[:16])


def _filter_digest(request: payments_pb2.ListPaymentsRequest) -> bytes:
    filters = payments_pb2.ListPaymentsRequest()
    filters.CopyFrom(request)
    filters.ClearField("page_token")
    filters.ClearField("page_size")
    return hashlib.sha256(filters.SerializeToString(deterministic=True)).digest()[:8]
