"""The operators' verbs: look at what is set aside, have it tried again or give it up, end a hold,
and state how an attempt ended. Each is one transaction with its entry in the log of actions."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Change
from services.payments.engine.overdue import OverduePayment, UnreadableOverdue
from services.payments.mesh.ports import Providers
from services.payments.model.attempt import Answer
from services.payments.model.causes import Cause
from services.payments.model.dispute import OpenDispute
from services.payments.model.holds import HoldReason
from services.payments.model.operator import Operator, OperatorAction, UnreadableAction
from services.payments.model.payment import Payment, PaymentBusy, read_transaction_id
from services.payments.model.progress import expected_times
from services.payments.operators.decisions import (
    end_hold,
    honour_locked_rate,
    open_attempt,
    resolve,
    take_over,
)
from services.payments.operators.domain import (
    Action,
    AttemptNotOpen,
    DeadLetter,
    DeadLetterNotFound,
    Kind,
    LetterKey,
    read_dead_letter_id,
)
from services.payments.operators.ports import LetterFilter, Operations, OperatorTransaction
from services.shared.errors import Unavailable
from services.shared.rollback import repeated

Late = OverduePayment | UnreadableOverdue


class Operating:
    """The verbs of operators."""

    def __init__(
        self, operations: Operations, providers: Providers, spread: Callable[[], float]
    ) -> None:
        self._operations = operations
        self._providers = providers
        self._spread = spread

    async def dead_letters(
        self, merchant_id: str, wanted: LetterFilter, *, limit: int
    ) -> tuple[Sequence[DeadLetter], DeadLetter | None]:
        """A page, the last set aside first, and where to go on after it; None at the end."""
        page = await self._operations.dead_letters(merchant_id, wanted, limit=limit + 1)
        return page[:limit], page[limit - 1] if len(page) > limit else None

    async def overdue(
        self, merchant_id: str, *, waiting: bool, after: tuple[datetime, UUID] | None, limit: int
    ) -> tuple[Sequence[Late], Late | None]:
        """A page of the payments without progress, the longest first, and the last of them, after
        which the next page begins; None at the end. With all that wait for a person, where
        `waiting` asks for them."""
        try:
            capabilities = await self._providers.capabilities()
        except Unavailable:
            # The list is wanted most when something is away: the usual times have to do.
            capabilities = {}
        page = await self._operations.overdue(
            merchant_id,
            expected_times(capabilities),
            waiting=waiting,
            after=after,
            limit=limit + 1,
        )
        return page[:limit], page[limit - 1] if len(page) > limit else None

    async def disputes(
        self, merchant_id: str, *, after: tuple[datetime, UUID] | None, limit: int
    ) -> tuple[Sequence[OpenDispute], OpenDispute | None]:
        """A page of the disputes that are not decided, the earliest deadline first, and the last of
        them, after which the next page begins; None at the end."""
        page = await self._operations.disputes(merchant_id, after=after, limit=limit + 1)
        return page[:limit], page[limit - 1] if len(page) > limit else None

    async def actions(
        self, merchant_id: str, *, before: UUID | None, limit: int
    ) -> tuple[Sequence[OperatorAction | UnreadableAction], UUID | None]:
        """A page of the log, the last action first, and the id to go on before; None at the end."""
        page = await self._operations.actions(merchant_id, before=before, limit=limit + 1)
        return page[:limit], page[limit - 1].id if len(page) > limit else None

    @repeated
    async def requeue(
        self, merchant_id: str, dead_letter_id: str, operator: Operator
    ) -> OperatorAction:
        """Has a dead letter tried again. Raises DeadLetterNotFound, PaymentBusy, …Unreadable."""
        key = read_dead_letter_id(dead_letter_id)
        async with self._operations.begin() as transaction:
            if key.kind is Kind.STEP:
                await self._move_step(transaction, merchant_id, key, operator, discard=False)
            elif not await transaction.requeue(merchant_id, key):
                raise DeadLetterNotFound(dead_letter_id=dead_letter_id)
            return await _log(
                transaction, merchant_id, operator, Action.REQUEUE_DEAD_LETTER, dead_letter_id
            )

    @repeated
    async def discard(
        self, merchant_id: str, dead_letter_id: str, operator: Operator
    ) -> OperatorAction:
        """Takes a dead letter off the list; a step stays on hold for the operator.

        Raises DeadLetterNotFound, PaymentBusy, PaymentUnreadable.
        """
        key = read_dead_letter_id(dead_letter_id)
        async with self._operations.begin() as transaction:
            if key.kind is Kind.STEP:
                await self._move_step(transaction, merchant_id, key, operator, discard=True)
            elif not await transaction.discard(merchant_id, key):
                raise DeadLetterNotFound(dead_letter_id=dead_letter_id)
            return await _log(
                transaction, merchant_id, operator, Action.DISCARD_DEAD_LETTER, dead_letter_id
            )

    @repeated
    async def release(
        self, merchant_id: str, transaction_id: str, operator: Operator, *, at_locked_rate: bool
    ) -> Payment:
        """Ends a hold; of late funds, with the exchange at the locked rate where that is asked for.

        Raises PaymentNotFound, PaymentNotOnHold, NoLockedRate, PaymentBusy, PaymentUnreadable.
        """
        end = honour_locked_rate if at_locked_rate else end_hold
        payment_id = read_transaction_id(transaction_id)
        async with self._operations.begin() as transaction:
            work = await transaction.claim_one(merchant_id, payment_id)
            payment = await _write(transaction, end(work, operator))
            await _log(transaction, merchant_id, operator, Action.RELEASE_HOLD, transaction_id)
        return payment

    @repeated
    async def resolve(
        self,
        merchant_id: str,
        transaction_id: str,
        operator: Operator,
        answer: Answer,
        *,
        evidence: str,
    ) -> Payment:
        """States how the open attempt of a payment on hold ended.

        Raises PaymentNotFound, PaymentNotOnHold, AttemptNotOpen, PaymentBusy, PaymentUnreadable.
        """
        payment_id = read_transaction_id(transaction_id)
        capabilities = await self._providers.capabilities()
        decider = Decider(capabilities, self._spread)
        async with self._operations.begin() as transaction:
            work = await transaction.claim_one(merchant_id, payment_id)
            if open_attempt(work).provider not in capabilities:
                raise AttemptNotOpen(
                    "The attempt's provider is not in this deployment, so what follows from its "
                    "outcome cannot be decided.",
                    transaction_id=transaction_id,
                )
            change = resolve(work, decider, operator, answer, evidence=evidence)
            payment = await _write(transaction, change)
            await _log(transaction, merchant_id, operator, Action.RESOLVE_ATTEMPT, transaction_id)
        return payment

    async def _move_step(
        self,
        transaction: OperatorTransaction,
        merchant_id: str,
        key: LetterKey,
        operator: Operator,
        *,
        discard: bool,
    ) -> None:
        missing = DeadLetterNotFound(dead_letter_id=key.dead_letter_id)
        try:
            payment_id = UUID(key.words)
        except ValueError:
            raise missing from None
        if not await transaction.is_set_aside(merchant_id, payment_id):
            raise missing
        work = await transaction.claim_one(merchant_id, payment_id)
        if work.payment.hold_reason != HoldReason.STEP_FAILED:
            raise missing
        change = (
            take_over(work, operator) if discard else end_hold(work, operator, Cause.STEP_REQUEUED)
        )
        await _write(transaction, change)


async def _write(transaction: OperatorTransaction, change: Change) -> Payment:
    """The payment as it stands once the change is written."""
    if not await transaction.write([change]):
        raise PaymentBusy(transaction_id=change.payment.transaction_id)
    payment, _ = await transaction.lock(change.payment.merchant_id, change.payment.id)
    return payment


async def _log(
    transaction: OperatorTransaction,
    merchant_id: str,
    operator: Operator,
    action: Action,
    subject: str,
) -> OperatorAction:
    """Writes the action down and makes all of it durable."""
    logged = await transaction.log(merchant_id, operator, action, subject)
    await transaction.commit()
    return logged
