"""The providers service behind its port: convert, call, convert. A provider call that breaks off
leaves every key it did not answer for as UNKNOWN."""

import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from typing import Any

import grpc
from caravel.common.v1 import recipient_pb2
from caravel.providers.v1 import deployments_pb2, providers_pb2, providers_pb2_grpc, rails_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from services.payments.base.recovery_rows import recovery_text
from services.payments.mesh.breakers import list_breakers
from services.payments.mesh.calls import read_money, write_money
from services.payments.mesh.disputes import look_up_claim, read_dispute
from services.payments.mesh.ports import (
    BreakerState,
    EventPage,
    Holder,
    HolderQuery,
    IncomingWebhook,
    ListedEvent,
    ProviderCall,
    ProviderEvent,
    Resolution,
)
from services.payments.mesh.versioned import write_files
from services.payments.model.actor import provider_actor
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Capabilities, LookUp, Step
from services.payments.model.dispute import DisputeReport
from services.payments.model.payer import NextAction
from services.payments.model.payment import Failure, Payment
from services.payments.model.timing import (
    CALL,
    CORRIDORS_CALL_SECONDS,
    LISTING_CALL_SECONDS,
    OPERATION,
    RESOLVING,
    RESOLVING_CALL_SECONDS,
    RETRY_AFTER_MAX,
    WEBHOOK_CALL_SECONDS,
)
from services.shared.corridors import CorridorFiles
from services.shared.deployment import Deployment
from services.shared.errors import DomainError, Invalid
from services.shared.grpc_client import call_metadata, refusals_as_errors
from services.shared.grpc_status import from_status
from services.shared.log import get_logger
from services.shared.recipients import Recipient, RecipientKind
from services.shared.recipients.rails import CutOff, Rail
from services.shared.recipients.wire import recipient_fields

_KINDS = {
    Step.COLLECTION: providers_pb2.COLLECTION,
    Step.PAYOUT: providers_pb2.PAYOUT,
    Step.REFUND: providers_pb2.REFUND,
}
_STEPS = {kind: step for step, kind in _KINDS.items()}
_RECIPIENT_KINDS = {recipient_pb2.RecipientKind.Value(kind.name): kind for kind in RecipientKind}
_DEPLOYMENTS = {deployments_pb2.Deployment.Value(one.name): one for one in Deployment}
_OPERATION_TIMEOUT = Duration(seconds=int(OPERATION.total_seconds()))
_CALL_SECONDS = CALL.total_seconds()
_RESOLVING = Duration(seconds=int(RESOLVING.total_seconds()))


class GrpcProviders:
    """The port Providers over gRPC."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: providers_pb2_grpc.ProviderServiceAsyncStub = (
            providers_pb2_grpc.ProviderServiceStub(channel)
        )

    async def execute(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
        """See Providers.execute."""
        request = providers_pb2.ExecuteRequest(
            operations=[_write_operation(call) for call in calls],
            operation_timeout=_OPERATION_TIMEOUT,
            send_before=_send_before(calls),
        )
        remaining = min((call.send_before for call in calls), default=0) - time.monotonic()
        if remaining <= 0:
            for call in calls:
                yield call.attempt.key, _no_answer("its time was over before it was sent")
            return
        # The deadline travels with the call: also what is held up on the way is not sent later.
        timeout = min(_CALL_SECONDS, remaining)
        stream = self._stub.Execute(request, timeout=timeout, metadata=call_metadata())
        async for answer in _answers(calls, stream):
            yield answer

    async def look_up(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
        """See Providers.look_up."""
        request = providers_pb2.LookUpRequest(
            operations=[_write_operation(call) for call in calls],
            operation_timeout=_OPERATION_TIMEOUT,
        )
        stream = self._stub.LookUp(request, timeout=_CALL_SECONDS, metadata=call_metadata())
        async for answer in _answers(calls, stream):
            yield answer

    async def read_webhooks(
        self, webhooks: Sequence[IncomingWebhook]
    ) -> Sequence[ProviderEvent | DomainError]:
        """See Providers.read_webhooks."""
        request = providers_pb2.ReadWebhooksRequest(
            webhooks=[
                providers_pb2.IncomingWebhook(
                    provider=webhook.provider,
                    headers=webhook.headers,
                    body=webhook.body,
                    allow_unsigned=webhook.allow_unsigned,
                    trace_id=webhook.trace_id,
                )
                for webhook in webhooks
            ]
        )
        async with refusals_as_errors("providers"):
            response = await self._stub.ReadWebhooks(
                request, timeout=WEBHOOK_CALL_SECONDS, metadata=call_metadata()
            )
        return [
            _read_event(webhook.provider, result)
            for webhook, result in zip(webhooks, response.results, strict=True)
        ]

    async def list_events(self, provider: str, since: datetime | None, page: str) -> EventPage:
        """See Providers.list_events."""
        request = providers_pb2.ListEventsRequest(
            provider=provider, since=_write_instant(since), page=page
        )
        async with refusals_as_errors("providers"):
            response = await self._stub.ListEvents(
                request, timeout=LISTING_CALL_SECONDS, metadata=call_metadata()
            )
        return EventPage(
            events=tuple(
                ListedEvent(
                    read=_read_event(provider, one.result),
                    body=one.body,
                    created_at=(
                        one.create_time.ToDatetime(UTC) if one.HasField("create_time") else None
                    ),
                )
                for one in response.events
            ),
            next_page=response.next_page,
        )

    async def look_up_dispute(self, provider: str, provider_reference: str) -> DisputeReport | None:
        """See Providers.look_up_dispute."""
        return await look_up_claim(self._stub, provider, provider_reference)

    async def breakers(self) -> Sequence[BreakerState]:
        """See Providers.breakers."""
        return await list_breakers(self._stub)

    async def resolve(self, query: HolderQuery) -> Holder:
        """See Providers.resolve."""
        request = providers_pb2.ResolveRecipientRequest(
            providers=query.providers,
            currency_code=query.currency,
            recipient=_write_recipient(query.recipient),
            timeout=_RESOLVING,
        )
        try:
            answer = await self._stub.ResolveRecipient(
                request, timeout=RESOLVING_CALL_SECONDS, metadata=call_metadata()
            )
        except grpc.aio.AioRpcError as error:
            get_logger().warning("recipient_unresolved", code=error.code().name)
            return Holder(resolution=Resolution.UNANSWERED)
        name = providers_pb2.Resolution.Name(answer.resolution)
        known = Resolution(name) if name in Resolution.__members__ else Resolution.UNANSWERED
        return Holder(resolution=known, name=answer.holder_name)

    async def check_corridors(self, files: CorridorFiles) -> None:
        """See CorridorCheck.check_corridors."""
        request = providers_pb2.CheckCorridorsRequest(files=write_files(files))
        async with refusals_as_errors("providers"):
            await self._stub.CheckCorridors(
                request, timeout=CORRIDORS_CALL_SECONDS, metadata=call_metadata()
            )

    async def capabilities(self) -> Mapping[str, Capabilities]:
        """See Providers.capabilities."""
        response = await self._list()
        return {
            record.provider: Capabilities(
                provider=record.provider,
                key_lifetime=record.key_lifetime.ToTimedelta(),
                look_up=_read_look_up(record.look_up),
                look_up_lag=record.look_up_lag.ToTimedelta(),
                caches_errors=record.error_caching != providers_pb2.ERRORS_NOT_CACHED,
                repeats_forgotten=record.duplicate_reference
                not in (providers_pb2.REJECTS, providers_pb2.RETURNS_ORIGINAL),
                event_is_evidence=record.event_is_evidence
                and record.webhook_authentication == providers_pb2.BODY_SIGNATURE,
                definitive_failures=frozenset(record.definitive_failures),
                refunds=providers_pb2.REFUND in record.kinds,
                signs_events=record.webhook_authentication == providers_pb2.BODY_SIGNATURE,
                success_final_after=(
                    record.success_final_after.ToTimedelta()
                    if providers_pb2.PAYOUT in record.kinds
                    else timedelta(0)
                ),
                unknown_hold_after=record.unknown_hold_after.ToTimedelta(),
                passing_failures=frozenset(record.passing_failures),
                recipient_failures=frozenset(record.recipient_failures),
                rails=tuple(_read_rails(record)),
                lists_events=record.lists_events,
                looks_up_disputes=record.looks_up_disputes,
                expected={
                    _STEPS[time.kind]: time.within.ToTimedelta()
                    for time in record.expected_times
                    if time.kind in _STEPS
                },
            )
            for record in response.providers
        }

    async def deployment(self) -> Deployment | None:
        """See Providers.deployment."""
        return _DEPLOYMENTS.get((await self._list()).deployment)

    async def _list(self) -> providers_pb2.ListProvidersResponse:
        async with refusals_as_errors("providers"):
            return await self._stub.ListProviders(
                providers_pb2.ListProvidersRequest(), timeout=WEBHOOK_CALL_SECONDS
            )


async def _answers(
    calls: Sequence[ProviderCall], stream: AsyncIterable[providers_pb2.OperationResult]
) -> AsyncIterator[tuple[str, Answer]]:
    """Every key once: what the stream says, and UNKNOWN for whatever it leaves out."""
    waiting = {call.attempt.key for call in calls}
    cause = "the providers service gave no answer"
    try:
        async for result in stream:
            if result.key in waiting:
                waiting.discard(result.key)
                yield result.key, _read_result(result)
    except grpc.aio.AioRpcError as error:
        cause = f"the call to providers broke off: {error.code().name}"
        get_logger().warning("provider_call_broken", code=error.code().name, open=len(waiting))
    for key in waiting:
        yield key, _no_answer(cause)


def _no_answer(cause: str) -> Answer:
    return Answer(outcome=Outcome.UNKNOWN, failure=Failure(code="no_answer", message=cause))


def _send_before(calls: Sequence[ProviderCall]) -> Timestamp | None:
    """From when on nothing of the batch may leave, whoever on the way was stopped meanwhile."""
    limits = (c.attempt.leaves_until for c in calls if c.attempt.leaves_until)
    return _write_instant(min(limits, default=None))


def _write_instant(instant: datetime | None) -> Timestamp | None:
    if instant is None:
        return None
    written = Timestamp()
    written.FromDatetime(instant)
    return written


def _write_operation(call: ProviderCall) -> providers_pb2.Operation:
    payment, attempt = call.payment, call.attempt
    refunds, pays = attempt.step is Step.REFUND, attempt.step is Step.PAYOUT
    return providers_pb2.Operation(
        provider=attempt.provider,
        kind=_KINDS[attempt.step],
        key=attempt.key,
        amount=write_money(attempt.amount),
        transaction_id=payment.transaction_id,
        reference=payment.reference,
        payment_method=payment.payment_method,
        recipient=_write_recipient(attempt.recipient or payment.recipient) if pays else None,
        provider_reference=attempt.provider_reference,
        trace_id=payment.trace_id,
        collection_reference=payment.collection_reference if refunds else "",
        **(_collection_fields(payment) if attempt.step is Step.COLLECTION else {}),
    )


def _collection_fields(payment: Payment) -> dict[str, Any]:
    """Its text, and the time of a payer who is present; a look-up after that cancels it."""
    recovery = {"recovery": recovery_text(payment)}
    if payment.payer is None or payment.payer_until is None:
        return recovery
    until = Timestamp()
    until.FromDatetime(payment.payer_until)
    return {**recovery, "payer_until": until, "return_url": payment.payer.return_url}


def _write_recipient(recipient: Recipient) -> recipient_pb2.Recipient:
    return recipient_pb2.Recipient(**recipient_fields(recipient))


def _read_result(result: providers_pb2.OperationResult) -> Answer:
    return Answer(
        outcome=_read_outcome(result.outcome),
        provider_reference=result.provider_reference,
        amount=read_money(result.amount) if result.HasField("amount") else None,
        failure=_read_failure(result.failure) if result.HasField("failure") else None,
        occurred_at=_read_instant(result),
        retry_after=min(timedelta(seconds=max(0, result.retry_after_seconds)), RETRY_AFTER_MAX),
        next_action=_read_next_action(result),
    )


def _read_next_action(result: providers_pb2.OperationResult) -> NextAction | None:
    if not result.HasField("next_action"):
        return None
    action = result.next_action
    return NextAction(kind=action.kind, client_secret=action.client_secret, url=action.url)


def _read_event(provider: str, result: providers_pb2.WebhookResult) -> ProviderEvent | DomainError:
    if result.HasField("error"):
        return from_status(result.error)
    event = result.read.event
    return ProviderEvent(
        provider=provider,
        event_id=event.event_id,
        event_type=event.event_type,
        transaction_id=event.transaction_id,
        step=_STEPS.get(event.kind),
        answer=Answer(
            outcome=_read_outcome(event.outcome),
            provider_reference=event.provider_reference,
            amount=read_money(event.amount) if event.HasField("amount") else None,
            failure=_read_failure(event.failure) if event.HasField("failure") else None,
            actor=provider_actor(provider),
            event_id=event.event_id,
            key=event.key,
            signed=result.read.signed,
            occurred_at=_read_instant(event),
        ),
        collection_reference=event.collection_reference,
        dispute=read_dispute(event.dispute) if event.HasField("dispute") else None,
    )


def _read_instant(
    said: providers_pb2.OperationResult | providers_pb2.WebhookEvent,
) -> datetime | None:
    return said.occurred_at.ToDatetime(UTC) if said.HasField("occurred_at") else None


def _read_outcome(outcome: providers_pb2.Outcome.ValueType) -> Outcome:
    name = providers_pb2.Outcome.Name(outcome)
    return Outcome(name) if name in Outcome.__members__ else Outcome.UNKNOWN


def _read_look_up(strength: providers_pb2.LookUpStrength.ValueType) -> LookUp:
    name = providers_pb2.LookUpStrength.Name(strength)
    return LookUp(name) if name in LookUp.__members__ else LookUp.NONE


def _read_rails(record: providers_pb2.Capabilities) -> Iterator[Rail]:
    """The rails of a record; one of a kind or a form that this release does not know is left out,
    and so is never used."""
    for rail in record.rails:
        kind = _RECIPIENT_KINDS.get(rail.recipient_kind)
        try:
            if kind is not None:
                yield Rail(
                    recipient_kind=kind,
                    minimum=read_money(rail.minimum),
                    maximum=read_money(rail.maximum),
                    decimals=rail.decimals,
                    country=rail.country,
                    cut_off=_read_cut_off(rail),
                    operators=frozenset(rail.operators),
                )
        except (Invalid, ValueError):
            get_logger().warning("rail_not_readable", provider=record.provider)


def _read_cut_off(rail: rails_pb2.Rail) -> CutOff | None:
    if not rail.HasField("cut_off"):
        return None
    stated = time_of_day.fromisoformat(rail.cut_off.time)
    return CutOff(time=stated, time_zone=rail.cut_off.time_zone)


def _read_failure(failure: providers_pb2.Failure) -> Failure:
    return Failure(code=failure.code, message=failure.message)
