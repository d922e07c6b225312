"""payments, as the console calls it: with the credential of the operator who has signed in, the
operator's own address, and the id of the request. Messages become the nouns of views here."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from caravel.payments.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    inspection_pb2,
    inspection_pb2_grpc,
    payments_pb2,
)
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.console import views
from services.shared.grpc_client import call_metadata, open_channel, refusals_as_errors
from services.shared.identity import Identity
from services.shared.money import SOURCE_CURRENCY

# Shorter than the gateway waits for the console.
CALL_SECONDS = 10.0
PAGE_SIZE = 200


@dataclass(frozen=True, kw_only=True)
class Acting:
    """The operator for whom a call is made."""

    credential: str = field(repr=False)
    address: str


class Payments(Protocol):
    """The calls of payments that pages need; each raises a DomainError where it is refused."""

    async def operator(self, acting: Acting) -> views.Operator:
        """The operator of the credential."""
        ...

    async def overdue(self, acting: Acting) -> views.Page[views.Late]:
        """The payments that make no progress, or are past their deadline, the longest first."""
        ...

    async def waiting(self, acting: Acting, waiting_for: Sequence[str]) -> views.Page[views.Late]:
        """The payments that wait for one of these, also before their deadline."""
        ...

    async def dead_letters(self, acting: Acting, kind: str) -> views.Page[views.DeadLetter]:
        """The dead letters of a kind, the latest first."""
        ...

    async def disputes(self, acting: Acting) -> views.Page[views.Dispute]:
        """The disputes that are not decided, the earliest deadline first."""
        ...

    async def payment(self, acting: Acting, transaction_id: str) -> views.Payment:
        """One payment with its history."""
        ...


class GrpcPayments:
    """The port Payments over gRPC."""

    def __init__(
        self,
        admin: "admin_pb2_grpc.AdminServiceAsyncStub",
        inspection: "inspection_pb2_grpc.InspectionServiceAsyncStub",
    ) -> None:
        self._admin = admin
        self._inspection = inspection

    async def operator(self, acting: Acting) -> views.Operator:
        """See Payments.operator."""
        async with refusals_as_errors("payments"):
            found = await self._inspection.GetOperator(
                inspection_pb2.GetOperatorRequest(),
                metadata=_metadata(acting),
                timeout=CALL_SECONDS,
            )
        return views.Operator(
            name=found.name,
            credential_id=found.credential_id,
            roles=tuple(found.roles),
            scopes=tuple(found.scopes),
            expires_at=_time(found.expires_at) if found.HasField("expires_at") else None,
            address=found.address,
        )

    async def overdue(self, acting: Acting) -> views.Page[views.Late]:
        """See Payments.overdue."""
        request = admin_pb2.ListOverduePaymentsRequest(page_size=PAGE_SIZE)
        return await self._late(acting, request)

    async def waiting(self, acting: Acting, waiting_for: Sequence[str]) -> views.Page[views.Late]:
        """See Payments.waiting."""
        request = admin_pb2.ListOverduePaymentsRequest(
            page_size=PAGE_SIZE, waiting=True, waiting_for=waiting_for
        )
        return await self._late(acting, request)

    async def _late(
        self, acting: Acting, request: admin_pb2.ListOverduePaymentsRequest
    ) -> views.Page[views.Late]:
        async with refusals_as_errors("payments"):
            found = await self._admin.ListOverduePayments(
                request, metadata=_metadata(acting), timeout=CALL_SECONDS
            )
        return views.Page(
            items=tuple(map(_late, found.payments)),
            is_whole=not found.next_page_token,
            unreadable=tuple(found.unreadable_transaction_ids),
        )

    async def dead_letters(self, acting: Acting, kind: str) -> views.Page[views.DeadLetter]:
        """See Payments.dead_letters."""
        asked = admin_pb2.DeadLetter.Kind.Value(kind)
        async with refusals_as_errors("payments"):
            found = await self._admin.ListDeadLetters(
                admin_pb2.ListDeadLettersRequest(page_size=PAGE_SIZE, kind=asked),
                metadata=_metadata(acting),
                timeout=CALL_SECONDS,
            )
        items = tuple(map(_letter, found.dead_letters))
        return views.Page(items=items, is_whole=not found.next_page_token)

    async def disputes(self, acting: Acting) -> views.Page[views.Dispute]:
        """See Payments.disputes."""
        async with refusals_as_errors("payments"):
            found = await self._admin.ListDisputes(
                admin_pb2.ListDisputesRequest(page_size=PAGE_SIZE),
                metadata=_metadata(acting),
                timeout=CALL_SECONDS,
            )
        return views.Page(
            items=tuple(map(_dispute, found.open_disputes)),
            is_whole=not found.next_page_token,
            unreadable=tuple(found.unreadable_dispute_ids),
        )

    async def payment(self, acting: Acting, transaction_id: str) -> views.Payment:
        """See Payments.payment."""
        async with refusals_as_errors("payments"):
            found = await self._inspection.InspectPayment(
                inspection_pb2.InspectPaymentRequest(transaction_id=transaction_id),
                metadata=_metadata(acting),
                timeout=CALL_SECONDS,
            )
        return _payment(found)


@asynccontextmanager
async def opened_payments(target: str, identity: Identity | None) -> AsyncIterator[GrpcPayments]:
    """payments at host:port; in the clear without an identity."""
    name = "caravel.payments.v1.AdminService"
    # Each of these calls only reads.
    async with open_channel(target, name, identity, retry_unavailable=True) as channel:
        yield GrpcPayments(
            admin_pb2_grpc.AdminServiceStub(channel),
            inspection_pb2_grpc.InspectionServiceStub(channel),
        )


def _metadata(acting: Acting) -> Sequence[tuple[str, str]]:
    return (
        *call_metadata(),
        ("authorization", f"Bearer {acting.credential}"),
        ("x-client-address", acting.address),
    )


def _late(late: admin_pb2.OverduePayment) -> views.Late:
    return views.Late(
        transaction_id=late.transaction_id,
        merchant_id=late.merchant_id,
        corridor_id=late.corridor_id,
        state=late.state,
        provider=late.provider,
        since=_time(late.since),
        deadline_at=_time(late.deadline_at) if late.HasField("deadline_at") else None,
        at_deadline=late.at_deadline,
        waiting_for=late.waiting_for,
        last_message=late.last_message,
        amount=_dollars(late.amount_usd),
        hold_reason=late.hold_reason,
    )


def _letter(letter: admin_pb2.DeadLetter) -> views.DeadLetter:
    return views.DeadLetter(
        dead_letter_id=letter.dead_letter_id,
        kind=admin_pb2.DeadLetter.Kind.Name(letter.kind),
        transaction_id=letter.transaction_id,
        merchant_id=letter.merchant_id,
        reason=letter.reason,
        attempts=letter.attempts,
        last_error=letter.last_error,
        event=letter.event,
        since=_time(letter.set_aside_at),
    )


def _dispute(one: admin_pb2.OpenDispute) -> views.Dispute:
    dispute = one.dispute
    return views.Dispute(
        dispute_id=dispute.dispute_id,
        transaction_id=dispute.transaction_id,
        merchant_id=one.merchant_id,
        amount=_dollars(dispute.amount_usd),
        reason=dispute.reason,
        since=_time(dispute.created_at),
        deadline_at=_time(dispute.respond_by) if dispute.HasField("respond_by") else None,
    )


def _payment(found: inspection_pb2.InspectedPayment) -> views.Payment:
    payment = found.payment
    return views.Payment(
        transaction_id=payment.transaction_id,
        merchant_id=found.merchant_id,
        status=payments_pb2.Payment.Status.Name(payment.status),
        hold_reason=payment.hold.reason,
        failure=payment.failure.message,
        amount=_dollars(payment.amount_usd),
        fee=_dollars(payment.fee_usd),
        payout=f"{payment.payout_amount} {payment.destination_currency}",
        rate=payment.fx_rate,
        corridor_id=payment.corridor_id,
        onramp=payment.onramp,
        offramp=payment.offramp,
        reference=payment.reference,
        created_at=_time(payment.created_at),
        updated_at=_time(payment.updated_at),
        deadline_at=_time(payment.deadline_at) if payment.HasField("deadline_at") else None,
        events=tuple(
            views.Event(
                sequence=event.sequence,
                from_state=event.from_state,
                to_state=event.to_state,
                actor=event.actor,
                cause=event.cause,
                evidence=tuple(sorted(event.evidence.items())),
                occurred_at=_time(event.occurred_at),
            )
            for event in found.events
        ),
        unreadable_sequences=tuple(found.unreadable_sequences),
    )


def _dollars(amount: str) -> str:
    return f"{amount} {SOURCE_CURRENCY}"


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)
