"""The operators' requests about payments, and the answers. The operator comes with the
credential."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from caravel.payments.v1 import admin_pb2, replays_pb2

from services.payments.base.convert import timestamp
from services.payments.base.instants import read_instant, read_instant_text
from services.payments.base.paging import (
    read_page_size,
    read_time_page,
    read_token,
    write_time_token,
    write_token,
)
from services.payments.base.problems import Problems
from services.payments.engine.overdue import OverduePayment, UnreadableOverdue
from services.payments.model.dispute import OpenDispute
from services.payments.model.operator import ActionFilter, Operator, OperatorAction, operator_of
from services.payments.model.principal import Principal
from services.payments.model.timing import ENDS, Waiting
from services.payments.operators.domain import (
    DeadLetter,
    DeadLetterUnmatched,
    EventFacts,
    Kind,
    LetterFilter,
    LetterKey,
    LetterReason,
    Record,
)
from services.shared.errors import field_invalid
from services.shared.ids import Prefix, decode_id
from services.shared.text import limited_text

NOTE_MAX = 500
MERCHANT_MAX = 64
# No name and no id in the log is longer.
FILTER_MAX = 255
REFERENCE_MAX = 255

_List = (
    admin_pb2.ListDeadLettersRequest
    | admin_pb2.ListOverduePaymentsRequest
    | admin_pb2.ListDisputesRequest
    | replays_pb2.RequeueDeadLettersRequest
)
_Verb = admin_pb2.RequeueDeadLetterRequest | admin_pb2.DiscardDeadLetterRequest


def read_operator(request: _Verb, principal: Principal) -> Operator:
    """The operator of the credential, with the reason. Raises Invalid."""
    return operator_of(principal, limited_text("note", NOTE_MAX)(request.note))


def read_letters_request(request: admin_pb2.ListDeadLettersRequest) -> tuple[LetterFilter, int]:
    """Which dead letters, and how many. Raises Invalid."""
    wanted = read_letters(request, _read_kind(request.kind))
    return wanted, read_page_size(request.page_size)


def read_letters(
    request: admin_pb2.ListDeadLettersRequest | replays_pb2.RequeueDeadLettersRequest,
    kind: Kind | None = None,
) -> LetterFilter:
    """Which dead letters, and after which. Raises Invalid."""
    wanted = LetterFilter(
        merchant_id=read_merchant(request),
        kind=kind,
        endpoint_id=_read_endpoint(request.endpoint_id),
        reason=_read_reason(request.reason),
    )
    if not request.page_token:
        return wanted
    after = read_token(request.page_token, lambda words: _read_place(wanted, words))
    return replace(wanted, after=after)


def read_merchant(request: _List) -> str | None:
    """The merchant to whom a list is restricted; None for all. Raises Invalid."""
    text = request.merchant_id
    return limited_text("merchant_id", MERCHANT_MAX)(text) if text else None


def read_actions_request(request: admin_pb2.ListOperatorActionsRequest) -> ActionFilter:
    """Which actions. Raises Invalid with every wrong field."""
    problems = Problems()

    def text(field: str) -> str | None:
        given = getattr(request, field)
        return problems.read(limited_text(field, FILTER_MAX), given, None) if given else None

    def time(field: Literal["acted_after", "acted_before"]) -> datetime | None:
        given = getattr(request, field)
        return read_instant(given, field) if request.HasField(field) else None

    wanted = ActionFilter(
        merchant_id=text("merchant_id"),
        operator=text("operator"),
        action=text("action"),
        subject=text("subject"),
        acted_after=problems.read(lambda _: time("acted_after"), "", None),
        acted_before=problems.read(lambda _: time("acted_before"), "", None),
    )
    problems.raise_any()
    return wanted


def read_disputes_request(
    request: admin_pb2.ListDisputesRequest,
) -> tuple[tuple[datetime, UUID] | None, int]:
    """The deadline and the dispute to list after, and how many. Raises Invalid."""
    return read_time_page(request.page_token, request.page_size)


def write_disputes_token(last: OpenDispute | None) -> str:
    """Where to go on; empty at the end."""
    return "" if last is None else write_time_token(last.due, last.id)


def write_letter(letter: DeadLetter) -> admin_pb2.DeadLetter:
    """A dead letter as the list shows it."""
    return admin_pb2.DeadLetter(
        dead_letter_id=letter.key.dead_letter_id,
        kind=admin_pb2.DeadLetter.Kind.Value(letter.key.kind),
        transaction_id=letter.transaction_id,
        reason=letter.reason,
        attempts=letter.attempts,
        last_error=letter.last_error,
        set_aside_at=timestamp(letter.set_aside_at),
        event=letter.event,
        record=_write_record(letter.record) if letter.record else None,
        merchant_id=letter.merchant_id,
        provider_event=_write_facts(letter.facts) if letter.facts else None,
        requeue_refusal=DeadLetterUnmatched.reason if letter.is_unmatched else "",
    )


def _write_facts(facts: EventFacts) -> admin_pb2.DeadLetter.ProviderEvent:
    return admin_pb2.DeadLetter.ProviderEvent(
        provider=facts.provider,
        event_id=facts.event_id,
        key=facts.key,
        provider_reference=facts.provider_reference,
        amount=str(facts.amount) if facts.amount else "",
        currency=facts.amount.currency if facts.amount else "",
        payload_sha256=facts.payload_sha256,
    )


def _write_record(record: Record) -> admin_pb2.DeadLetter.Record:
    return admin_pb2.DeadLetter.Record(table=record.table, key=record.key, column=record.column)


def write_letters_token(wanted: LetterFilter, last: DeadLetter | None) -> str:
    """Where to go on, for the same filters only; empty at the end."""
    if last is None:
        return ""
    place = [last.set_aside_at.isoformat(), last.key.kind, last.key.words]
    return write_token([*_filters(wanted), *place])


def read_overdue_request(
    request: admin_pb2.ListOverduePaymentsRequest,
) -> tuple[tuple[datetime, UUID] | None, int]:
    """The overdue payment to list after, and how many. Raises Invalid."""
    return read_time_page(request.page_token, request.page_size)


def read_waiting_for(request: admin_pb2.ListOverduePaymentsRequest) -> Sequence[Waiting]:
    """Those to list alone. Raises Invalid."""
    for index, name in enumerate(request.waiting_for):
        if name not in Waiting.__members__:
            words = f"each waiting_for must be one of {', '.join(Waiting)}"
            raise field_invalid(f"waiting_for[{index}]", words)
    return [Waiting(name) for name in request.waiting_for]


def write_overdue(late: OverduePayment) -> admin_pb2.OverduePayment:
    """A payment that makes no progress, as the list shows it."""
    return admin_pb2.OverduePayment(
        transaction_id=late.transaction_id,
        corridor_id=late.corridor_id,
        state=late.state,
        provider=late.provider,
        since=timestamp(late.since),
        expected_seconds=int(late.within.total_seconds()),
        key=late.key,
        attempts=late.attempts,
        sends=late.sends,
        last_outcome=late.attempt_state,
        last_code=late.code,
        last_message=late.message,
        last_at=timestamp(late.last_at) if late.last_at else None,
        next_try_at=timestamp(late.next_at) if late.next_at else None,
        waiting_for=late.waiting_for or "",
        deadline_at=timestamp(late.deadline_at) if late.deadline_at else None,
        at_deadline=ENDS[late.waiting_for] if late.waiting_for else "",
        merchant_id=late.merchant_id,
        amount_usd=str(late.amount),
        hold_reason=late.hold_reason,
        paused_until=timestamp(late.paused_until) if late.paused_until else None,
    )


def write_overdue_token(last: OverduePayment | UnreadableOverdue | None) -> str:
    """Where to go on; empty at the end."""
    return "" if last is None else write_time_token(last.since, last.payment_id)


def write_action(action: OperatorAction) -> admin_pb2.OperatorAction:
    """An action as the log shows it."""
    return admin_pb2.OperatorAction(
        action_id=action.action_id,
        operator=action.operator.name,
        action=action.action,
        subject=action.subject,
        note=action.operator.note,
        acted_at=timestamp(action.acted_at),
        merchant_id=action.merchant_id,
        credential_id=action.operator.credential_id,
        address=action.operator.address,
        request_id=action.operator.request_id,
        refusal=action.refusal,
        provider_answer=action.provider_answer,
    )


def required_text(field: str, longest: int) -> Callable[[str], str]:
    """Reads visible text that is not empty, of at most so many characters."""

    def read(text: str) -> str:
        if not text.strip():
            raise field_invalid(field, f"{field} is required", "FIELD_REQUIRED")
        return limited_text(field, longest)(text)

    return read


def _read_kind(number: admin_pb2.DeadLetter.Kind.ValueType) -> Kind | None:
    try:
        return Kind(admin_pb2.DeadLetter.Kind.Name(number)) if number else None
    except ValueError:
        raise field_invalid("kind", f"kind must be one of {', '.join(Kind)}") from None


def _read_endpoint(text: str) -> UUID | None:
    """The endpoint to which a list is restricted; None for all. Raises Invalid."""
    if not text:
        return None
    endpoint_id = decode_id(Prefix.ENDPOINT, text)
    if endpoint_id is None:
        raise field_invalid("endpoint_id", "endpoint_id must be the id of an endpoint")
    return endpoint_id


def _read_reason(text: str) -> LetterReason | None:
    try:
        return LetterReason(text) if text else None
    except ValueError:
        words = f"reason must be one of {', '.join(LetterReason)}"
        raise field_invalid("reason", words) from None


def _filters(wanted: LetterFilter) -> list[str]:
    """The filters in the words of a token: the next page has the same."""
    endpoint = str(wanted.endpoint_id) if wanted.endpoint_id else ""
    return [wanted.kind or "", wanted.merchant_id or "", endpoint, wanted.reason or ""]


def _read_place(wanted: LetterFilter, words: list[str]) -> tuple[datetime, LetterKey]:
    *filtered, at, letter_kind, key = words
    if filtered != _filters(wanted):
        raise ValueError
    return read_instant_text(at), LetterKey(kind=Kind(letter_kind), words=key)
