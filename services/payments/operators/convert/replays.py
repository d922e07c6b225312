"""The operators' requests for replays and for many dead letters, and the answers."""

from datetime import datetime
from typing import Literal

from caravel.payments.v1 import replays_pb2

from services.payments.base.instants import read_instant
from services.payments.base.problems import Problems, fields_invalid
from services.payments.model.operator import Operator, operator_of
from services.payments.model.principal import Principal
from services.payments.operators.convert.payments import (
    NOTE_MAX,
    read_letters,
    write_letters_token,
)
from services.payments.operators.domain import DeadLetter, LetterFilter
from services.payments.operators.replay_ports import Replay, ReplayWindow
from services.payments.operators.usecases import Requeued
from services.shared.errors import field_invalid
from services.shared.text import limited_text

_Replayed = replays_pb2.ReplayDeliveryRequest | replays_pb2.ReplayEndpointRequest
_FILTERS = ("merchant_id", "endpoint_id", "reason")
# Of a request whose time is refused.
_NEVER = datetime.min


def read_delivery(
    request: replays_pb2.ReplayDeliveryRequest, principal: Principal
) -> tuple[datetime, Operator]:
    """The time before which it was tried last, and the operator. Raises Invalid with every wrong
    field."""
    problems = Problems()
    before = _read_time(problems, request, "tried_before")
    operator = _read_operator(problems, request.note, principal)
    problems.raise_any()
    return before, operator


def read_endpoint(
    request: replays_pb2.ReplayEndpointRequest, principal: Principal
) -> tuple[ReplayWindow, Operator]:
    """The last tries that are meant, and the operator. Raises Invalid with every wrong field."""
    problems = Problems()
    since = _read_time(problems, request, "tried_since")
    before = _read_time(problems, request, "tried_before")
    operator = _read_operator(problems, request.note, principal)
    if not problems and since >= before:
        words = "tried_since must be earlier than tried_before"
        problems.add(field_invalid("tried_since", words))
    problems.raise_any()
    return ReplayWindow(since=since, before=before), operator


def read_requeued(
    request: replays_pb2.RequeueDeadLettersRequest, principal: Principal
) -> tuple[LetterFilter, Operator]:
    """Which dead letters, and the operator. Raises Invalid, also without any filter."""
    if not any(getattr(request, name) for name in _FILTERS):
        words = f"name at least one of {', '.join(_FILTERS)}: none never means all"
        raise fields_invalid(_FILTERS, words, "FIELD_REQUIRED")
    problems = Problems()
    wanted = problems.read(lambda _: read_letters(request), "", LetterFilter())
    operator = _read_operator(problems, request.note, principal)
    problems.raise_any()
    return wanted, operator


def write_replay(replay: Replay) -> replays_pb2.Replay:
    """The events that are sent again."""
    return replays_pb2.Replay(events=replay.events, has_more=replay.has_more)


def write_requeued(
    requeued: Requeued, wanted: LetterFilter, last: DeadLetter | None
) -> replays_pb2.RequeueDeadLettersResponse:
    """The dead letters that were requeued, those that could not be, and where to go on."""
    response = replays_pb2.RequeueDeadLettersResponse
    return response(
        dead_letter_ids=requeued.done,
        refused=[
            response.Refused(dead_letter_id=letter, reason=reason)
            for letter, reason in requeued.refused.items()
        ],
        next_page_token=write_letters_token(wanted, last),
    )


def _read_operator(problems: Problems, note: str, principal: Principal) -> Operator:
    return operator_of(principal, problems.read(limited_text("note", NOTE_MAX), note, ""))


def _read_time(
    problems: Problems, request: _Replayed, field: Literal["tried_since", "tried_before"]
) -> datetime:
    if request.HasField(field):  # type: ignore[arg-type]
        return problems.read(lambda _: read_instant(getattr(request, field), field), "", _NEVER)
    problems.add(field_invalid(field, f"{field} is required", "FIELD_REQUIRED"))
    return _NEVER
