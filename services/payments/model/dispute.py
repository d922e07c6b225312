"""A dispute: a claim against a payment's collection that its onramp reports, with the money that
the onramp has taken for it. The engine stops a payout for it (engine.decisions.chargebacks)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from services.payments.model.payment import NOTHING_USD, Payment
from services.shared.errors import NotAllowedNow
from services.shared.ids import Prefix, encode_id, new_id
from services.shared.money import Money


class PaymentDisputed(NotAllowedNow):
    """The payer's bank claims the money back or has it; a refund would give it back twice."""

    reason = "PAYMENT_DISPUTED"


class DisputeKind(StrEnum):
    """The kinds of claim; the names of the public API."""

    # The payer, or the payer's bank, wants the money back.
    DISPUTE = "DISPUTE"
    # The card's scheme says that the charge is probably fraud.
    FRAUD_WARNING = "FRAUD_WARNING"
    # The onramp has a person look at the charge.
    REVIEW = "REVIEW"


class DisputeStatus(StrEnum):
    """The progress of a claim; the names of the public API."""

    NEEDS_RESPONSE = "NEEDS_RESPONSE"
    UNDER_REVIEW = "UNDER_REVIEW"
    WON = "WON"
    LOST = "LOST"
    # Over, without a decision about money.
    CLOSED = "CLOSED"


# Sorts the disputes without a deadline behind all others.
NO_DEADLINE = datetime(9999, 1, 1, tzinfo=UTC)
OPEN = frozenset({DisputeStatus.NEEDS_RESPONSE, DisputeStatus.UNDER_REVIEW})
_RANK = {DisputeStatus.NEEDS_RESPONSE: 0, DisputeStatus.UNDER_REVIEW: 1}


@dataclass(frozen=True, kw_only=True)
class DisputeReport:
    """A claim as its provider states it, in an event or in its answer to a question."""

    kind: DisputeKind
    provider_reference: str
    status: DisputeStatus
    reason: str
    # None where it does not say.
    amount: Money | None
    withdrawn: Money | None
    respond_by: datetime | None


@dataclass(frozen=True, kw_only=True)
class Dispute:
    """One claim against a payment's collection."""

    merchant_id: str
    payment_id: UUID
    # From 1, in the order in which they became known.
    number: int
    id: UUID
    provider: str
    provider_reference: str
    kind: DisputeKind
    status: DisputeStatus
    # The provider's word.
    reason: str
    # How much is claimed; None where nobody has said.
    amount: Money | None
    # How much of it the provider has taken from us by now.
    withdrawn: Money
    respond_by: datetime | None
    # When the provider stated this, by its own clock.
    stated_at: datetime
    # By the database's clock once it is written.
    created_at: datetime
    updated_at: datetime
    # False once a person has let the payment go on in spite of it.
    stops: bool = True

    @property
    def dispute_id(self) -> str:
        """The public id, for example dsp_01jd8x3v9me7rb5k3n6q2f4h8z."""
        return encode_id(Prefix.DISPUTE, self.id)

    @property
    def is_open(self) -> bool:
        """Whether it is not decided."""
        return self.status in OPEN

    @property
    def claims_money(self) -> bool:
        """Whether the payer's bank claims the money, or has it for good."""
        return self.kind is DisputeKind.DISPUTE and (
            self.is_open or self.status is DisputeStatus.LOST
        )

    def as_found(self, report: DisputeReport, stated_at: datetime) -> "Dispute":
        """The claim as its provider has answered that it stands, whatever events said before."""
        found = replace(
            self,
            status=report.status,
            reason=report.reason or self.reason,
            amount=report.amount or self.amount,
            withdrawn=report.withdrawn or self.withdrawn,
            respond_by=report.respond_by or self.respond_by,
        )
        changed = found != self
        return replace(found, stated_at=max(self.stated_at, stated_at)) if changed else self

    def after(self, report: DisputeReport, stated_at: datetime) -> "Dispute":
        """The claim after an event, which may be older than the last one."""
        withdrawn = report.withdrawn if report.withdrawn is not None else self.withdrawn
        if _order(stated_at, report.status, withdrawn) < _order(
            self.stated_at, self.status, self.withdrawn
        ):
            return self
        return replace(
            self,
            status=report.status,
            reason=report.reason or self.reason,
            amount=report.amount or self.amount,
            withdrawn=withdrawn,
            respond_by=report.respond_by or self.respond_by,
            stated_at=stated_at,
        )


@dataclass(frozen=True, kw_only=True)
class OpenDispute:
    """A dispute of the list of those that are not decided."""

    merchant_id: str
    id: UUID
    # Its deadline, or NO_DEADLINE.
    due: datetime
    # None where its record cannot be read.
    dispute: Dispute | None

    @property
    def dispute_id(self) -> str:
        """The public id, for example dsp_01jd8x3v9me7rb5k3n6q2f4h8z."""
        return encode_id(Prefix.DISPUTE, self.id)


def _order(
    stated_at: datetime, status: DisputeStatus, withdrawn: Money
) -> tuple[datetime, int, int]:
    """Sorts statements by their age; of one second, money that is taken comes before a decision,
    and money that is given back after it."""
    taken = withdrawn.amount_minor
    return stated_at, _RANK.get(status, 2), -taken if status is DisputeStatus.WON else taken


def new_dispute(
    payment: Payment, provider: str, report: DisputeReport, stated_at: datetime
) -> Dispute:
    """The payment's next claim, from the first event about it."""
    return Dispute(
        merchant_id=payment.merchant_id,
        payment_id=payment.id,
        number=len(payment.disputes) + 1,
        id=new_id(),
        provider=provider,
        provider_reference=report.provider_reference,
        kind=report.kind,
        status=report.status,
        reason=report.reason,
        amount=report.amount,
        withdrawn=report.withdrawn or NOTHING_USD,
        respond_by=report.respond_by,
        stated_at=stated_at,
        created_at=payment.updated_at,
        updated_at=payment.updated_at,
    )


def dispute_of(payment: Payment, provider: str, reference: str) -> Dispute | None:
    """The claim that the provider knows under this id; None where the payment has none."""
    named = ((d, (d.provider, d.provider_reference)) for d in payment.disputes)
    return next((dispute for dispute, name in named if name == (provider, reference)), None)


def with_dispute(payment: Payment, dispute: Dispute) -> Payment:
    """The payment with a claim that is new, or in place of the one of its number."""
    others = (other for other in payment.disputes if other.number != dispute.number)
    return replace(payment, disputes=tuple(sorted((*others, dispute), key=lambda one: one.number)))


def changed_disputes(before: Payment, after: Payment) -> Sequence[tuple[Dispute | None, Dispute]]:
    """The claims that are new or have changed, each with what it was."""
    known = {dispute.number: dispute for dispute in before.disputes}
    pairs = ((known.get(dispute.number), dispute) for dispute in after.disputes)
    return [(was, dispute) for was, dispute in pairs if was != dispute]


def money_claimed(payment: Payment) -> Dispute | None:
    """The claim that forbids a refund; None where none does."""
    return next((dispute for dispute in payment.disputes if dispute.claims_money), None)


def stopping(payment: Payment) -> Dispute | None:
    """The claim for which nothing is paid out; None where none is, or a person has decided."""
    return next((d for d in payment.disputes if d.stops and (d.is_open or d.claims_money)), None)
