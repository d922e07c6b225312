"""The questions of a worker's batch: the attempts that are asked about together, and each work with
its answers as they come. The decisions about them are in decisions."""

import asyncio
import math
from collections import Counter as Counted
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from uuid import UUID

from services.payments.engine.decisions.facts import ClaimAnswers, Work
from services.payments.engine.decisions.waiting import live
from services.payments.mesh.ports import ProviderCall, Providers
from services.payments.model.answer import Answer
from services.payments.model.attempt import Attempt
from services.payments.model.dispute import DisputeReport
from services.shared.errors import DomainError
from services.shared.log import get_logger

Ask = Callable[[Sequence[ProviderCall]], AsyncIterator[tuple[str, Answer]]]
Claim = tuple[str, str]


async def ask_about_claims(providers: Providers, claims: Collection[Claim]) -> ClaimAnswers:
    """Asks how each claim stands; one whose provider does not answer is left out."""

    async def ask(claim: Claim) -> tuple[Claim, DisputeReport | None] | None:
        try:
            return claim, await providers.look_up_dispute(*claim)
        except DomainError as error:
            get_logger().warning("claim_unanswered", claim=claim, reason=str(error))
            return None

    asked = await asyncio.gather(*map(ask, claims))
    return ClaimAnswers(reports=dict(one for one in asked if one is not None))


async def answered(
    work: Sequence[Work], ask: Ask, send_before: float = math.inf
) -> AsyncIterator[tuple[Work, Answer]]:
    """Asks about each work's attempt; gives each with its answer as it comes in."""
    of_key = {item.attempt.key: item for item in work if item.attempt is not None}
    calls = [_call(item, item.attempt, send_before) for item in work if item.attempt is not None]
    async for key, answer in ask(calls):
        yield of_key[key], answer


async def all_answered(
    work: Sequence[Work], ask: Ask, questions_max: int
) -> AsyncIterator[tuple[Work, Mapping[str, Answer]]]:
    """Asks about each work's attempt, and at the same time about the payouts that are asked about
    after it, so that the answers take one call's time however many and slow they are; gives each
    work once it has all its answers."""
    of_key: dict[str, Work] = {}
    calls: list[ProviderCall] = []
    for item in work:
        for attempt in _questions(item):
            of_key[attempt.key] = item
            calls.append(_call(item, attempt))
    waiting = Counted(item.payment.id for item in of_key.values())
    answers: dict[UUID, dict[str, Answer]] = {}
    async for key, answer in _side_by_side(calls, ask, questions_max):
        item = of_key[key]
        known = answers.setdefault(item.payment.id, {})
        known[key] = answer
        if len(known) == waiting[item.payment.id]:
            yield item, known


async def _side_by_side(
    calls: Sequence[ProviderCall], ask: Ask, questions_max: int
) -> AsyncIterator[tuple[str, Answer]]:
    """The answers to the questions, in as many calls at once as they need."""
    if len(calls) <= questions_max:
        async for pair in ask(calls):
            yield pair
        return

    async def answers(first: int) -> list[tuple[str, Answer]]:
        return [pair async for pair in ask(calls[first : first + questions_max])]

    starts = range(0, len(calls), questions_max)
    for pairs in await asyncio.gather(*map(answers, starts)):
        for pair in pairs:
            yield pair


def _questions(item: Work) -> Sequence[Attempt]:
    return (live(item), *item.payouts)


def parts_of(work: Sequence[Work], questions_max: int) -> list[list[Work]]:
    """The works in parts with no more questions than one call carries; a payment with more is a
    part of its own."""
    parts: list[list[Work]] = []
    room = 0
    for item in work:
        if not parts or room < len(_questions(item)):
            parts.append([])
            room = questions_max
        parts[-1].append(item)
        room -= len(_questions(item))
    return parts


def _call(item: Work, attempt: Attempt, send_before: float = math.inf) -> ProviderCall:
    return ProviderCall(
        payment=item.payment, attempt=attempt, send_before=min(item.lease_ends, send_before)
    )
