"""The operators' verbs on payments as they are asked for, and their previews. A verb is read alike
whether it is done, proposed or shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from caravel.payments.v1 import admin_pb2, verbs_pb2

from services.payments.base.convert import timestamp
from services.payments.base.problems import Problems
from services.payments.base.requests import (
    read_amount_usd,
    read_new_recipient,
    read_refund_reason,
    refuse_unclear_part,
)
from services.payments.model.answer import Outcome
from services.payments.model.operator import Operator, operator_of
from services.payments.model.payment import Payment
from services.payments.model.principal import Principal
from services.payments.operators.convert.payments import NOTE_MAX, REFERENCE_MAX, required_text
from services.payments.operators.domain import Action
from services.payments.operators.verbs.acting import Preview
from services.payments.operators.verbs.ports import Effect
from services.payments.operators.verbs.table import VerbOrder
from services.shared.errors import DomainError, field_invalid
from services.shared.ids import Prefix, encode_id
from services.shared.money import (
    MAX_AMOUNT_MINOR,
    CurrencyUnknown,
    Money,
    exponent,
    parse_amount,
)
from services.shared.recipients import as_row
from services.shared.text import limited_text

PROVIDER_MAX = 64
ACCOUNT_MAX = 128
_OUTCOMES: Mapping[int, Outcome] = {
    admin_pb2.ResolveAttemptRequest.SUCCEEDED: Outcome.SUCCEEDED,
    admin_pb2.ResolveAttemptRequest.FAILED: Outcome.FAILED,
}


def read_verb(request: Any, principal: Principal) -> tuple[VerbOrder, Operator]:
    """The verb of a request, and the operator of the credential with the note. Raises Invalid with
    every wrong field."""
    form = _FORMS[type(request)]
    problems = Problems()
    read_note = required_text if form.needs_note else limited_text
    note = problems.read(read_note("note", NOTE_MAX), request.note, "")
    arguments = form.read(request, problems)
    problems.raise_any()
    order = VerbOrder(action=form.action, target=request.transaction_id, arguments=arguments)
    return order, operator_of(principal, note)


def read_preview(
    request: verbs_pb2.PreviewVerbRequest, principal: Principal
) -> tuple[VerbOrder, Operator]:
    """The verb that is to be shown. Raises Invalid."""
    which = request.WhichOneof("verb")
    if which is None:
        raise field_invalid("verb", "one verb is required", "FIELD_REQUIRED")
    return read_verb(getattr(request, which), principal)


def write_preview(preview: Preview) -> verbs_pb2.VerbPreview:
    """A preview as it is shown."""
    before, effect, refusal = preview.before, preview.effect, preview.refusal
    shown = verbs_pb2.VerbPreview(
        transaction_id=preview.order.target,
        verb=preview.order.action,
        needs_second_person=preview.needs_second_person,
        provider_answers=[
            verbs_pb2.VerbPreview.ProviderAnswer(
                provider=asked.attempt.provider, key=asked.attempt.key, answer=asked.words
            )
            for asked in preview.answers
        ],
    )
    if before is not None:
        shown.merchant_id = before.merchant_id
        shown.before.CopyFrom(_standing(before))
    if effect is not None:
        _write_effect(shown, effect)
    if refusal is not None:
        write_refusal(shown, refusal)
    return shown


def write_refusal(shown: verbs_pb2.VerbPreview, refusal: DomainError) -> None:
    """The refusal that the verb would meet."""
    shown.refusal.reason, shown.refusal.message = refusal.error_reason, str(refusal)
    shown.refusal.metadata.update(refusal.metadata)


def _write_effect(shown: verbs_pb2.VerbPreview, effect: Effect) -> None:
    shown.after.CopyFrom(_standing(effect.payment))
    if effect.due_at is not None:
        shown.after.due_at.CopyFrom(timestamp(effect.due_at))
    shown.events.extend(
        verbs_pb2.VerbPreview.HistoryEvent(
            from_state=event.from_state or "",
            to_state=event.to_state,
            cause=event.cause,
            evidence=event.evidence,
        )
        for event in effect.events
    )
    shown.postings.extend(
        verbs_pb2.VerbPreview.Posting(
            debit=posting.debit,
            credit=posting.credit,
            amount=str(posting.amount),
            currency=posting.amount.currency,
        )
        for posting in effect.postings
    )
    shown.merchant_events.extend(
        verbs_pb2.VerbPreview.MerchantEvent(
            event_type=event.event_type,
            endpoint_id=encode_id(Prefix.ENDPOINT, event.endpoint_id),
            url=event.url,
        )
        for event in effect.merchant_events
    )


def _standing(payment: Payment) -> verbs_pb2.VerbPreview.Standing:
    return verbs_pb2.VerbPreview.Standing(
        state=payment.state, hold_reason=payment.hold_reason or "", status=payment.status
    )


def _read_release(request: admin_pb2.ReleaseHoldRequest, problems: Problems) -> dict[str, Any]:
    return {"honour_locked_rate": request.honour_locked_rate}


def _read_resolution(
    request: admin_pb2.ResolveAttemptRequest, problems: Problems
) -> dict[str, Any]:
    evidence = problems.read(required_text("evidence", NOTE_MAX), request.evidence, "")
    reference = problems.read(
        limited_text("provider_reference", REFERENCE_MAX), request.provider_reference, ""
    )
    outcome = problems.read(_read_outcome, str(request.outcome), Outcome.UNKNOWN)
    moved = problems.read(lambda _: _read_moved(request), "", None)
    return {
        "evidence": evidence,
        "moved": {"amount_minor": moved.amount_minor, "currency": moved.currency}
        if moved
        else None,
        "outcome": outcome,
        "provider_reference": reference,
        "provider_unreachable": request.provider_unreachable,
    }


def _read_force(request: verbs_pb2.ForcePayoutRequest, problems: Problems) -> dict[str, Any]:
    read = required_text("provider", PROVIDER_MAX)
    return {"provider": problems.read(read, request.provider, "")}


def _read_nothing(request: Any, problems: Problems) -> dict[str, Any]:
    return {}


def _read_refund(request: verbs_pb2.RefundPaymentRequest, problems: Problems) -> dict[str, Any]:
    refuse_unclear_part(request)
    amount = (
        problems.read(read_amount_usd, request.amount_usd, None) if request.amount_usd else None
    )
    return {
        "amount_minor": amount.amount_minor if amount else None,
        "ends_payout": request.ends_payout,
        "reason": problems.read(read_refund_reason, request.reason, ""),
    }


def _read_correction(
    request: verbs_pb2.CorrectPaymentRequest, problems: Problems
) -> dict[str, Any]:
    return {"recipient": as_row(read_new_recipient(request, problems))}


def _read_adjustment(request: verbs_pb2.AdjustPaymentRequest, problems: Problems) -> dict[str, Any]:
    currency = problems.read(lambda _: _read_currency("currency", request.currency), "", "")
    return {
        "amount_minor": problems.read(lambda _: _read_minor(request.amount_minor), "", 0),
        "credit": problems.read(required_text("credit", ACCOUNT_MAX), request.credit, ""),
        "currency": currency,
        "debit": problems.read(required_text("debit", ACCOUNT_MAX), request.debit, ""),
        "evidence": problems.read(required_text("evidence", NOTE_MAX), request.evidence, ""),
    }


def _read_minor(amount: int) -> int:
    field = "amount_minor"
    if amount <= 0:
        raise field_invalid(field, f"{field} must be positive", "AMOUNT_NOT_POSITIVE")
    if amount > MAX_AMOUNT_MINOR:
        raise field_invalid(field, f"{field} is too large", "AMOUNT_ABOVE_MAXIMUM")
    return amount


def _read_currency(field: str, text: str) -> str:
    if not text:
        raise field_invalid(field, f"{field} is required", "FIELD_REQUIRED")
    try:
        exponent(text)
    except CurrencyUnknown:
        words = f"{field} must be an ISO 4217 code such as INR"
        raise field_invalid(field, words, "CURRENCY_UNKNOWN") from None
    return text


def _read_outcome(number: str) -> Outcome:
    outcome = _OUTCOMES.get(int(number))
    if outcome is None:
        reason = "FIELD_INVALID" if int(number) else "FIELD_REQUIRED"
        raise field_invalid("outcome", "outcome must be SUCCEEDED or FAILED", reason)
    return outcome


def _read_moved(request: admin_pb2.ResolveAttemptRequest) -> Money | None:
    """The money that the provider has moved; None where it is the amount asked, or nothing."""
    amount, currency = request.moved_amount, request.moved_currency
    if not amount and not currency:
        return None
    if request.outcome == admin_pb2.ResolveAttemptRequest.FAILED:
        words = "moved_amount says that something has moved, and FAILED that nothing has"
        raise field_invalid("moved_amount", words, "FIELDS_CONTRADICTORY")
    _read_currency("moved_currency", currency)
    return parse_amount(amount, currency, field="moved_amount")


@dataclass(frozen=True, kw_only=True)
class _Form:
    action: Action
    # The arguments as JSON has them; what is wrong goes to the problems.
    read: Callable[[Any, Problems], Mapping[str, Any]]
    needs_note: bool = False


_FORMS: Mapping[type, _Form] = {
    admin_pb2.ReleaseHoldRequest: _Form(action=Action.RELEASE_HOLD, read=_read_release),
    admin_pb2.ResolveAttemptRequest: _Form(action=Action.RESOLVE_ATTEMPT, read=_read_resolution),
    verbs_pb2.ForcePayoutRequest: _Form(action=Action.FORCE_PAYOUT, read=_read_force),
    verbs_pb2.PlaceHoldRequest: _Form(
        action=Action.PLACE_HOLD, read=_read_nothing, needs_note=True
    ),
    verbs_pb2.TryNowRequest: _Form(action=Action.TRY_NOW, read=_read_nothing),
    verbs_pb2.RefundPaymentRequest: _Form(action=Action.REFUND_PAYMENT, read=_read_refund),
    verbs_pb2.AdjustPaymentRequest: _Form(action=Action.ADJUST_PAYMENT, read=_read_adjustment),
    verbs_pb2.CorrectPaymentRequest: _Form(action=Action.CORRECT_PAYMENT, read=_read_correction),
}
