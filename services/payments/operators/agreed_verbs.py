"""The verbs that two people can agree on, in one table: the preparation of each, the state of its
target, and the effect of its approval. A verb that is added here can be proposed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from services.payments.mesh.ports import Providers, RateQuery, Rates
from services.payments.model.attempt import STATED, Answer, Outcome
from services.payments.model.operator import Operator
from services.payments.model.pause import PauseKind
from services.payments.model.payment import Failure, PaymentBusy, read_transaction_id
from services.payments.operators.decisions import open_attempt
from services.payments.operators.domain import Action, PaymentNotOnHold
from services.payments.operators.holds import HoldVerbs, Prepared, allow_any
from services.payments.operators.overriding import (
    AgreedOverride,
    OverrideExists,
    order_of,
)
from services.payments.operators.pausing import RESUME, PauseNotFound, end_pauses
from services.payments.operators.policy import OverrideBounds
from services.payments.operators.ports import Operations, OperatorTransaction
from services.payments.operators.proposal import Proposal
from services.shared.corridors import Corridors
from services.shared.errors import DomainError
from services.shared.ids import Prefix, encode_id, new_id
from services.shared.money import Money


@dataclass(frozen=True, kw_only=True)
class Target:
    """How the target of a verb stands; its approval finds it as it was, or fails."""

    state: str
    # Empty where it belongs to no merchant.
    merchant_id: str = ""


class AgreedVerb(Protocol):
    """A verb that two people agree on."""

    async def prepare(self, target: str, arguments: Mapping[str, Any]) -> Any:
        """Asks other services, before any transaction. Raises what refuses it."""
        ...

    async def look(
        self, transaction: OperatorTransaction, target: str, arguments: Mapping[str, Any]
    ) -> Target:
        """How its target stands. Raises what refuses the verb."""
        ...

    async def do(
        self,
        transaction: OperatorTransaction,
        proposal: Proposal,
        prepared: Any,
        approver: Operator,
    ) -> None:
        """Does it, in the transaction that approves the proposal. Raises what refuses it."""
        ...


class RateOverriding:
    """RATE_OVERRIDE: the target is a corridor."""

    def __init__(self, corridors: Corridors, rates: Rates, bounds: OverrideBounds) -> None:
        self._corridors = corridors
        self._rates = rates
        self._bounds = bounds

    async def prepare(self, target: str, arguments: Mapping[str, Any]) -> None:
        """See AgreedVerb.prepare: without the market's middle nothing bounds an override."""
        order = order_of(target, arguments)
        order.check_believed(self._corridors.get(target).fx.mid_bounds)
        [trail] = await self._rates.get([RateQuery(corridor_id=target)])
        if isinstance(trail, DomainError):
            raise trail
        order.check_distance(trail.market_mid_rate, self._bounds)

    async def look(
        self, transaction: OperatorTransaction, target: str, arguments: Mapping[str, Any]
    ) -> Target:
        """See AgreedVerb.look."""
        held = await transaction.overrides.open_of(target)
        if held is not None:
            raise OverrideExists(override_id=encode_id(Prefix.OVERRIDE, held))
        order_of(target, arguments).check_times(await transaction.proposals.now(), self._bounds)
        return Target(state="without an override")

    async def do(
        self,
        transaction: OperatorTransaction,
        proposal: Proposal,
        prepared: None,
        approver: Operator,
    ) -> None:
        """See AgreedVerb.do."""
        order = order_of(proposal.target, proposal.arguments)
        now = await transaction.proposals.now()
        await transaction.overrides.add(
            AgreedOverride(
                id=new_id(),
                corridor_id=order.corridor_id,
                rate=order.rate,
                markup_basis_points=order.markup_basis_points,
                maximum_deviation_basis_points=self._bounds.maximum_deviation_basis_points,
                starts_at=max(order.starts_at or now, now),
                ends_at=order.ends_at,
                proposal_id=proposal.id,
                proposed_by=proposal.proposer.name,
                approved_by=approver.name,
                reason=proposal.reason,
            )
        )
        await transaction.log(approver, Action.RATE_OVERRIDE, order.corridor_id)


class _OnHold:
    """A verb on a payment on hold, which stands as its number of events, state and hold say."""

    def __init__(self, holds: HoldVerbs) -> None:
        self._holds = holds

    async def look(
        self, transaction: OperatorTransaction, target: str, arguments: Mapping[str, Any]
    ) -> Target:
        """See AgreedVerb.look."""
        payment_id = read_transaction_id(target)
        payment, is_leased = await transaction.lock(await transaction.owner(payment_id), payment_id)
        if payment.hold_reason is None:
            raise PaymentNotOnHold(transaction_id=target)
        if is_leased:
            raise PaymentBusy(transaction_id=target)
        state = f"{payment.version} {payment.state} {payment.hold_reason}"
        return Target(state=state, merchant_id=payment.merchant_id)


class ReleasingHold(_OnHold):
    """RELEASE_HOLD: the target is a payment."""

    async def prepare(self, target: str, arguments: Mapping[str, Any]) -> None:
        """See AgreedVerb.prepare: nobody is asked."""

    async def do(
        self,
        transaction: OperatorTransaction,
        proposal: Proposal,
        prepared: None,
        approver: Operator,
    ) -> None:
        """See AgreedVerb.do."""
        await self._holds.release(
            transaction,
            read_transaction_id(proposal.target),
            approver,
            allow_any,
            at_locked_rate=proposal.arguments["honour_locked_rate"],
        )


class ResolvingAttempt(_OnHold):
    """RESOLVE_ATTEMPT: the target is a payment, and its provider is asked."""

    async def prepare(self, target: str, arguments: Mapping[str, Any]) -> Prepared:
        """See AgreedVerb.prepare."""
        return await self._holds.prepare(
            read_transaction_id(target),
            _stated(arguments),
            allow_any,
            provider_unreachable=arguments["provider_unreachable"],
        )

    async def look(
        self, transaction: OperatorTransaction, target: str, arguments: Mapping[str, Any]
    ) -> Target:
        """See AgreedVerb.look; the attempt that is open is part of how it stands."""
        found = await super().look(transaction, target, arguments)
        work = await transaction.claim_one(found.merchant_id, read_transaction_id(target))
        return replace(found, state=f"{found.state} {open_attempt(work).key}")

    async def do(
        self,
        transaction: OperatorTransaction,
        proposal: Proposal,
        prepared: Prepared,
        approver: Operator,
    ) -> None:
        """See AgreedVerb.do."""
        answer = replace(_stated(proposal.arguments), actor=approver.actor)
        evidence = proposal.arguments["evidence"]
        await self._holds.resolve(
            transaction, prepared, approver, answer, evidence=evidence, check=allow_any
        )


class Resuming:
    """RESUME_PROVIDER or RESUME_CORRIDOR: the target is what is paused."""

    def __init__(self, kind: PauseKind) -> None:
        self._kind = kind

    async def prepare(self, target: str, arguments: Mapping[str, Any]) -> None:
        """See AgreedVerb.prepare: nobody is asked."""

    async def look(
        self, transaction: OperatorTransaction, target: str, arguments: Mapping[str, Any]
    ) -> Target:
        """See AgreedVerb.look: it stands as its pauses do."""
        opened = await transaction.pauses.open_of(self._kind, target)
        if not opened:
            raise PauseNotFound(name=target)
        return Target(state=" ".join(one.pause_id for one in opened))

    async def do(
        self,
        transaction: OperatorTransaction,
        proposal: Proposal,
        prepared: None,
        approver: Operator,
    ) -> None:
        """See AgreedVerb.do."""
        await end_pauses(transaction, self._kind, proposal.target, approver)


def agreed_verbs(
    operations: Operations,
    providers: Providers,
    spread: Callable[[], float],
    *,
    corridors: Corridors,
    rates: Rates,
    bounds: OverrideBounds,
) -> Mapping[Action, AgreedVerb]:
    """The table."""
    holds = HoldVerbs(operations, providers, spread)
    return {
        Action.RATE_OVERRIDE: RateOverriding(corridors, rates, bounds),
        Action.RELEASE_HOLD: ReleasingHold(holds),
        Action.RESOLVE_ATTEMPT: ResolvingAttempt(holds),
        **{verb: Resuming(kind) for kind, verb in RESUME.items()},
    }


def _stated(arguments: Mapping[str, Any]) -> Answer:
    outcome, moved = Outcome(arguments["outcome"]), arguments["moved"]
    evidence = arguments["evidence"]
    failed = outcome is Outcome.FAILED
    return Answer(
        outcome=outcome,
        provider_reference=arguments["provider_reference"],
        amount=Money(moved["amount_minor"], moved["currency"]) if moved else None,
        failure=Failure(code=STATED, message=evidence) if failed else None,
    )
