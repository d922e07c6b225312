"""FORCE_PAYOUT: the questions before it, and the route. Every payout that was sent is asked about
at its provider, whatever our record says; the rule of the engine's own question before a send
decides whether the answer stands in the way."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.payments.engine.decisions.before_send import is_to_be_asked_about, is_unpaid
from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.decisions.forced import check_forceable, force_payout, payouts_of
from services.payments.mesh.ports import CurrentCorridors, Providers
from services.payments.model.answer import Outcome
from services.payments.model.attempt import Attempt, Capabilities
from services.payments.model.payment import PaymentBusy
from services.payments.model.quote import Route
from services.payments.model.rails import target_of
from services.payments.operators.asking import Asked, ask
from services.payments.operators.domain import (
    ProviderCannotPay,
    ProviderContradicts,
    ProviderNotAsked,
)
from services.payments.operators.payout_options import able_offramps
from services.payments.operators.verbs.ready import Claim, Ready
from services.shared.corridors import Corridor


class Forcing:
    """Has payments paid out by an offramp of choice."""

    def __init__(self, providers: Providers, corridors: CurrentCorridors) -> None:
        self._providers = providers
        self._corridors = corridors

    async def prepare(self, work: Work, arguments: Mapping[str, Any]) -> Ready:
        """The providers are asked about every payout that was sent.

        Raises what check_forceable does, CorridorUnsupported, ProviderCannotPay,
        ProviderContradicts, ProviderNotAsked; its decision PaymentBusy as well.
        """
        capabilities, chosen = await self._providers.capabilities(), arguments["provider"]
        check_forceable(work, capabilities)
        corridor = (await self._corridors.current()).get(work.payment.corridor_id)
        _route(work, chosen, corridor, capabilities)
        payouts = payouts_of(work)
        answers = [
            await self._unpaid(work, payout, capabilities[payout.provider])
            for payout in to_ask_about(work, capabilities)
        ]
        words = "; ".join(asked.words for asked in answers)

        def decide(claim: Claim) -> Change:
            if payouts_of(claim.work) != payouts:
                # The providers were asked about others.
                raise PaymentBusy(transaction_id=work.payment.transaction_id)
            route = _route(claim.work, chosen, corridor, capabilities)
            return force_payout(
                claim.work,
                route,
                capabilities,
                actor=claim.operator.actor,
                provider_answer=words,
            )

        return Ready(decide=decide, answers=answers)

    async def _unpaid(self, work: Work, payout: Attempt, known: Capabilities) -> Asked:
        """The answer that the payout was not paid, or has come back."""
        asked = await ask(self._providers, work.payment, payout, now=work.claimed_at)
        if asked.answer is None:
            raise ProviderNotAsked(provider=payout.provider)
        # A person waits for the end of one that the engine, by an event, may count as over.
        is_open = asked.answer.outcome is Outcome.PENDING
        if is_open or not is_unpaid(payout, payout, known, asked.answer):
            raise ProviderContradicts(
                f"The provider says {asked.words} of {payout.key}.",
                provider=payout.provider,
                outcome=asked.answer.outcome,
                answer=asked.words,
            )
        return asked


def to_ask_about(work: Work, capabilities: Mapping[str, Capabilities]) -> Sequence[Attempt]:
    """The payouts that were sent. Raises ProviderNotAsked where the provider of one is not here."""
    payouts = [one for one in payouts_of(work) if is_to_be_asked_about(one, capabilities)]
    for payout in payouts:
        if payout.provider not in capabilities:
            raise ProviderNotAsked(provider=payout.provider)
    return payouts


def _route(
    work: Work, chosen: str, corridor: Corridor, capabilities: Mapping[str, Capabilities]
) -> Route:
    """The payment's route, with the chosen offramp first, and then the others that can pay and have
    not refused this recipient.

    Raises ProviderCannotPay, and what able_offramps() raises.
    """
    payment = work.payment
    able = able_offramps(payment, target_of(payment.recipient), corridor, capabilities)
    if chosen not in able:
        raise ProviderCannotPay(provider=chosen, providers=", ".join(able))
    passed_over = {chosen, *(p.provider for p in payouts_of(work) if _refused(p, capabilities))}
    others = (other for other in able if other not in passed_over)
    return replace(payment.route, offramps=(chosen, *others))


def _refused(payout: Attempt, capabilities: Mapping[str, Capabilities]) -> bool:
    """Whether its provider has refused the payment's present recipient."""
    known = capabilities.get(payout.provider)
    is_present = payout.recipient is None
    return is_present and known is not None and known.refuses_recipient(payout.failure)
