"""A verb on one payment is carried out: by an operator alone, in one transaction with its entry in
the log; or in one that is not committed, whose effect is read and shown; or in the transaction that
approves a proposal. Other services are asked before, when nothing is held."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from services.payments.base.idempotency import (
    Created,
    IdempotencyKey,
    StoredAnswer,
    fingerprint_of,
)
from services.payments.base.view import Encode
from services.payments.engine.decisions.facts import Work
from services.payments.model.operator import Operator
from services.payments.model.payment import Payment, PaymentBusy, read_transaction_id
from services.payments.operators.asking import Asked
from services.payments.operators.domain import Action
from services.payments.operators.policy import ApprovalRequired, Policy
from services.payments.operators.ports import Operations, OperatorTransaction
from services.payments.operators.trail import Trail
from services.payments.operators.verbs.ports import Effect
from services.payments.operators.verbs.ready import Claim, Ready
from services.payments.operators.verbs.table import Prepare, VerbOrder, demanding
from services.shared.errors import Conflict, DomainError, NotAllowedNow, OutOfRange
from services.shared.rollback import repeated

# The refusals that depend on how the payment stands; any other one is about the request.
_SHOWN = (Conflict, NotAllowedNow, OutOfRange)


@dataclass(frozen=True, kw_only=True)
class Preview:
    """The effect that a verb would have now, or its refusal."""

    order: VerbOrder
    # None where it is refused before the payment can be read.
    before: Payment | None = None
    effect: Effect | None = None
    answers: Sequence[Asked] = ()
    needs_second_person: bool = False
    refusal: DomainError | None = None


class Acting:
    """Carries verbs out."""

    def __init__(
        self,
        operations: Operations,
        verbs: Mapping[Action, Prepare],
        policy: Policy,
        trail: Trail,
        encode: Encode,
    ) -> None:
        self._operations = operations
        self._verbs = verbs
        self._policy = policy
        self._trail = trail
        self._encode = encode

    async def act(self, order: VerbOrder, operator: Operator, key: str | None = None) -> Created:
        """Does it, once for its idempotency key where it has one; gives the payment.

        Raises PaymentNotFound, PaymentBusy, PaymentUnreadable, ApprovalRequired,
        IdempotencyKeyReused, and what refuses the verb.
        """
        async with self._trail.attempt(operator, order.action, order.target):
            keyed = _Keyed(key, operator, order) if key else None
            looked = await self._look(order, keyed)
            if isinstance(looked, Created):
                return looked
            self._refuse_alone(order, looked.payment)
            ready = await self._verbs[order.action](looked, order.arguments)
            return await self._do(order, operator, ready, keyed)

    async def preview(self, order: VerbOrder, operator: Operator) -> Preview:
        """The effect that it would have, or the refusal that it would meet.

        Raises PaymentNotFound, Invalid, Unavailable, Overloaded.
        """
        try:
            work = await self._work(order)
        except _SHOWN as refusal:
            return Preview(order=order, refusal=refusal)
        verbs = demanding(order.action, work.payment)
        needs = self._policy.needs_second_person(verbs, work.payment.terms.amount)
        shown: dict[str, Any] = {"before": work.payment, "needs_second_person": needs}
        try:
            ready = await self._verbs[order.action](work, order.arguments)
            shown |= {"answers": ready.answers}
            return Preview(order=order, effect=await self._try(order, operator, ready), **shown)
        except _SHOWN as refusal:
            return Preview(order=order, refusal=refusal, **shown)

    async def ready(self, order: VerbOrder) -> Ready:
        """The verb with its questions answered. Raises what refuses it."""
        return await self._verbs[order.action](await self._work(order), order.arguments)

    async def carry_out(
        self, transaction: OperatorTransaction, order: VerbOrder, operator: Operator, ready: Ready
    ) -> Payment:
        """Does it within a transaction, with its entry in the log; gives the payment as it is then.

        Raises PaymentNotFound, PaymentBusy, PaymentUnreadable, and what refuses the verb.
        """
        claim = await claimed(transaction, order, operator)
        change = ready.decide(claim)
        payment = change.payment
        if not await transaction.write([change]):
            raise PaymentBusy(transaction_id=payment.transaction_id)
        await transaction.log(
            operator,
            order.action,
            payment.transaction_id,
            merchant_id=payment.merchant_id,
            provider_answer=ready.words,
        )
        return (await transaction.lock(payment.merchant_id, payment.id))[0]

    @repeated
    async def _look(self, order: VerbOrder, keyed: "_Keyed | None") -> Work | Created:
        """The payment as it is now, or the first answer under the key. Nothing is changed."""
        payment_id = read_transaction_id(order.target)
        async with self._operations.begin() as transaction:
            owner = await transaction.owner(payment_id)
            if keyed is not None:
                stored = await transaction.answer(keyed.of(owner))
                if stored is not None:
                    return stored.again(keyed.of(owner), keyed.fingerprint)
            return await transaction.claim_one(owner, payment_id)

    @repeated
    async def _work(self, order: VerbOrder) -> Work:
        payment_id = read_transaction_id(order.target)
        async with self._operations.begin() as transaction:
            return await transaction.claim_one(await transaction.owner(payment_id), payment_id)

    @repeated
    async def _do(
        self, order: VerbOrder, operator: Operator, ready: Ready, keyed: "_Keyed | None"
    ) -> Created:
        payment_id = read_transaction_id(order.target)
        async with self._operations.begin() as transaction:
            # Locked first, so that a duplicate request waits here and then reads the answer.
            owner = await transaction.owner(payment_id)
            payment, _ = await transaction.lock(owner, payment_id)
            stored = await transaction.answer(keyed.of(owner)) if keyed else None
            if keyed and stored:
                return stored.again(keyed.of(owner), keyed.fingerprint)
            self._refuse_alone(order, payment)
            payment = await self.carry_out(transaction, order, operator, ready)
            response = self._encode(payment)
            if keyed:
                answer = StoredAnswer(fingerprint=keyed.fingerprint, response=response)
                name = "".join(word.capitalize() for word in order.action.split("_"))
                await transaction.keep_answer(keyed.of(owner), answer, payment.id, operation=name)
            await transaction.commit()
        return Created(response=response, replayed=False)

    @repeated
    async def _try(self, order: VerbOrder, operator: Operator, ready: Ready) -> Effect:
        async with self._operations.begin() as transaction:
            payment_id = read_transaction_id(order.target)
            before, _ = await transaction.lock(await transaction.owner(payment_id), payment_id)
            await self.carry_out(transaction, order, operator, ready)
            return await transaction.effect(before)

    def _refuse_alone(self, order: VerbOrder, payment: Payment) -> None:
        verbs = demanding(order.action, payment)
        if self._policy.needs_second_person(verbs, payment.terms.amount):
            raise ApprovalRequired(verb=order.action)


class _Keyed:
    """A request under an idempotency key of its operator."""

    def __init__(self, key: str, operator: Operator, order: VerbOrder) -> None:
        # No merchant's key has a space in it, so that it is never one of the merchant's own.
        self._key = f"{operator.person} {key}"
        self.fingerprint = fingerprint_of(
            order.action, target=order.target, arguments=order.arguments
        )

    def of(self, merchant_id: str) -> IdempotencyKey:
        """The key beside those of the payment's merchant, whom the payment names."""
        return cast("IdempotencyKey", (merchant_id, self._key))


async def claimed(transaction: OperatorTransaction, order: VerbOrder, operator: Operator) -> Claim:
    """The payment, claimed for the length of the transaction.

    Raises PaymentNotFound, PaymentBusy, PaymentUnreadable.
    """
    payment_id = read_transaction_id(order.target)
    owner = await transaction.owner(payment_id)
    work = await transaction.claim_one(owner, payment_id)
    claim = Claim(work=work, operator=operator)
    if order.action is Action.CORRECT_PAYMENT:
        before = await transaction.corrections(owner, payment_id)
        return replace(claim, corrected_before=before)
    if order.action is Action.RESOLVE_ATTEMPT and work.attempt is not None:
        named = order.arguments["provider_reference"]
        known_as = await transaction.known_as(work.attempt, named) if named else ""
        return replace(claim, known_as=known_as)
    if order.action is Action.ADJUST_PAYMENT:
        adjusted = await transaction.adjustments.of(owner, payment_id)
        return replace(claim, adjusted=adjusted)
    return claim
