"""The operators' lists, and their verbs on dead letters: have it tried again, or give it up. Each
verb is one transaction with its entry in the log of actions; one that is refused has an entry too.
The verbs on payments are in acting."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.payments.base.paging import cut
from services.payments.engine.overdue import OverduePayment, UnreadableOverdue
from services.payments.mesh.ports import Providers
from services.payments.model.causes import Cause
from services.payments.model.dispute import OpenDispute
from services.payments.model.holds import HoldReason
from services.payments.model.operator import (
    ActionFilter,
    Operator,
    OperatorAction,
    UnreadableAction,
)
from services.payments.model.payment import PaymentBusy
from services.payments.model.progress import expected_times
from services.payments.model.timing import Waiting
from services.payments.operators.decisions import end_hold, take_over
from services.payments.operators.domain import (
    Action,
    DeadLetter,
    DeadLetterNotFound,
    Kind,
    LetterFilter,
    LetterKey,
    read_dead_letter_id,
)
from services.payments.operators.policy import USUAL, ApprovalRequired, Policy
from services.payments.operators.ports import Operations, OperatorTransaction
from services.payments.operators.trail import Trail
from services.payments.operators.verbs.table import demanding
from services.shared.errors import Conflict, NotAllowedNow, NotFound, Unavailable
from services.shared.rollback import repeated

# Each takes a transaction, and a call shall not outlast its caller.
REQUEUED_MAX = 100
Late = OverduePayment | UnreadableOverdue


@dataclass(frozen=True, kw_only=True)
class Requeued:
    """The dead letters that were requeued, and the reason of each that could not be."""

    done: Sequence[str]
    refused: Mapping[str, str]


class Operating:
    """The verbs of operators."""

    def __init__(
        self,
        operations: Operations,
        providers: Providers,
        policy: Policy = USUAL,
    ) -> None:
        self._operations = operations
        self._providers = providers
        self._policy = policy
        self._trail = Trail(operations)

    async def dead_letters(
        self, wanted: LetterFilter, *, limit: int
    ) -> tuple[Sequence[DeadLetter], DeadLetter | None]:
        """A page, the last set aside first, and where to go on after it; None at the end."""
        return cut(await self._operations.dead_letters(wanted, limit=limit + 1), limit)

    async def overdue(
        self,
        *,
        merchant_id: str | None,
        waiting: bool,
        waiting_for: Collection[Waiting] = (),
        after: tuple[datetime, UUID] | None,
        limit: int,
    ) -> tuple[Sequence[Late], Late | None]:
        """A page of the payments without progress, the longest first, and the last of them, after
        which the next page begins; None at the end. With all that wait for a person, where
        `waiting` asks for them; only with those that wait for one of these, where any is named."""
        try:
            capabilities = await self._providers.capabilities()
        except Unavailable:
            # The list is wanted most when something is away: the usual times have to do.
            capabilities = {}
        found = await self._operations.overdue(
            expected_times(capabilities),
            merchant_id=merchant_id,
            waiting=waiting,
            waiting_for=waiting_for,
            after=after,
            limit=limit + 1,
        )
        return cut(found, limit)

    async def disputes(
        self, *, merchant_id: str | None, after: tuple[datetime, UUID] | None, limit: int
    ) -> tuple[Sequence[OpenDispute], OpenDispute | None]:
        """A page of the disputes that are not decided, the earliest deadline first, and the last of
        them, after which the next page begins; None at the end."""
        found = await self._operations.disputes(
            merchant_id=merchant_id, after=after, limit=limit + 1
        )
        return cut(found, limit)

    async def actions(
        self, wanted: ActionFilter, *, before: UUID | None, limit: int
    ) -> tuple[Sequence[OperatorAction | UnreadableAction], UUID | None]:
        """A page of the log, the last action first, and the id to go on before; None at the end."""
        found = await self._operations.actions(wanted, before=before, limit=limit + 1)
        page, last = cut(found, limit)
        return page, last.id if last else None

    async def requeue(self, dead_letter_id: str, operator: Operator) -> OperatorAction:
        """Has a dead letter tried again. Raises DeadLetterNotFound, DeadLetterUnmatched,
        ApprovalRequired, PaymentBusy, PaymentUnreadable."""
        action = Action.REQUEUE_DEAD_LETTER
        async with self._trail.attempt(operator, action, dead_letter_id):
            return await self._move_letter(dead_letter_id, operator, action)

    async def requeue_all(
        self, wanted: LetterFilter, operator: Operator
    ) -> tuple[Requeued, DeadLetter | None]:
        """Has the next dead letters of a filter tried again, each for itself, and where to go on
        after them; None at the end."""
        page, last = await self.dead_letters(wanted, limit=REQUEUED_MAX)
        done, refused = [], {}
        for letter in page:
            letter_id = letter.key.dead_letter_id
            try:
                await self.requeue(letter_id, operator)
            except (Conflict, NotAllowedNow, NotFound) as refusal:
                refused[letter_id] = refusal.error_reason
            else:
                done.append(letter_id)
        return Requeued(done=done, refused=refused), last

    async def discard(self, dead_letter_id: str, operator: Operator) -> OperatorAction:
        """Takes a dead letter off the list; a step stays on hold for the operator.

        Raises DeadLetterNotFound, PaymentBusy, PaymentUnreadable.
        """
        action = Action.DISCARD_DEAD_LETTER
        async with self._trail.attempt(operator, action, dead_letter_id):
            return await self._move_letter(dead_letter_id, operator, action)

    @repeated
    async def _move_letter(
        self, dead_letter_id: str, operator: Operator, action: Action
    ) -> OperatorAction:
        """Requeues or discards, as the action says."""
        key = read_dead_letter_id(dead_letter_id)
        is_requeued = action is Action.REQUEUE_DEAD_LETTER
        async with self._operations.begin() as transaction:
            owner = ""
            if key.kind is Kind.STEP:
                owner = await self._move_step(transaction, key, operator, discard=not is_requeued)
            elif not await (transaction.requeue(key) if is_requeued else transaction.discard(key)):
                raise DeadLetterNotFound(dead_letter_id=dead_letter_id)
            logged = await transaction.log(operator, action, dead_letter_id, merchant_id=owner)
            await transaction.commit()
        return logged

    async def _move_step(
        self,
        transaction: OperatorTransaction,
        key: LetterKey,
        operator: Operator,
        *,
        discard: bool,
    ) -> str:
        """The merchant of the payment whose step it was."""
        missing = DeadLetterNotFound(dead_letter_id=key.dead_letter_id)
        try:
            payment_id = UUID(key.words)
        except ValueError:
            raise missing from None
        if not await transaction.is_set_aside(payment_id):
            raise missing
        owner = await transaction.owner(payment_id)
        work = await transaction.claim_one(owner, payment_id)
        if work.payment.hold_reason != HoldReason.STEP_FAILED:
            raise missing
        if not discard:
            verbs = demanding(Action.REQUEUE_DEAD_LETTER, work.payment)
            if self._policy.needs_second_person(verbs, work.payment.terms.amount):
                raise ApprovalRequired(verb=Action.RELEASE_HOLD)
        change = (
            take_over(work, operator) if discard else end_hold(work, operator, Cause.STEP_REQUEUED)
        )
        if not await transaction.write([change]):
            raise PaymentBusy(transaction_id=work.payment.transaction_id)
        return owner
