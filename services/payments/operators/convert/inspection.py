"""The answers to operators who look at a payment, and at themselves."""

from collections.abc import Sequence
from uuid import UUID

from caravel.common.v1 import recipient_pb2
from caravel.payments.v1 import corridors_pb2, inspected_pb2, inspection_pb2

from services.payments.base.convert import (
    for_message,
    optional_timestamp,
    timestamp,
    write_event,
    write_recipient_form,
)
from services.payments.base.view import terms_fields, trail_fields
from services.payments.model.attempt import Attempt
from services.payments.model.payment import RecordedEvent, UnreadableEvent
from services.payments.model.principal import Principal
from services.payments.model.quote import Quote
from services.payments.model.roles import roles_of_scopes
from services.payments.operators.convert.endpoints import without_query
from services.payments.operators.convert.payments import write_action
from services.payments.operators.convert.proposals import write_proposal
from services.payments.operators.convert.search import write_for_operators
from services.payments.operators.inspected import (
    Delivery,
    InspectedPayment,
    Received,
    RecordedPosting,
)
from services.payments.operators.next_step import NextStep, next_step
from services.payments.operators.payout_options import PayoutOptions
from services.shared.errors import field_invalid
from services.shared.ids import Prefix, encode_id
from services.shared.recipients import masked
from services.shared.recipients.wire import recipient_fields

# The scope of those who see which operator did what.
SEES_ACTIONS = "audit:read"


def write_principal(principal: Principal) -> inspection_pb2.Operator:
    """The operator of a call."""
    return inspection_pb2.Operator(
        name=principal.name,
        credential_id=principal.credential_id,
        roles=roles_of_scopes(principal.scopes),
        scopes=sorted(principal.scopes),
        expires_at=optional_timestamp(principal.expires_at),
        address=principal.address,
    )


def read_before_sequence(request: inspection_pb2.InspectPaymentRequest) -> int | None:
    """The number before which events are shown; None for the newest. Raises Invalid."""
    if request.before_sequence < 0:
        raise field_invalid("before_sequence", "before_sequence must not be negative")
    return request.before_sequence or None


def write_inspected(
    inspected: InspectedPayment, principal: Principal
) -> inspection_pb2.InspectedPayment:
    """A payment with all that is on record, as this operator may see it."""
    payment = inspected.payment
    recorded = [one for one in inspected.events if isinstance(one, RecordedEvent)]
    sees_actions = SEES_ACTIONS in principal.scopes
    following = next_step(payment, inspected.attempts, inspected.queued)
    return inspection_pb2.InspectedPayment(
        payment=write_for_operators(payment),
        merchant_id=payment.merchant_id,
        state=payment.state,
        next=_write_next(following, inspected.verbs),
        events=[write_event(one) for one in recorded],
        unreadable_sequences=[
            one.sequence for one in inspected.events if isinstance(one, UnreadableEvent)
        ],
        attempts=[_write_attempt(one, recorded) for one in inspected.attempts],
        postings=[_write_posting(one) for one in inspected.postings],
        quotes=[_write_quote(one, payment.quote_id) for one in inspected.quotes],
        received_events=[_write_received(one) for one in inspected.received],
        deliveries=[
            _write_delivery(one, inspected.urls.get(one.endpoint, ""))
            for one in inspected.deliveries
        ],
        actions=[write_action(one) for one in inspected.actions if sees_actions],
        proposals=[write_proposal(one) for one in inspected.proposals],
        cut=inspected.cut,
        unreadable=inspected.unreadable,
        payout_options=_write_options(inspected.options) if inspected.options else None,
    )


def _write_options(options: PayoutOptions) -> inspected_pb2.PayoutOptions:
    return inspected_pb2.PayoutOptions(
        offramps=options.offramps,
        recipients=[write_recipient_form(one) for one in options.recipients],
    )


def _write_next(following: NextStep, verbs: Sequence[str]) -> inspected_pb2.NextStep:
    return inspected_pb2.NextStep(
        reason=inspected_pb2.NextStep.Reason.Value(following.reason),
        description=following.description,
        at=optional_timestamp(following.at),
        deadline_at=optional_timestamp(following.deadline_at),
        at_deadline=following.at_deadline or "",
        verbs=verbs,
    )


def _write_attempt(attempt: Attempt, recorded: list[RecordedEvent]) -> inspected_pb2.PaymentAttempt:
    failure, moved = attempt.failure, attempt.moved
    return inspected_pb2.PaymentAttempt(
        step=attempt.step,
        number=attempt.number,
        provider=attempt.provider,
        key=attempt.key,
        provider_reference=attempt.provider_reference,
        state=attempt.state,
        amount=str(attempt.amount),
        currency=attempt.amount.currency,
        sent_at=optional_timestamp(attempt.sent_at),
        last_sent_at=optional_timestamp(attempt.last_sent_at),
        leaves_until=optional_timestamp(attempt.leaves_until),
        sends=attempt.sends,
        unknown_since=optional_timestamp(attempt.unknown_since),
        inconclusive_look_ups=attempt.inconclusive_count,
        failure_code=failure.code if failure else "",
        failure_message=failure.message if failure else "",
        moved_amount=str(moved) if moved else "",
        moved_currency=moved.currency if moved else "",
        recipient=recipient_pb2.Recipient(**recipient_fields(masked(attempt.recipient)))
        if attempt.recipient
        else None,
        refund_number=attempt.refund or 0,
        event_sequences=[
            one.event.sequence for one in recorded if one.event.evidence.get("key") == attempt.key
        ],
    )


def _write_posting(recorded: RecordedPosting) -> inspected_pb2.PaymentPosting:
    posting = recorded.posting
    return inspected_pb2.PaymentPosting(
        sequence=recorded.sequence,
        position=recorded.position,
        debit=posting.debit,
        credit=posting.credit,
        amount=str(posting.amount),
        currency=posting.amount.currency,
        cause=posting.cause,
        posted_at=timestamp(recorded.posted_at),
    )


def _write_quote(quote: Quote, current: UUID) -> inspected_pb2.PaymentQuote:
    shown = terms_fields(quote.terms)
    same = ("amount_usd", "payout_amount", "destination_currency", "fee_usd")
    return inspected_pb2.PaymentQuote(
        quote_id=encode_id(Prefix.QUOTE, quote.id),
        is_current=quote.id == current,
        **{name: shown[name] for name in same},
        fee_schedule_version=quote.fee_schedule_version,
        rate_trail=corridors_pb2.RateTrail(**for_message(trail_fields(quote.trail))),
        created_at=timestamp(quote.created_at),
        expires_at=timestamp(quote.expires_at),
    )


def _write_received(received: Received) -> inspected_pb2.ReceivedEvent:
    return inspected_pb2.ReceivedEvent(
        provider=received.provider,
        event_id=received.event_id,
        event_type=received.event_type,
        step=received.step,
        state=received.state,
        received_at=timestamp(received.received_at),
        failures=received.failures,
        last_error=received.last_error,
        outcome=received.outcome,
        signed=received.signed,
    )


def _write_delivery(delivery: Delivery, url: str) -> inspected_pb2.PaymentDelivery:
    waits = delivery.state == "PENDING"
    return inspected_pb2.PaymentDelivery(
        endpoint_id=delivery.endpoint_id,
        url=without_query(url),
        sequence=delivery.sequence,
        event_type=delivery.event_type,
        state=delivery.state,
        failures=delivery.failures,
        last_error=delivery.last_error,
        next_try_at=timestamp(delivery.due_at) if waits else None,
        created_at=timestamp(delivery.created_at),
        delivered_at=optional_timestamp(delivery.delivered_at),
        dead_letter_id=delivery.dead_letter_id,
        delivery_id=delivery.delivery_id,
    )
