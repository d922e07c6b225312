"""Two operators with every verb, beside providers, a merchant, the worker and time, in any order,
and with others between a verb's question and its transaction: no payout leaves while another one is
paid or may be, no payment is both paid out and refunded, and the book has what has moved."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.payments.engine.decisions.corrections import Corrected
from services.payments.mesh.ports import ProviderCall
from services.payments.model.adjustment import CAUSE, Adjusted
from services.payments.model.answer import Answer
from services.payments.model.attempt import AttemptState, Capabilities, Step
from services.payments.model.holds import HoldReason
from services.payments.model.operator import Operator
from services.payments.model.payment import Payment, State
from services.payments.operators.decisions import OPEN
from services.payments.operators.domain import Action
from services.payments.operators.verbs.ready import Claim
from services.payments.operators.verbs.table import payment_verbs
from services.shared.errors import DomainError
from services.shared.recipients import Recipient, Wallet, as_row
from tests.fakes import AlwaysCorridors
from tests.payouts_in_any_order import (
    ACCEPTED,
    KNOWN,
    NOTHING,
    PAID,
    SAYS,
    UNANSWERED,
    Draw,
    World,
    merchant_corrects,
    merchant_refunds,
    provider_changes,
    time_passes,
    turn,
)

OFFRAMPS = ("local_wallet", "bank")
Act = Callable[[World, Draw], None]


class Truth:
    """The providers, who say what is true, or nothing."""

    def __init__(self, world: World, draw: Draw) -> None:
        self._world = world
        self._draw = draw

    async def capabilities(self) -> Mapping[str, Capabilities]:
        return KNOWN

    async def look_up(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
        for call in calls:
            is_lost = self._draw(st.sampled_from(("", "", "", "lost"))) == "lost"
            truth = self._world.truth.get(call.attempt.key, NOTHING)
            yield call.attempt.key, UNANSWERED if is_lost else SAYS[truth]


class AnyRecipient:
    """Corrects every recipient to the one that is given."""

    async def corrected(self, payment: Payment, given: Recipient) -> Corrected:
        return Corrected(recipient=given, check=None, route=payment.route)


def _arguments(world: World, action: Action, draw: Draw) -> Mapping[str, Any]:
    if action is Action.CORRECT_PAYMENT:
        world.corrections += 1
        return {"recipient": as_row(Wallet(wallet_id=str(world.corrections)))}
    if action is Action.RESOLVE_ATTEMPT:
        is_paid = PAID in _truth_of_payouts(world)
        return {
            "evidence": "line 12",
            "moved": None,
            "outcome": "SUCCEEDED" if is_paid else "FAILED",
            "provider_reference": "",
            "provider_unreachable": True,
        }
    arguments: Mapping[Action, Mapping[str, Any]] = {
        Action.FORCE_PAYOUT: {"provider": draw(st.sampled_from(OFFRAMPS))},
        Action.RELEASE_HOLD: {"honour_locked_rate": False},
        Action.REFUND_PAYMENT: {"amount_minor": None, "reason": "", "ends_payout": False},
        Action.ADJUST_PAYMENT: _written_off(world, draw(st.sampled_from(OFFRAMPS))),
    }
    return arguments.get(action, {})


def _written_off(world: World, provider: str) -> Mapping[str, Any]:
    """All that was paid out by this offramp and that no payment counts."""
    suspense = f"suspense:{provider}:NGN"
    return {
        "amount_minor": abs(world.balance(suspense)) or 1,
        "credit": suspense,
        "currency": "NGN",
        "debit": "adjustments:NGN",
        "evidence": str(len(world.postings)),
    }


def _adjusted(world: World) -> Adjusted:
    sums = {is_adjusted: Counter[str]() for is_adjusted in (True, False)}
    for posting in world.postings:
        of = sums[posting.cause == CAUSE]
        of[posting.debit] += posting.amount.amount_minor
        of[posting.credit] -= posting.amount.amount_minor
    open_keys = [a.key for a in world.attempts.values() if a.state in OPEN]
    return Adjusted(own=sums[False], adjusted=sums[True], open_key="".join(open_keys[:1]))


def _truth_of_payouts(world: World) -> set[str]:
    return {is_now for key, is_now in world.truth.items() if "payout" in key}


def _states_outcome(world: World, action: Action) -> bool:
    """Whether the verb states that a payout was paid, or was not: the operator has seen a proof."""
    reason = world.payment.hold_reason
    releases = action is Action.RELEASE_HOLD and reason is HoldReason.PAYOUT_UNCONFIRMED
    return releases or action is Action.RESOLVE_ATTEMPT


def _verb(action: Action) -> Act:
    def act(world: World, draw: Draw) -> None:
        states = _states_outcome(world, action)
        unknown = {ACCEPTED} if action is Action.RESOLVE_ATTEMPT else {ACCEPTED, PAID}
        if states and _truth_of_payouts(world) & unknown:
            return
        corridors: Any = SimpleNamespace(
            get=lambda _: SimpleNamespace(providers=SimpleNamespace(offramps=OFFRAMPS))
        )
        providers: Any = Truth(world, draw)
        current = AlwaysCorridors(corridors)
        prepare = payment_verbs(providers, lambda: 0.0, current, AnyRecipient())[action]
        arguments = _arguments(world, action, draw)
        ready = asyncio.run(_prepared(prepare(world.work(of_all=True), arguments)))
        for meanwhile in () if states else draw(st.sampled_from(MEANWHILE)):
            meanwhile(world, draw)
        by = Operator(name=draw(st.sampled_from(("ada", "grace"))))
        claim = Claim(work=world.work(of_all=True), operator=by, adjusted=_adjusted(world))
        world.write(ready.decide(claim))
        world.is_stated = world.is_stated or states

    return act


async def _prepared(ready: Any) -> Any:
    return await ready


VERBS = tuple(_verb(action) for action in payment_verbs(*[None] * 4))  # type: ignore[arg-type]
MERCHANT = (merchant_corrects, merchant_refunds)
MEANWHILE: tuple[Any, ...] = ((), (), (turn,), (provider_changes,), (time_passes,), (turn, turn))
ACTIONS: tuple[Act, ...] = (*(turn,) * 5, *VERBS, *VERBS, *MERCHANT, provider_changes, time_passes)


@settings(max_examples=300, deadline=None)
@given(actions=st.lists(st.sampled_from(ACTIONS), min_size=5, max_size=40), data=st.data())
def test_no_verb_at_any_moment_pays_twice(actions: list[Act], data: st.DataObject) -> None:
    world = World()
    for act in actions:
        is_turn = act in (turn, provider_changes, time_passes)
        # A verb may be refused; the engine's own moves never are. `turn` looks at the truth before
        # anything leaves.
        with nullcontext() if is_turn else suppress(DomainError):
            act(world, data.draw)
        _check(world)


def _check(world: World) -> None:
    attempts = world.attempts.values()
    payouts = [a for a in attempts if a.step is Step.PAYOUT]
    counted = [a for a in payouts if a.state is AttemptState.SUCCEEDED]
    assert len(counted) == (world.payment.state is State.COMPLETED)
    assert sum(a.is_live for a in payouts) <= 1
    truths = {key: is_now for key, is_now in world.truth.items() if is_now in (PAID, ACCEPTED)}
    refunds = [key for key in truths if "refund" in key]
    assert len(truths) - len(refunds) <= 1
    assert not refunds or len(refunds) == len(truths)
    world.check_books()
