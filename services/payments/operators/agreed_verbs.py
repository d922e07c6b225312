"""The verbs that two people can agree on, in one table: the preparation of each, the state of its
target, and the effect of its approval. A verb that is added here can be proposed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, get_args

from services.payments.mesh.ports import CurrentCorridors, RateQuery, Rates
from services.payments.model.operator import Operator
from services.payments.model.pause import PauseKind
from services.payments.operators.accepting import accept
from services.payments.operators.adjusting import adjustment_of
from services.payments.operators.domain import Action
from services.payments.operators.overriding import (
    AgreedOverride,
    OverrideExists,
    order_of,
)
from services.payments.operators.pausing import RESUME, PauseNotFound, end_pauses
from services.payments.operators.policy import OverrideBounds, PaymentVerb
from services.payments.operators.ports import OperatorTransaction
from services.payments.operators.proposal import Proposal
from services.payments.operators.verbs.acting import Acting, claimed
from services.payments.operators.verbs.ready import Ready
from services.payments.operators.verbs.table import VerbOrder
from services.shared.errors import DomainError
from services.shared.ids import Prefix, encode_id, new_id


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
        self,
        transaction: OperatorTransaction,
        target: str,
        arguments: Mapping[str, Any],
        prepared: Any,
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

    def __init__(self, corridors: CurrentCorridors, rates: Rates, bounds: OverrideBounds) -> None:
        self._corridors = corridors
        self._rates = rates
        self._bounds = bounds

    async def prepare(self, target: str, arguments: Mapping[str, Any]) -> None:
        """See AgreedVerb.prepare: without the market's middle nothing bounds an override."""
        order = order_of(target, arguments)
        corridors = await self._corridors.current()
        order.check_accepted(corridors.get(target).fx.mid_bounds)
        query = RateQuery(corridor_id=target, corridors_version=corridors.version)
        [trail] = await self._rates.get([query])
        if isinstance(trail, DomainError):
            raise trail
        order.check_distance(trail.market_mid_rate, self._bounds)

    async def look(
        self,
        transaction: OperatorTransaction,
        target: str,
        arguments: Mapping[str, Any],
        prepared: None,
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


class AgreedPaymentVerb:
    """A verb on one payment, which stands as its number of events, state, hold and attempt say."""

    def __init__(self, acting: Acting, action: Action) -> None:
        self._acting = acting
        self._action = action

    async def prepare(self, target: str, arguments: Mapping[str, Any]) -> Ready:
        """See AgreedVerb.prepare."""
        return await self._acting.ready(self._order(target, arguments))

    async def look(
        self,
        transaction: OperatorTransaction,
        target: str,
        arguments: Mapping[str, Any],
        prepared: Ready,
    ) -> Target:
        """See AgreedVerb.look; what the verb comes to is decided, and nothing of it is written."""
        order = self._order(target, arguments)
        claim = await claimed(transaction, order, Operator(name=""))
        prepared.decide(claim)
        payment, attempt = claim.work.payment, claim.work.attempt
        parts = (payment.version, payment.state, payment.hold_reason, attempt and attempt.key)
        state = " ".join(str(part) for part in parts if part)
        return Target(state=state, merchant_id=payment.merchant_id)

    async def do(
        self,
        transaction: OperatorTransaction,
        proposal: Proposal,
        prepared: Ready,
        approver: Operator,
    ) -> None:
        """See AgreedVerb.do."""
        order = self._order(proposal.target, proposal.arguments)
        await self._acting.carry_out(transaction, order, approver, prepared)

    def _order(self, target: str, arguments: Mapping[str, Any]) -> VerbOrder:
        return VerbOrder(action=self._action, target=target, arguments=arguments)


class Adjusting(AgreedPaymentVerb):
    """ADJUST_PAYMENT, whose approval keeps the adjustment with its proposal."""

    async def do(
        self,
        transaction: OperatorTransaction,
        proposal: Proposal,
        prepared: Ready,
        approver: Operator,
    ) -> None:
        """See AgreedVerb.do."""
        order = self._order(proposal.target, proposal.arguments)
        payment = await self._acting.carry_out(transaction, order, approver, prepared)
        wanted = adjustment_of(proposal.arguments)
        await transaction.adjustments.add(payment, wanted, proposal)


class Resuming:
    """RESUME_PROVIDER or RESUME_CORRIDOR: the target is what is paused."""

    def __init__(self, kind: PauseKind) -> None:
        self._kind = kind

    async def prepare(self, target: str, arguments: Mapping[str, Any]) -> None:
        """See AgreedVerb.prepare: nobody is asked."""

    async def look(
        self,
        transaction: OperatorTransaction,
        target: str,
        arguments: Mapping[str, Any],
        prepared: None,
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


class AcceptingDatabase:
    """ACCEPT_DATABASE: the target is the database."""

    async def prepare(self, target: str, arguments: Mapping[str, Any]) -> None:
        """See AgreedVerb.prepare: nobody is asked."""

    async def look(
        self,
        transaction: OperatorTransaction,
        target: str,
        arguments: Mapping[str, Any],
        prepared: None,
    ) -> Target:
        """See AgreedVerb.look: it stands as the finding and the newest recovery do."""
        found = await transaction.finding.read()
        found.check()
        return Target(state=found.state)

    async def do(
        self,
        transaction: OperatorTransaction,
        proposal: Proposal,
        prepared: None,
        approver: Operator,
    ) -> None:
        """See AgreedVerb.do."""
        by = f"{proposal.proposer.name} and {approver.name}"
        await accept(transaction, approver, by=by, reason=proposal.reason)


# Those that can be agreed on while the database is older; by any other it would be used as it is.
WHILE_OLDER = frozenset({Action.ACCEPT_DATABASE})


def agreed_verbs(
    acting: Acting, *, corridors: CurrentCorridors, rates: Rates, bounds: OverrideBounds
) -> Mapping[Action, AgreedVerb]:
    """Each verb that two people agree on, with the code that checks and does it."""
    on_payments: Sequence[PaymentVerb] = get_args(PaymentVerb)
    return {
        Action.RATE_OVERRIDE: RateOverriding(corridors, rates, bounds),
        Action.ACCEPT_DATABASE: AcceptingDatabase(),
        **{verb: Resuming(kind) for kind, verb in RESUME.items()},
        **{action: AgreedPaymentVerb(acting, action) for action in on_payments},
        Action.ADJUST_PAYMENT: Adjusting(acting, Action.ADJUST_PAYMENT),
    }
