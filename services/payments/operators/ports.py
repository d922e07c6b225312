"""The lists and the transactions of operators."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.payments.base.idempotency import IdempotencyKey, StoredAnswer
from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.overdue import OverduePayment, UnreadableOverdue
from services.payments.merchants.domain import Merchant, MerchantKey, OperatorKey
from services.payments.model.attempt import Attempt
from services.payments.model.dispute import OpenDispute
from services.payments.model.operator import (
    ActionFilter,
    Operator,
    OperatorAction,
    UnreadableAction,
)
from services.payments.model.payment import Payment
from services.payments.model.progress import ExpectedTime
from services.payments.model.scoreboard import Scoreboard
from services.payments.model.timing import Waiting
from services.payments.operators.adjusting import AdjustmentRows
from services.payments.operators.domain import Action, DeadLetter, LetterFilter, LetterKey
from services.payments.operators.endpoints import EndpointHealth
from services.payments.operators.finding import FindingRows
from services.payments.operators.inspected import Inspected
from services.payments.operators.overriding import AgreedOverride, OverrideRows
from services.payments.operators.overview import OverviewStore
from services.payments.operators.pause_ports import PauseRows, PauseStore
from services.payments.operators.proposal import Party, Proposal, ProposalState
from services.payments.operators.replay_ports import ReplayStore
from services.payments.operators.search import SearchStore
from services.payments.operators.verbs.ports import Effect
from services.payments.operators.watching import ChangeStore


class ProposalRows(Protocol):
    """The proposals, within a transaction."""

    async def now(self) -> datetime:
        """The database's time at this moment, and not at the transaction's begin."""
        ...

    async def add(self, proposal: Proposal) -> Proposal:
        """Keeps a new proposal, or gives the one that is open for its verb and target.

        Raises ProposalExists where others come and go at once.
        """
        ...

    async def lock(self, proposal_id: UUID) -> Proposal:
        """The proposal, which nobody else decides before this transaction's end.

        Raises ProposalNotFound.
        """
        ...

    async def decide(
        self,
        proposal: Proposal,
        state: ProposalState,
        by: Party | None,
        *,
        note: str = "",
        failure: str = "",
    ) -> Proposal:
        """Brings a proposal that is locked and open to its last state."""
        ...

    async def is_revoked(self, party: Party) -> bool:
        """Whether the party's key, or one that has replaced it, was revoked."""
        ...

    async def makers_of(self, party: Party) -> Sequence[Party]:
        """The people who made or rolled the party's key, one that it replaced, or a maker's key."""
        ...

    async def refuse_ended(self, party: Party) -> None:
        """Raises ApiKeyRevoked or ApiKeyExpired where the party's key has ended since its call was
        admitted."""
        ...

    async def expire(self) -> Sequence[Proposal]:
        """Brings some that are past their time to their end, each with an entry in the log."""
        ...


class OperatorTransaction(Protocol):
    """One transaction of an operator; leaving it without commit() undoes it."""

    @property
    def proposals(self) -> ProposalRows:
        """Proposals, read and written in this transaction."""
        ...

    @property
    def overrides(self) -> OverrideRows:
        """Overrides of rates, read and written in this transaction."""
        ...

    @property
    def pauses(self) -> PauseRows:
        """Pauses, read and written in this transaction."""
        ...

    @property
    def adjustments(self) -> AdjustmentRows:
        """Adjustments, read and written in this transaction."""
        ...

    @property
    def finding(self) -> FindingRows:
        """The finding that the database is older, read and ended in this transaction."""
        ...

    async def is_set_aside(self, payment_id: UUID) -> bool:
        """Whether a payment's step is set aside, also where its row cannot be read."""
        ...

    async def owner(self, payment_id: UUID) -> str:
        """The merchant of a payment. Raises PaymentNotFound."""
        ...

    async def claim_one(self, merchant_id: str, payment_id: UUID) -> Work:
        """See WorkTransaction.claim_one."""
        ...

    async def write(self, changes: Sequence[Change]) -> Collection[UUID]:
        """See WorkTransaction.write."""
        ...

    async def lock(self, merchant_id: str, payment_id: UUID) -> tuple[Payment, bool]:
        """See WorkTransaction.lock."""
        ...

    async def known_as(self, attempt: Attempt, reference: str) -> str:
        """The key of another attempt of the same step, the last such, whose operation has this id
        at its provider; empty where there is none. Another transaction that asks about the same id
        waits until this one has ended."""
        ...

    async def corrections(self, merchant_id: str, payment_id: UUID) -> int:
        """See WorkTransaction.corrections."""
        ...

    async def answer(self, key: IdempotencyKey) -> StoredAnswer | None:
        """See WorkTransaction.answer."""
        ...

    async def keep_answer(
        self, key: IdempotencyKey, answer: StoredAnswer, payment_id: UUID, *, operation: str
    ) -> StoredAnswer:
        """See WorkTransaction.keep_answer."""
        ...

    async def effect(self, before: Payment) -> Effect:
        """All that this transaction has done to a payment since it stood like that."""
        ...

    async def requeue(self, key: LetterKey) -> bool:
        """Has anything but a step tried again; False where it is not set aside.

        Raises PaymentUnreadable where a row that could not be read still cannot,
        DeadLetterUnmatched where the payment or the attempt of an orphan is not here.
        """
        ...

    async def discard(self, key: LetterKey) -> bool:
        """Gives up anything but a step; False where it is not set aside."""
        ...

    async def log(
        self,
        operator: Operator,
        action: Action,
        subject: str,
        *,
        merchant_id: str = "",
        provider_answer: str = "",
    ) -> OperatorAction:
        """Writes down what the operator does in this transaction."""
        ...

    async def commit(self) -> None:
        """Makes it durable, and wakes the workers."""
        ...


class Operations(Protocol):
    """The lists of operators, of one merchant or of all, and their transactions."""

    def begin(self) -> AbstractAsyncContextManager[OperatorTransaction]:
        """A new transaction."""
        ...

    async def dead_letters(self, wanted: LetterFilter, *, limit: int) -> Sequence[DeadLetter]:
        """Up to limit dead letters, the last set aside first."""
        ...

    async def overdue(
        self,
        expected: Sequence[ExpectedTime],
        *,
        merchant_id: str | None,
        waiting: bool,
        waiting_for: Collection[Waiting] = (),
        after: tuple[datetime, UUID] | None,
        limit: int,
    ) -> Sequence[OverduePayment | UnreadableOverdue]:
        """Up to limit payments that make no progress, those that have stood still longest first;
        one whose record cannot be read is named in its place. With all that wait for a person,
        also before their deadline, where `waiting` asks for them; only with those that wait for
        one of these, where any is named."""
        ...

    async def disputes(
        self, *, merchant_id: str | None, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[OpenDispute]:
        """Up to limit disputes that are not decided, the earliest deadline first."""
        ...

    async def actions(
        self, wanted: ActionFilter, *, before: UUID | None, limit: int
    ) -> Sequence[OperatorAction | UnreadableAction]:
        """Up to limit actions, the last first, those older than `before`; one whose record cannot
        be read is named in its place."""
        ...

    async def note_refusal(
        self, operator: Operator, action: str, subject: str, refusal: str, provider_answer: str = ""
    ) -> bool:
        """Writes an attempt down that was refused; False where the hour's most are there already,
        for its credential."""
        ...


class OperatorKeyStore(Protocol):
    """The operators' keys; each change is one transaction with its entry in the log of actions."""

    async def now(self) -> datetime:
        """The database's time."""
        ...

    async def add(self, key: OperatorKey, by: Operator) -> OperatorKey:
        """Keeps a new key. Raises KeysExhausted."""
        ...

    async def page(self, *, before: UUID | None, limit: int) -> Sequence[OperatorKey]:
        """Up to limit keys, the newest first, those older than `before`."""
        ...

    async def get(self, key_id: UUID) -> OperatorKey:
        """One key. Raises OperatorKeyNotFound."""
        ...

    async def roll(
        self, key_id: UUID, new: OperatorKey, by: Operator, *, overlap_hours: int
    ) -> OperatorKey:
        """Keeps the new key, and ends the old one after so many hours, at 0 at once.

        Raises OperatorKeyNotFound, KeyNotActive, KeysExhausted.
        """
        ...

    async def revoke(self, key_id: UUID, by: Operator) -> OperatorKey:
        """The key, revoked now or before. Raises OperatorKeyNotFound."""
        ...


class MerchantStore(Protocol):
    """The merchants and their keys; each change is one transaction with its entry in the log of
    actions."""

    async def now(self) -> datetime:
        """The database's time."""
        ...

    async def add(
        self, name: str, by: Operator, idempotency_key: str | None
    ) -> tuple[Merchant, bool]:
        """Keeps a new merchant, or gives that which the operator has made under the same key, and
        whether it is that. Raises IdempotencyKeyReused, MerchantsExhausted."""
        ...

    async def get(self, merchant_id: str) -> Merchant:
        """One merchant. Raises MerchantNotFound."""
        ...

    async def page(self, *, before: str | None, limit: int) -> Sequence[Merchant]:
        """Up to limit merchants, the newest first, those older than `before`."""
        ...

    async def disable(self, merchant_id: str, by: Operator) -> Merchant:
        """The merchant, disabled now or before. Raises MerchantNotFound."""
        ...

    async def enable(self, merchant_id: str, by: Operator) -> Merchant:
        """The merchant, enabled now or before. Raises MerchantNotFound."""
        ...

    async def keys(
        self, merchant_id: str, *, before: UUID | None, limit: int
    ) -> tuple[datetime, Sequence[MerchantKey]]:
        """The database's time, and up to limit keys of a merchant, the newest first, those older
        than `before`. Raises MerchantNotFound."""
        ...

    async def add_key(self, key: MerchantKey, by: Operator) -> MerchantKey:
        """Keeps a merchant's first key. Raises MerchantNotFound, MerchantHasKey, KeysExhausted."""
        ...

    async def revoke_key(self, merchant_id: str, key_id: UUID, by: Operator) -> MerchantKey:
        """The key, revoked now or before. Raises MerchantNotFound, KeyNotFound."""
        ...

    async def revoke_keys(self, merchant_id: str, by: Operator) -> Sequence[UUID]:
        """Revokes all keys that are active; gives their ids. Raises MerchantNotFound."""
        ...


class PositionBook(Protocol):
    """The exchange positions as the book has them."""

    async def positions(self) -> Mapping[str, int]:
        """Credits less debits of each currency's position account, in minor units. Raises
        Unavailable."""
        ...


class Measures(Protocol):
    """The scoreboards of corridors."""

    async def all(self) -> Sequence[Scoreboard]:
        """Every corridor by the payments of all merchants. Raises Unavailable."""
        ...


class ProposalStore(Protocol):
    """Proposals outside of a verb's transaction: read one by one or by pages, and expired."""

    async def get(self, proposal_id: UUID) -> Proposal:
        """One proposal. Raises ProposalNotFound."""
        ...

    async def page(
        self, *, state: ProposalState | None, before: UUID | None, limit: int
    ) -> Sequence[Proposal]:
        """Up to limit proposals, the newest first, those older than `before`."""
        ...

    async def expire(self) -> int:
        """Brings some that are past their time to their end; how many."""
        ...


class OverrideSource(Protocol):
    """The overrides that have not ended, as the database has them."""

    async def open(self) -> tuple[datetime, Sequence[AgreedOverride]]:
        """The database's time, and those that are in force or will be."""
        ...


class OverrideStore(OverrideSource, Protocol):
    """The overrides of rates."""

    async def now(self) -> datetime:
        """The database's time."""
        ...

    async def page(self, *, before: UUID | None, limit: int) -> Sequence[AgreedOverride]:
        """Up to limit overrides, the newest first, those older than `before`."""
        ...

    async def end(self, override_id: UUID, by: Operator) -> AgreedOverride:
        """The override, ended now or before. Raises OverrideNotFound."""
        ...


@dataclass(frozen=True, kw_only=True)
class OperatorStores:
    """All that operators' calls need of the database."""

    operations: Operations
    keys: OperatorKeyStore
    merchants: MerchantStore
    inspected: Inspected
    search: SearchStore
    changes: ChangeStore
    overview: OverviewStore
    endpoints: EndpointHealth
    replays: ReplayStore
    positions: PositionBook
    proposals: ProposalStore
    overrides: OverrideStore
    pauses: PauseStore
