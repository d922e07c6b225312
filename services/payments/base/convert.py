"""A payment, its history, a refund and a dispute as the messages that the public API answers with,
and times as the wire has them. Their fields stand in base.view."""

from datetime import datetime
from typing import Any

from caravel.common.v1 import recipient_pb2
from caravel.payments.v1 import (
    corridors_pb2,
    disputes_pb2,
    history_pb2,
    payments_pb2,
    refunds_pb2,
    scoreboard_pb2,
)
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from services.payments.base.view import (
    dispute_fields,
    payment_fields,
    refund_fields,
    terms_fields,
    trail_fields,
)
from services.payments.model.dispute import Dispute
from services.payments.model.payment import Payment, RecordedEvent
from services.payments.model.refund import Refund
from services.payments.model.scoreboard import COST_PERCENT_MAX, Cost, Scoreboard, Share
from services.shared.money import decimal_text
from services.shared.recipients.rules import CheckDemand, KindRules
from services.shared.recipients.wire import recipient_fields

# The RPCs that answer with a refund.
REFUND_RPCS = frozenset({"CreateRefund", "RetryRefund"})
SHARE_DECIMALS = 2
_DEMANDS = {
    CheckDemand.REQUIRED: corridors_pb2.REQUIRED,
    CheckDemand.OFFERED: corridors_pb2.OFFERED,
    CheckDemand.NONE: corridors_pb2.NOT_OFFERED,
}


def write_payment(payment: Payment) -> payments_pb2.Payment:
    """A payment as the public API shows it."""
    return payments_pb2.Payment(**for_message(payment_fields(payment)))


def write_refund(refund: Refund, payment: Payment) -> refunds_pb2.Refund:
    """A refund as the public API shows it."""
    return refunds_pb2.Refund(**for_message(refund_fields(refund, payment)))


def write_recipient_form(rules: KindRules) -> corridors_pb2.RecipientForm:
    """The fields by which a recipient of one kind is named."""
    fields = [
        (
            rule.required,
            corridors_pb2.RecipientField(
                name=rule.name, description=rule.format.words, pattern=rule.format.pattern
            ),
        )
        for rule in rules.fields.values()
    ]
    return corridors_pb2.RecipientForm(
        kind=recipient_pb2.RecipientKind.Value(rules.kind.name),
        rail=rules.rail,
        required=[field for required, field in fields if required],
        optional=[field for required, field in fields if not required],
        example=recipient_pb2.Recipient(**recipient_fields(rules.example)),
        account_check=_DEMANDS[rules.account_check],
    )


def write_dispute(dispute: Dispute) -> disputes_pb2.Dispute:
    """A dispute as the public API shows it."""
    return disputes_pb2.Dispute(**for_message(dispute_fields(dispute)))


def write_event(recorded: RecordedEvent) -> history_pb2.PaymentEvent:
    """One event of a payment's history."""
    event = recorded.event
    return history_pb2.PaymentEvent(
        sequence=event.sequence,
        from_state=event.from_state or "",
        to_state=event.to_state,
        actor=event.actor,
        cause=event.cause,
        evidence=event.evidence,
        occurred_at=timestamp(recorded.occurred_at),
        trace_id=recorded.trace_id,
    )


def encode_refund(refund: Refund, payment: Payment) -> bytes:
    """The bytes that a replay repeats; deterministic, as those of a payment."""
    return write_refund(refund, payment).SerializeToString(deterministic=True)


def encode_payment(payment: Payment) -> bytes:
    """The bytes that a replay repeats; deterministic, so that equal payments are equal bytes."""
    return write_payment(payment).SerializeToString(deterministic=True)


def write_scoreboard(board: Scoreboard) -> scoreboard_pb2.Scoreboard:
    """A corridor measured against its targets."""
    figures = board.figures
    return scoreboard_pb2.Scoreboard(
        corridor_id=board.corridor_id,
        counted_from=timestamp(board.counted_from),
        counted_until=timestamp(board.counted_until),
        all_counted=board.all_counted,
        payments=figures.payments,
        cost=_write_cost(board.cost) if board.cost else None,
        cost_unknown_reason=board.cost_unknown_reason,
        within_one_hour=_write_share(figures.within_hour),
        within_one_business_day=_write_share(figures.within_day),
        disclosed_before_payment=_write_share(figures.disclosed),
    )


def _write_cost(cost: Cost) -> scoreboard_pb2.ScoreboardCost:
    shown = terms_fields(cost.terms)
    same = ("amount_usd", "fee_usd", "cost_usd", "cost_percent", "payout_amount")
    return scoreboard_pb2.ScoreboardCost(
        **{name: shown[name] for name in same},
        fee_schedule_version=cost.fee_schedule_version,
        rate_trail=corridors_pb2.RateTrail(**for_message(trail_fields(cost.trail))),
        target_percent=str(COST_PERCENT_MAX),
        target_met=cost.is_met,
    )


def _write_share(share: Share) -> scoreboard_pb2.ScoreboardShare:
    percent = share.percent
    return scoreboard_pb2.ScoreboardShare(
        counted=share.counted,
        reached=share.reached,
        percent="" if percent is None else decimal_text(percent, SHARE_DECIMALS),
        target_percent=str(share.target_percent),
        target_met=share.is_met,
    )


def decode_answer(operation: str, response: bytes) -> object:
    """The answer that was kept for a key, by the RPC that it was used for. Raises ValueError where
    none can be read."""
    answer = refunds_pb2.Refund() if operation in REFUND_RPCS else payments_pb2.Payment()
    try:
        answer.ParseFromString(response)
    except DecodeError:
        raise ValueError("no answer can be read from it") from None
    if not answer.transaction_id:
        raise ValueError("the answer names no payment")
    return answer


def for_message(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields with their times as the wire has them, at any depth."""
    return {name: _value_for_message(value) for name, value in fields.items()}


def _value_for_message(value: Any) -> Any:
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, dict):
        return for_message(value)
    if isinstance(value, list):
        return [for_message(item) for item in value]
    return value


def optional_timestamp(instant: datetime | None) -> Timestamp | None:
    """An instant as the wire has it, where there is one."""
    return None if instant is None else timestamp(instant)


def timestamp(instant: datetime) -> Timestamp:
    """An instant as the wire has it."""
    stamp = Timestamp()
    stamp.FromDatetime(instant)
    return stamp
