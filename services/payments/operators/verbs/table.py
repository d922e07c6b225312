"""The verbs on one payment, in one table: what each asks of other services before its transaction,
and the change that it comes to. Pure decisions are in decisions and in the engine; acting carries
a verb out, shows it, or does it for two people."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.payments.engine.decisions.corrections import correct
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.decisions.forced import try_now
from services.payments.engine.decisions.returns_and_refunds import refund_on_request
from services.payments.mesh.ports import CurrentCorridors, Providers
from services.payments.model.answer import STATED, Answer, Outcome
from services.payments.model.attempt import LookUp
from services.payments.model.holds import HoldReason
from services.payments.model.payment import Failure, Payment, PaymentBusy
from services.payments.operators.adjusting import adjust, adjustment_of
from services.payments.operators.asking import Asked, ask
from services.payments.operators.decisions import (
    check_deployed,
    end_hold,
    honour_locked_rate,
    open_attempt,
    place_hold,
    resolve,
)
from services.payments.operators.domain import Action
from services.payments.operators.policy import PaymentVerb
from services.payments.operators.verbs.forcing import Forcing
from services.payments.operators.verbs.ports import Corrections
from services.payments.operators.verbs.ready import Claim, Ready
from services.shared.money import SOURCE_CURRENCY, Money
from services.shared.recipients import from_row

Arguments = Mapping[str, Any]
# Asks other services, outside of every transaction. Raises what refuses the verb.
Prepare = Callable[[Work, Arguments], Awaitable[Ready]]


@dataclass(frozen=True, kw_only=True)
class VerbOrder:
    """A verb on one payment, as it was asked for; the arguments are as JSON has them."""

    action: Action
    target: str
    arguments: Arguments


def payment_verbs(
    providers: Providers,
    spread: Callable[[], float],
    corridors: CurrentCorridors,
    corrections: Corrections,
) -> Mapping[Action, Prepare]:
    """Each verb on one payment, with the function that prepares its transaction."""
    verbs = _Verbs(providers, spread, corrections)
    return {
        Action.RELEASE_HOLD: verbs.release,
        Action.RESOLVE_ATTEMPT: verbs.resolve,
        Action.FORCE_PAYOUT: Forcing(providers, corridors).prepare,
        Action.PLACE_HOLD: verbs.hold,
        Action.TRY_NOW: verbs.try_now,
        Action.REFUND_PAYMENT: verbs.refund,
        Action.CORRECT_PAYMENT: verbs.correct,
        Action.ADJUST_PAYMENT: verbs.adjust,
    }


def demanding(action: Action, payment: Payment) -> Sequence[PaymentVerb]:
    """The verbs of the policy whose work this one does with the payment; none where one person is
    always enough."""
    if action is Action.PLACE_HOLD or action is Action.TRY_NOW:
        return ()
    # The release of this hold states that the payout before was not paid.
    states_outcome = payment.hold_reason == HoldReason.PAYOUT_UNCONFIRMED
    if action is Action.RELEASE_HOLD and states_outcome:
        return Action.RELEASE_HOLD, Action.RESOLVE_ATTEMPT
    return (_ALONE[action],)


_ALONE: Mapping[Action, PaymentVerb] = {
    Action.RELEASE_HOLD: Action.RELEASE_HOLD,
    # It ends a hold, as a release of the payment does.
    Action.REQUEUE_DEAD_LETTER: Action.RELEASE_HOLD,
    Action.RESOLVE_ATTEMPT: Action.RESOLVE_ATTEMPT,
    Action.FORCE_PAYOUT: Action.FORCE_PAYOUT,
    Action.REFUND_PAYMENT: Action.REFUND_PAYMENT,
    Action.CORRECT_PAYMENT: Action.CORRECT_PAYMENT,
    Action.ADJUST_PAYMENT: Action.ADJUST_PAYMENT,
}


class _Verbs:
    """All but FORCE_PAYOUT, which is in forcing."""

    def __init__(
        self, providers: Providers, spread: Callable[[], float], corrections: Corrections
    ) -> None:
        self._providers = providers
        self._spread = spread
        self._corrections = corrections

    async def release(self, work: Work, arguments: Arguments) -> Ready:
        """Ends a hold; of late funds at the locked rate where that is asked for.

        Its decision raises PaymentNotOnHold, NoLockedRate.
        """
        end = honour_locked_rate if arguments["honour_locked_rate"] else end_hold
        return Ready(decide=lambda claim: end(claim.work, claim.operator))

    async def resolve(self, work: Work, arguments: Arguments) -> Ready:
        """States how the open attempt of a payment on hold ended. Its provider is asked, and the
        answer compared with the statement.

        Raises PaymentNotOnHold, AttemptNotOpen, ProviderContradicts, ProviderNotAsked, Invalid; its
        decision PaymentBusy, AttemptMayArrive and OperationOfAnotherAttempt as well.
        """
        attempt, stated = open_attempt(work), _stated(arguments)
        capabilities = await self._providers.capabilities()
        check_deployed(attempt, capabilities)
        known = capabilities[attempt.provider]
        asked = Asked(attempt=attempt, answer=None, at=work.claimed_at)
        if known.look_up is not LookUp.NONE:
            asked = await ask(self._providers, work.payment, attempt, now=work.claimed_at)
        asked.check(stated, provider_unreachable=arguments["provider_unreachable"])
        stated = asked.identified(stated)

        def decide(claim: Claim) -> Change:
            present = open_attempt(claim.work)
            if present.key != attempt.key:
                # The provider was asked about another one.
                raise PaymentBusy(transaction_id=work.payment.transaction_id)
            asked.check_landed(present, stated, known)
            asked.check_own(claim.known_as)
            return resolve(
                claim.work,
                Decider(capabilities, self._spread),
                claim.operator,
                replace(stated, actor=claim.operator.actor),
                evidence=arguments["evidence"],
                provider_answer=asked.words,
            )

        return Ready(decide=decide, answers=(asked,))

    async def hold(self, work: Work, arguments: Arguments) -> Ready:
        """Nothing more is done with the payment until a person releases it.

        Its decision raises PaymentNotHoldable, PaymentOnHold.
        """
        return Ready(decide=lambda claim: place_hold(claim.work, claim.operator))

    async def try_now(self, work: Work, arguments: Arguments) -> Ready:
        """The payment is due at once. Its decision raises PaymentOnHold, NothingToTry."""
        capabilities = await self._providers.capabilities()
        return Ready(decide=lambda claim: try_now(claim.work, capabilities))

    async def refund(self, work: Work, arguments: Arguments) -> Ready:
        """Gives the money back, as its merchant may. Its decision raises what refund_on_request
        does."""
        minor = arguments["amount_minor"]

        def decide(claim: Claim) -> Change:
            return refund_on_request(
                claim.work,
                None if minor is None else Money(minor, SOURCE_CURRENCY),
                actor=claim.operator.actor,
                reason=arguments["reason"],
                ends_payout=arguments["ends_payout"],
            )

        return Ready(decide=decide)

    async def correct(self, work: Work, arguments: Arguments) -> Ready:
        """Pays out to another recipient, as its merchant may.

        Raises what Corrections.corrected does; its decision PaymentNotCorrectable, PaymentOnHold.
        """
        found = await self._corrections.corrected(work.payment, from_row(arguments["recipient"]))

        def decide(claim: Claim) -> Change:
            return correct(
                claim.work,
                found.recipient,
                found.check,
                found.route,
                corrected_before=claim.corrected_before,
                actor=claim.operator.actor,
            )

        return Ready(decide=decide)

    async def adjust(self, work: Work, arguments: Arguments) -> Ready:
        """Posts money from one account to another. Its decision raises what adjust does."""
        wanted = adjustment_of(arguments)

        def decide(claim: Claim) -> Change:
            return adjust(claim.work, claim.operator, wanted, claim.adjusted)

        return Ready(decide=decide)


def _stated(arguments: Arguments) -> Answer:
    """The answer that an operator stands for, without its actor."""
    outcome, moved = Outcome(arguments["outcome"]), arguments["moved"]
    evidence = arguments["evidence"]
    failed = outcome is Outcome.FAILED
    return Answer(
        outcome=outcome,
        provider_reference=arguments["provider_reference"],
        amount=Money(moved["amount_minor"], moved["currency"]) if moved else None,
        failure=Failure(code=STATED, message=evidence) if failed else None,
    )
