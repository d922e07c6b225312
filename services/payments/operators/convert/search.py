"""The operators' search: its request and its answer."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from caravel.payments.v1 import payments_pb2, search_pb2

from services.payments.base.convert import timestamp, write_payment
from services.payments.base.instants import read_instant
from services.payments.base.paging import read_page_size, read_token, write_token
from services.payments.base.problems import Problems, fields_invalid
from services.payments.model.holds import HoldReason
from services.payments.model.payment import Payment, State, UnreadablePayment
from services.payments.operators.search import FoundPage, Sought
from services.shared.errors import field_invalid
from services.shared.money import SOURCE_CURRENCY, parse_amount
from services.shared.text import limited_text

# No id of ours, of a merchant or of a provider is longer.
QUERY_MAX = 255
NAME_MAX = 64
Word = TypeVar("Word", bound=StrEnum)


def read_search(
    request: search_pb2.SearchPaymentsRequest,
) -> tuple[Sought, UUID | None, int]:
    """The filters, the payment to list before, and how many. Raises Invalid."""
    problems = Problems()
    query = problems.read(limited_text("query", QUERY_MAX), request.query, "")
    amount_from = problems.read(_read_amount("amount_from_usd"), request.amount_from_usd, None)
    amount_to = problems.read(_read_amount("amount_to_usd"), request.amount_to_usd, None)
    states = _read_words(problems, State, "states", request.states)
    reasons = _read_words(problems, HoldReason, "hold_reasons", request.hold_reasons)
    names = {
        field: problems.read(limited_text(field, NAME_MAX), getattr(request, field), "") or None
        for field in ("provider", "corridor_id", "merchant_id")
    }
    after = problems.read(lambda _: _read_time(request, "created_after"), "", None)
    before = problems.read(lambda _: _read_time(request, "created_before"), "", None)
    size = problems.read(lambda _: read_page_size(request.page_size), "", 0)
    _refuse_empty_range(problems, "amount_from_usd", amount_from, "amount_to_usd", amount_to)
    problems.raise_any()
    if request.on_hold and not reasons:
        reasons = tuple(HoldReason)
    sought = Sought(
        query=query,
        states=states,
        hold_reasons=reasons,
        overdue=request.overdue,
        amount_from_minor=amount_from,
        amount_to_minor=amount_to,
        created_after=after,
        created_before=before,
        **names,
    )
    return sought, _read_place(request), size


def write_found(
    request: search_pb2.SearchPaymentsRequest, page: FoundPage
) -> search_pb2.SearchPaymentsResponse:
    """The page as the answer shows it."""
    place = page.before
    return search_pb2.SearchPaymentsResponse(
        payments=[_write_payment(one) for one in page.payments if isinstance(one, Payment)],
        next_page_token=write_token([str(place), _digest(request)]) if place else "",
        looked_until=timestamp(page.looked_until) if page.looked_until else None,
        unreadable_transaction_ids=[
            one.transaction_id for one in page.payments if isinstance(one, UnreadablePayment)
        ],
    )


def write_for_operators(payment: Payment) -> payments_pb2.Payment:
    """A payment as its merchant sees it, without what is for its payer alone."""
    shown = write_payment(payment)
    if payment.next_action is not None:
        shown.next_action.CopyFrom(payments_pb2.Payment().next_action)
        shown.next_action.kind = payment.next_action.kind
    return shown


def _write_payment(payment: Payment) -> search_pb2.FoundPayment:
    return search_pb2.FoundPayment(
        payment=write_for_operators(payment),
        merchant_id=payment.merchant_id,
        state=payment.state,
    )


def _read_amount(field: str) -> Callable[[str], int | None]:
    def read(text: str) -> int | None:
        return parse_amount(text, SOURCE_CURRENCY, field=field).amount_minor if text else None

    return read


def _read_words(
    problems: Problems, kind: type[Word], field: str, words: Sequence[str]
) -> tuple[Word, ...]:
    read = []
    for index, word in enumerate(words):
        if word in kind.__members__.values():
            read.append(kind(word))
        else:
            listed = ", ".join(kind)
            problems.add(field_invalid(f"{field}[{index}]", f"{field} must be among {listed}"))
    return tuple(read)


def _read_time(request: search_pb2.SearchPaymentsRequest, field: str) -> datetime | None:
    if not request.HasField(field):  # type: ignore[arg-type]
        return None
    return read_instant(getattr(request, field), field)


def _refuse_empty_range(
    problems: Problems, first: str, low: int | None, last: str, high: int | None
) -> None:
    if low is not None and high is not None and low > high:
        words = f"{first} must not be more than {last}"
        problems.add(fields_invalid((first, last), words, "FIELDS_CONTRADICTORY"))


def _read_place(request: search_pb2.SearchPaymentsRequest) -> UUID | None:
    if not request.page_token:
        return None

    def read(words: list[str]) -> UUID:
        place, digest = words
        if digest != _digest(request):
            raise ValueError
        return UUID(place)

    return read_token(request.page_token, read)


def _digest(request: search_pb2.SearchPaymentsRequest) -> str:
    """Names the filters, so that a token is good for them alone."""
    filters = search_pb2.SearchPaymentsRequest()
    filters.CopyFrom(request)
    filters.ClearField("page_token")
    filters.ClearField("page_size")
    return hashlib.sha256(filters.SerializeToString(deterministic=True)).hexdigest()[:16]
