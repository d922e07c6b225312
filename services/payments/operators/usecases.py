"""The operators' verbs: look at what is set aside, have it tried again or give it up, end a hold,
and state how an attempt ended. Each is one transaction with its entry in the log of actions; one
that is refused has an entry too."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.overdue import OverduePayment, UnreadableOverdue
from services.payments.mesh.ports import Providers
from services.payments.model.attempt import Answer, Capabilities, LookUp
from services.payments.model.causes import Cause
from services.payments.model.dispute import OpenDispute
from services.payments.model.holds import HoldReason
from services.payments.model.operator import Operator, OperatorAction, UnreadableAction
from services.payments.model.payment import Payment, PaymentBusy, read_transaction_id
from services.payments.model.progress import expected_times
from services.payments.model.timing import Waiting
from services.payments.operators.asking import Asked, ask
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
from services.payments.operators.trail import Trail
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
        self._trail = Trail(operations)

    async def dead_letters(
        self, wanted: LetterFilter, *, limit: int
    ) -> tuple[Sequence[DeadLetter], DeadLetter | None]:
        """A page, the last set aside first, and where to go on after it; None at the end."""
        page = await self._operations.dead_letters(wanted, limit=limit + 1)
        return page[:limit], page[limit - 1] if len(page) > limit else None

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
        page = await self._operations.overdue(
            expected_times(capabilities),
            merchant_id=merchant_id,
            waiting=waiting,
            waiting_for=waiting_for,
            after=after,
            limit=limit + 1,
        )
        return page[:limit], page[limit - 1] if len(page) > limit else None

    async def disputes(
        self, *, merchant_id: str | None, after: tuple[datetime, UUID] | None, limit: int
    ) -> tuple[Sequence[OpenDispute], OpenDispute | None]:
        """A page of the disputes that are not decided, the earliest deadline first, and the last of
        them, after which the next page begins; None at the end."""
        page = await self._operations.disputes(
            merchant_id=merchant_id, after=after, limit=limit + 1
        )
        return page[:limit], page[limit - 1] if len(page) > limit else None

    async def actions(
        self, *, merchant_id: str | None, before: UUID | None, limit: int
    ) -> tuple[Sequence[OperatorAction | UnreadableAction], UUID | None]:
        """A page of the log, the last action first, and the id to go on before; None at the end."""
        page = await self._operations.actions(
            merchant_id=merchant_id, before=before, limit=limit + 1
        )
        return page[:limit], page[limit - 1].id if len(page) > limit else None

    async def requeue(self, dead_letter_id: str, operator: Operator) -> OperatorAction:
        """Has a dead letter tried again. Raises DeadLetterNotFound, PaymentBusy, …Unreadable."""
        action = Action.REQUEUE_DEAD_LETTER
        async with self._trail.attempt(operator, action, dead_letter_id):
            return await self._move_letter(dead_letter_id, operator, action)

    async def discard(self, dead_letter_id: str, operator: Operator) -> OperatorAction:
        """Takes a dead letter off the list; a step stays on hold for the operator.

        Raises DeadLetterNotFound, PaymentBusy, PaymentUnreadable.
        """
        action = Action.DISCARD_DEAD_LETTER
        async with self._trail.attempt(operator, action, dead_letter_id):
            return await self._move_letter(dead_letter_id, operator, action)

    async def release(
        self, transaction_id: str, operator: Operator, *, at_locked_rate: bool
    ) -> Payment:
        """Ends a hold; of late funds, with the exchange at the locked rate where that is asked for.

        Raises PaymentNotFound, PaymentNotOnHold, NoLockedRate, PaymentBusy, PaymentUnreadable.
        """
        end = honour_locked_rate if at_locked_rate else end_hold
        async with self._trail.attempt(operator, Action.RELEASE_HOLD, transaction_id):
            return await self._release(read_transaction_id(transaction_id), operator, end)

    async def resolve(
        self,
        transaction_id: str,
        operator: Operator,
        answer: Answer,
        *,
        evidence: str,
        provider_unreachable: bool,
    ) -> Payment:
        """States how the open attempt of a payment on hold ended; its provider is asked first.

        Raises PaymentNotFound, PaymentNotOnHold, AttemptNotOpen, ProviderContradicts,
        ProviderNotAsked, PaymentBusy, PaymentUnreadable.
        """
        async with self._trail.attempt(operator, Action.RESOLVE_ATTEMPT, transaction_id):
            payment_id = read_transaction_id(transaction_id)
            capabilities = await self._providers.capabilities()
            asked = await self._ask(payment_id, capabilities)
            asked.check(answer, provider_unreachable=provider_unreachable)
            decider = Decider(capabilities, self._spread)
            return await self._resolve(asked, decider, operator, answer, evidence)

    async def _ask(self, payment_id: UUID, capabilities: Mapping[str, Capabilities]) -> Asked:
        """The provider's answer about the open attempt. Nothing is held meanwhile."""
        work = await self._look_at(payment_id)
        attempt = open_attempt(work)
        if attempt.provider not in capabilities:
            raise AttemptNotOpen(
                "The attempt's provider is not in this deployment, so what follows from its "
                "outcome cannot be decided.",
                transaction_id=work.payment.transaction_id,
            )
        if capabilities[attempt.provider].look_up is LookUp.NONE:
            return Asked(attempt=attempt, answer=None)
        return await ask(self._providers, work.payment, attempt)

    @repeated
    async def _look_at(self, payment_id: UUID) -> Work:
        """The payment as it is now; the transaction is left without a change."""
        async with self._operations.begin() as transaction:
            return await transaction.claim_one(await transaction.owner(payment_id), payment_id)

    @repeated
    async def _resolve(
        self,
        asked: Asked,
        decider: Decider,
        operator: Operator,
        answer: Answer,
        evidence: str,
    ) -> Payment:
        payment_id = asked.attempt.payment_id
        async with self._operations.begin() as transaction:
            work = await transaction.claim_one(await transaction.owner(payment_id), payment_id)
            if open_attempt(work).key != asked.attempt.key:
                # The provider was asked about another one.
                raise PaymentBusy(transaction_id=work.payment.transaction_id)
            change = resolve(
                work, decider, operator, answer, evidence=evidence, provider_answer=asked.words
            )
            payment = await _write(transaction, change)
            await transaction.log(
                operator,
                Action.RESOLVE_ATTEMPT,
                payment.transaction_id,
                merchant_id=payment.merchant_id,
                provider_answer=asked.words,
            )
            await transaction.commit()
        return payment

    @repeated
    async def _release(
        self, payment_id: UUID, operator: Operator, end: Callable[[Work, Operator], Change]
    ) -> Payment:
        async with self._operations.begin() as transaction:
            work = await transaction.claim_one(await transaction.owner(payment_id), payment_id)
            payment = await _write(transaction, end(work, operator))
            await transaction.log(
                operator,
                Action.RELEASE_HOLD,
                payment.transaction_id,
                merchant_id=payment.merchant_id,
            )
            await transaction.commit()
        return payment

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
        change = (
            take_over(work, operator) if discard else end_hold(work, operator, Cause.STEP_REQUEUED)
        )
        await _write(transaction, change)
        return owner


async def _write(transaction: OperatorTransaction, change: Change) -> Payment:
    """The payment as it stands once the change is written."""
    if not await transaction.write([change]):
        raise PaymentBusy(transaction_id=change.payment.transaction_id)
    payment, _ = await transaction.lock(change.payment.merchant_id, change.payment.id)
    return payment
