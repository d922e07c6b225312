"""Between the wire and the domain, both ways. An operation that is not of the contract's form
becomes a result of its own, so that it never fails the rest of its batch."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from caravel.common.v1 import money_pb2, recipient_pb2
from caravel.providers.v1 import breakers_pb2, disputes_pb2, providers_pb2, rails_pb2
from google.protobuf import duration_pb2, timestamp_pb2

from services.providers.breaker import Breaker
from services.providers.domain import (
    Capabilities,
    Dispute,
    EventPage,
    Holder,
    Kind,
    Operation,
    OperationResult,
    Webhook,
    WebhookEvent,
    unknown,
)
from services.providers.listed import OperationPage, OperationQuery
from services.shared.errors import DomainError, Invalid, field_invalid
from services.shared.grpc_status import to_status
from services.shared.money import Money
from services.shared.recipients import Recipient
from services.shared.recipients.rails import Rail
from services.shared.recipients.wire import read_recipient

_KEY = re.compile(r"[A-Za-z0-9_-]{1,80}", re.ASCII)
_KINDS = {
    providers_pb2.OperationKind.COLLECTION: Kind.COLLECTION,
    providers_pb2.OperationKind.PAYOUT: Kind.PAYOUT,
    providers_pb2.OperationKind.REFUND: Kind.REFUND,
}


RECOVERY_MAX = 4000
# A time limit after this second counts as no limit.
_LAST_SECOND = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp())


def to_operations(
    messages: Sequence[providers_pb2.Operation],
) -> tuple[list[Operation], list[OperationResult]]:
    """The operations that can be worked on, and the results of those that cannot."""
    operations: list[Operation] = []
    malformed: list[OperationResult] = []
    for message in messages:
        try:
            operations.append(_to_operation(message))
        except (Invalid, ValueError) as error:
            malformed.append(unknown(message.key, "operation_invalid", str(error)))
    return operations, malformed


def _to_operation(message: providers_pb2.Operation) -> Operation:
    kind = _KINDS.get(message.kind)
    if kind is None:
        raise ValueError("kind is required")
    if not _KEY.fullmatch(message.key):
        raise ValueError("key must be 1 to 80 of the characters A-Z a-z 0-9 _ -")
    if not message.transaction_id:
        raise ValueError("transaction_id is required")
    amount = Money(message.amount.amount_minor, message.amount.currency_code)
    if amount.amount_minor == 0:
        raise ValueError("amount must be positive")
    if len(message.recovery) > RECOVERY_MAX:
        raise ValueError(f"recovery has at most {RECOVERY_MAX} characters")
    if kind is Kind.REFUND and not message.collection_reference:
        raise ValueError("collection_reference is required with a refund")
    return Operation(
        provider=message.provider,
        kind=kind,
        key=message.key,
        amount=amount,
        transaction_id=message.transaction_id,
        reference=message.reference,
        payment_method=message.payment_method,
        recipient=read_recipient(message.recipient),
        provider_reference=message.provider_reference,
        collection_reference=message.collection_reference,
        payer_until=_to_instant(message.payer_until) if message.HasField("payer_until") else None,
        return_url=message.return_url,
        recovery=message.recovery,
        trace_id=message.trace_id,
    )


def to_timeout(
    request: providers_pb2.ExecuteRequest | providers_pb2.LookUpRequest,
) -> timedelta | None:
    """The time one operation may take; None where the request leaves it to us."""
    return _to_timedelta(request.operation_timeout)


def to_recipient(request: providers_pb2.ResolveRecipientRequest) -> Recipient | None:
    """The recipient that is asked about; None where the request names none."""
    return read_recipient(request.recipient)


def to_allowed(request: providers_pb2.ResolveRecipientRequest) -> timedelta | None:
    """The time for all that are asked; None where the request leaves it to us."""
    return _to_timedelta(request.timeout)


def from_holder(holder: Holder) -> providers_pb2.ResolveRecipientResponse:
    """The answer about an account."""
    return providers_pb2.ResolveRecipientResponse(
        resolution=providers_pb2.Resolution.Value(holder.resolution.name), holder_name=holder.name
    )


def to_send_before(request: providers_pb2.ExecuteRequest) -> datetime | None:
    """From when on nothing may be sent; None where the caller sets no limit."""
    if not request.HasField("send_before"):
        return None
    return _to_instant(request.send_before)


def to_since(request: providers_pb2.ListEventsRequest) -> datetime | None:
    """From when on events are wanted; None for all."""
    return _to_instant(request.since) if request.HasField("since") else None


def _to_instant(stated: timestamp_pb2.Timestamp) -> datetime:
    # A number that no calendar holds is a limit all the same.
    seconds = min(max(stated.seconds, 0), _LAST_SECOND)
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=stated.nanos // 1000)


def to_webhook(request: providers_pb2.IncomingWebhook) -> Webhook:
    """The webhook as it arrived."""
    return Webhook(
        headers=dict(request.headers),
        body=request.body,
        allow_unsigned=request.allow_unsigned,
        trace_id=request.trace_id,
    )


def from_result(result: OperationResult) -> providers_pb2.OperationResult:
    """One result for the stream."""
    message = providers_pb2.OperationResult(
        key=result.key,
        outcome=providers_pb2.Outcome.Value(result.outcome.name),
        provider_reference=result.provider_reference,
        amount=_from_money(result.amount),
        retry_after_seconds=result.retry_after_seconds,
        occurred_at=_from_instant(result.occurred_at),
    )
    if result.failure:
        message.failure.code = result.failure.code
        message.failure.message = result.failure.message
    if action := result.next_action:
        message.next_action.kind = action.kind
        message.next_action.client_secret = action.client_secret
        message.next_action.url = action.url
    return message


def _from_event(event: WebhookEvent) -> providers_pb2.AcceptedWebhook:
    message = providers_pb2.WebhookEvent(
        event_id=event.event_id,
        event_type=event.event_type,
        transaction_id=event.transaction_id,
        key=event.key,
        kind=_from_kind(event.kind),
        outcome=providers_pb2.Outcome.Value(event.outcome.name),
        provider_reference=event.provider_reference,
        amount=_from_money(event.amount),
        occurred_at=_from_instant(event.occurred_at),
        collection_reference=event.collection_reference,
        dispute=_from_dispute(event.dispute),
    )
    if event.failure:
        message.failure.code = event.failure.code
        message.failure.message = event.failure.message
    return providers_pb2.AcceptedWebhook(event=message, signed=event.signed)


def _from_dispute(dispute: Dispute | None) -> disputes_pb2.Dispute | None:
    if dispute is None:
        return None
    return disputes_pb2.Dispute(
        kind=disputes_pb2.Dispute.Kind.Value(dispute.kind.name),
        status=disputes_pb2.Dispute.Status.Value(dispute.status.name),
        provider_reference=dispute.provider_reference,
        reason=dispute.reason,
        amount=_from_money(dispute.amount),
        withdrawn=_from_money(dispute.withdrawn),
        respond_by=_from_instant(dispute.respond_by),
    )


def from_claim(dispute: Dispute | None) -> disputes_pb2.LookUpDisputeResponse:
    """The answer about a claim."""
    return disputes_pb2.LookUpDisputeResponse(dispute=_from_dispute(dispute))


def from_breakers(
    breakers: Mapping[tuple[str, Kind], Breaker],
) -> breakers_pb2.ListBreakersResponse:
    """The response with the breakers, in order."""
    named = sorted(breakers.items(), key=lambda one: (one[0][0], one[0][1].value))
    return breakers_pb2.ListBreakersResponse(
        breakers=[
            breakers_pb2.Breaker(
                provider=provider,
                kind=kind.value,
                state=breakers_pb2.Breaker.State.Value(breaker.state.name),
                lasts=_from_timedelta(timedelta(seconds=breaker.lasts_seconds)),
            )
            for (provider, kind), breaker in named
        ]
    )


def from_events(
    results: Sequence[WebhookEvent | DomainError],
) -> providers_pb2.ReadWebhooksResponse:
    """The response with one result per webhook, in their order."""
    return providers_pb2.ReadWebhooksResponse(results=[_from_read(result) for result in results])


def from_page(page: EventPage) -> providers_pb2.ListEventsResponse:
    """The response with the events of a page, in their order."""
    return providers_pb2.ListEventsResponse(
        events=[
            providers_pb2.ListedEvent(
                result=_from_read(one.read),
                body=one.body,
                create_time=_from_instant(one.created_at),
            )
            for one in page.events
        ],
        next_page=page.next_page,
    )


def to_operation_query(request: providers_pb2.ListOperationsRequest) -> OperationQuery:
    """The question for a page. Raises Invalid."""
    kind = _KINDS.get(request.kind)
    if kind is None:
        raise field_invalid("kind", "kind is required")
    if not request.HasField("since"):
        raise field_invalid("since", "since is required")
    return OperationQuery(
        kind=kind,
        since=_to_instant(request.since),
        page=request.page,
        expected_keys=tuple(request.expected_keys),
    )


def from_operation_page(page: OperationPage) -> providers_pb2.ListOperationsResponse:
    """The response with the operations of a page, in their order."""
    return providers_pb2.ListOperationsResponse(
        operations=[
            providers_pb2.ListedOperation(
                key=one.key,
                provider_reference=one.provider_reference,
                create_time=_from_instant(one.created_at),
                recovery=one.recovery,
            )
            for one in page.operations
        ],
        next_page=page.next_page,
    )


def _from_read(result: WebhookEvent | DomainError) -> providers_pb2.WebhookResult:
    if isinstance(result, DomainError):
        return providers_pb2.WebhookResult(error=to_status(result))
    return providers_pb2.WebhookResult(read=_from_event(result))


def from_capabilities(name: str, capabilities: Capabilities) -> providers_pb2.Capabilities:
    """One provider's record."""
    return providers_pb2.Capabilities(
        provider=name,
        kinds=sorted(_from_kind(kind) for kind in capabilities.kinds),
        key_lifetime=_from_timedelta(capabilities.key_lifetime),
        look_up=providers_pb2.LookUpStrength.Value(capabilities.look_up.name),
        look_up_lag=_from_timedelta(capabilities.look_up_lag),
        event_is_evidence=capabilities.event_is_evidence,
        key_scope=capabilities.key_scope,
        error_caching=providers_pb2.ErrorCaching.Value(capabilities.error_caching.name),
        duplicate_reference=providers_pb2.DuplicateReference.Value(
            capabilities.duplicate_reference.name
        ),
        success_final_after=_from_timedelta(capabilities.success_final_after),
        webhook_authentication=providers_pb2.WebhookAuthentication.Value(
            capabilities.webhook_authentication.name
        ),
        definitive_failures=sorted(capabilities.definitive_failures),
        unknown_hold_after=_from_timedelta(capabilities.unknown_hold_after),
        passing_failures=sorted(capabilities.passing_failures),
        recipient_failures=sorted(capabilities.recipient_failures),
        resolves=[
            rails_pb2.Resolvable(
                kind=recipient_pb2.RecipientKind.Value(kind.name), currency_code=currency
            )
            for kind, currency in sorted(capabilities.resolves)
        ],
        expected_times=[
            providers_pb2.ExpectedTime(kind=_from_kind(kind), within=_from_timedelta(within))
            for kind, within in sorted(
                capabilities.expected.items(), key=lambda item: item[0].value
            )
        ],
        rails=[_from_rail(rail) for rail in sorted(capabilities.rails, key=_order)],
        lists_events=capabilities.lists_events,
        looks_up_disputes=capabilities.looks_up_disputes,
        lists_operations=capabilities.lists_operations,
    )


def _order(rail: Rail) -> tuple[str, str, str, int]:
    return (rail.recipient_kind, rail.currency, rail.country, rail.minimum.amount_minor)


def _from_rail(rail: Rail) -> rails_pb2.Rail:
    message = rails_pb2.Rail(
        recipient_kind=recipient_pb2.RecipientKind.Value(rail.recipient_kind.name),
        currency=rail.currency,
        country=rail.country,
        decimals=rail.decimals,
        minimum=_from_money(rail.minimum),
        maximum=_from_money(rail.maximum),
        operators=sorted(rail.operators),
    )
    if rail.cut_off:
        message.cut_off.time = f"{rail.cut_off.time:%H:%M}"
        message.cut_off.time_zone = rail.cut_off.time_zone
    return message


def _from_kind(kind: Kind | None) -> providers_pb2.OperationKind.ValueType:
    if kind is None:
        return providers_pb2.OperationKind.OPERATION_KIND_UNSPECIFIED
    return next(wire for wire, ours in _KINDS.items() if ours is kind)


def _from_money(money: Money | None) -> money_pb2.Money | None:
    if money is None:
        return None
    return money_pb2.Money(currency_code=money.currency, amount_minor=money.amount_minor)


def _from_instant(instant: datetime | None) -> timestamp_pb2.Timestamp | None:
    if instant is None:
        return None
    stamp = timestamp_pb2.Timestamp()
    stamp.FromDatetime(instant)
    return stamp


def _to_timedelta(asked: duration_pb2.Duration) -> timedelta | None:
    # The bound keeps a wild number within what a timedelta can hold; the real cap is a rule.
    timeout = timedelta(seconds=min(asked.seconds, 86_400), microseconds=asked.nanos // 1000)
    return timeout if timeout > timedelta() else None


def _from_timedelta(delta: timedelta) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromTimedelta(delta)
    return duration
