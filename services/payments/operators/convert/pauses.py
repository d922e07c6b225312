"""The operators' requests about pauses, and the answers."""

from datetime import datetime

from caravel.payments.v1 import pauses_pb2, verbs_pb2

from services.payments.base.convert import timestamp
from services.payments.base.instants import read_instant
from services.payments.base.problems import Problems
from services.payments.model.operator import Operator, operator_of
from services.payments.model.pause import Pause, PauseKind, UnderWay
from services.payments.model.principal import Principal
from services.payments.operators.convert.payments import NOTE_MAX, required_text
from services.payments.operators.convert.verbs import write_refusal
from services.payments.operators.pausing import PauseOrder, PausePreview
from services.shared.errors import field_invalid

NAME_MAX = 64
_Paused = pauses_pb2.PauseProviderRequest | pauses_pb2.PauseCorridorRequest
_Named = _Paused | pauses_pb2.ResumeProviderRequest | pauses_pb2.ResumeCorridorRequest


def read_pause(request: _Paused, principal: Principal) -> tuple[Operator, PauseOrder]:
    """The operator, with the reason, and the pause. Raises Invalid with every wrong field."""
    problems = Problems()
    kind, name, operator = _read_named(problems, request, principal)
    under_way = problems.read(lambda _: _read_under_way(request), "", UnderWay.FINISH)
    ends_at = problems.read(lambda _: _read_end(request), "", None)
    problems.raise_any()
    order = PauseOrder(kind=kind, name=name, under_way=under_way, ends_at=ends_at)
    return operator, order


def read_resume(
    request: pauses_pb2.ResumeProviderRequest | pauses_pb2.ResumeCorridorRequest,
    principal: Principal,
) -> tuple[Operator, PauseKind, str]:
    """The operator, with the reason, and the target. Raises Invalid with every wrong field."""
    problems = Problems()
    kind, name, operator = _read_named(problems, request, principal)
    problems.raise_any()
    return operator, kind, name


def write_pause(pause: Pause, now: datetime) -> pauses_pb2.Pause:
    """A pause as it is shown."""
    return pauses_pb2.Pause(
        pause_id=pause.pause_id,
        kind=pauses_pb2.Pause.Kind.Value(pause.kind),
        name=pause.name,
        under_way=pauses_pb2.Pause.UnderWay.Value(pause.under_way),
        reason=pause.reason,
        paused_by=pause.paused_by,
        starts_at=timestamp(pause.starts_at),
        ends_at=timestamp(pause.ends_at) if pause.ends_at else None,
        ended_at=timestamp(pause.ended_at) if pause.ended_at else None,
        ended_by=pause.ended_by,
        end_reason=pause.end_reason,
        in_force=pause.is_in_force(now),
    )


def write_pause_preview(preview: PausePreview) -> verbs_pb2.VerbPreview:
    """The effect of a pause or of its end, as it is shown."""
    shown = verbs_pb2.VerbPreview(
        verb=preview.verb,
        target=preview.target,
        needs_second_person=preview.needs_second_person,
        under_way=[
            verbs_pb2.VerbPreview.UnderWay(
                state=one.state,
                step=one.step,
                provider=one.provider,
                sent=one.is_sent,
                waits=one.waits,
                payments=one.payments,
            )
            for one in preview.under_way.kinds
        ],
        waiting_now=preview.waiting_now,
        is_partial=preview.under_way.is_partial,
    )
    if preview.refusal is not None:
        write_refusal(shown, preview.refusal)
    return shown


def _read_named(
    problems: Problems, request: _Named, principal: Principal
) -> tuple[PauseKind, str, Operator]:
    if isinstance(request, pauses_pb2.PauseProviderRequest | pauses_pb2.ResumeProviderRequest):
        kind, field, text = PauseKind.PROVIDER, "provider", request.provider
    else:
        kind, field, text = PauseKind.CORRIDOR, "corridor_id", request.corridor_id
    name = problems.read(required_text(field, NAME_MAX), text, "")
    reason = problems.read(required_text("reason", NOTE_MAX), request.reason, "")
    return kind, name, operator_of(principal, reason)


def _read_under_way(request: _Paused) -> UnderWay:
    if not request.under_way:
        return UnderWay.FINISH
    try:
        under_way = UnderWay(pauses_pb2.Pause.UnderWay.Name(request.under_way))
    except ValueError:
        words = f"under_way must be one of {', '.join(UnderWay)}"
        raise field_invalid("under_way", words) from None
    if under_way is UnderWay.WAIT and not request.HasField("ends_at"):
        words = "ends_at is required with WAIT: no payment waits without an end"
        raise field_invalid("ends_at", words, "FIELD_REQUIRED")
    return under_way


def _read_end(request: _Paused) -> datetime | None:
    return read_instant(request.ends_at, "ends_at") if request.HasField("ends_at") else None
