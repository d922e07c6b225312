"""The verbs on a payment on hold, within a transaction of their caller: of an operator alone, or of
the approval of a proposal. The question to the provider comes before the transaction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Change, Work
from services.payments.mesh.ports import Providers
from services.payments.model.attempt import Answer, Capabilities, LookUp
from services.payments.model.operator import Operator
from services.payments.model.payment import Payment, PaymentBusy
from services.payments.operators.asking import Asked, ask
from services.payments.operators.decisions import (
    end_hold,
    honour_locked_rate,
    open_attempt,
    resolve,
)
from services.payments.operators.domain import Action, AttemptNotOpen
from services.payments.operators.ports import Operations, OperatorTransaction
from services.shared.rollback import repeated

# Raises where the payment's policy does not allow the verb.
Check = Callable[[Payment], None]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The provider's answer about the open attempt, and how the engine decides after it."""

    asked: Asked
    decider: Decider


def allow_any(_: Payment) -> None:
    """The check of a verb that two people have agreed on."""


class HoldVerbs:
    """Releases holds, and resolves the attempts that payments on hold wait for."""

    def __init__(
        self, operations: Operations, providers: Providers, spread: Callable[[], float]
    ) -> None:
        self._operations = operations
        self._providers = providers
        self._spread = spread

    async def prepare(
        self, payment_id: UUID, stated: Answer, check: Check, *, provider_unreachable: bool
    ) -> Prepared:
        """The provider is asked, and what it says is compared with the statement.

        Raises PaymentNotFound, PaymentNotOnHold, AttemptNotOpen, ProviderContradicts,
        ProviderNotAsked, PaymentBusy, PaymentUnreadable, and what the check raises.
        """
        capabilities = await self._providers.capabilities()
        asked = await self._ask(payment_id, capabilities, check)
        asked.check(stated, provider_unreachable=provider_unreachable)
        return Prepared(asked=asked, decider=Decider(capabilities, self._spread))

    async def release(
        self,
        transaction: OperatorTransaction,
        payment_id: UUID,
        operator: Operator,
        check: Check,
        *,
        at_locked_rate: bool,
    ) -> Payment:
        """Ends a hold. Raises PaymentNotFound, PaymentNotOnHold, NoLockedRate, PaymentBusy,
        PaymentUnreadable, and what the check raises."""
        work = await transaction.claim_one(await transaction.owner(payment_id), payment_id)
        check(work.payment)
        end = honour_locked_rate if at_locked_rate else end_hold
        payment = await write(transaction, end(work, operator))
        await transaction.log(
            operator,
            Action.RELEASE_HOLD,
            payment.transaction_id,
            merchant_id=payment.merchant_id,
        )
        return payment

    async def resolve(
        self,
        transaction: OperatorTransaction,
        prepared: Prepared,
        operator: Operator,
        answer: Answer,
        *,
        evidence: str,
        check: Check,
    ) -> Payment:
        """States how the open attempt ended, about which the provider was asked.

        Raises PaymentNotOnHold, AttemptNotOpen, PaymentBusy, PaymentUnreadable, and what the check
        raises.
        """
        asked = prepared.asked
        payment_id = asked.attempt.payment_id
        work = await transaction.claim_one(await transaction.owner(payment_id), payment_id)
        check(work.payment)
        if open_attempt(work).key != asked.attempt.key:
            # The provider was asked about another one.
            raise PaymentBusy(transaction_id=work.payment.transaction_id)
        change = resolve(
            work,
            prepared.decider,
            operator,
            answer,
            evidence=evidence,
            provider_answer=asked.words,
        )
        payment = await write(transaction, change)
        await transaction.log(
            operator,
            Action.RESOLVE_ATTEMPT,
            payment.transaction_id,
            merchant_id=payment.merchant_id,
            provider_answer=asked.words,
        )
        return payment

    async def _ask(
        self, payment_id: UUID, capabilities: Mapping[str, Capabilities], check: Check
    ) -> Asked:
        """The provider's answer about the open attempt. Nothing is held meanwhile."""
        work = await self._look_at(payment_id)
        check(work.payment)
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


async def write(transaction: OperatorTransaction, change: Change) -> Payment:
    """The payment as it stands once the change is written. Raises PaymentBusy."""
    if not await transaction.write([change]):
        raise PaymentBusy(transaction_id=change.payment.transaction_id)
    payment, _ = await transaction.lock(change.payment.merchant_id, change.payment.id)
    return payment
