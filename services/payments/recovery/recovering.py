"""Recovers a database that is older than what has happened. Providers are asked for all that they
did since, and each operation that was lost is given to its payment. A payment goes on by itself
only where its next attempts are the very ones that the providers have, key for key; every other one
is held first, for a person who then knows both stories. One that was lost itself is made again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.payments.engine.decisions.facts import Work
from services.payments.mesh.ports import OperationLists
from services.payments.model.answer import MISMATCHES
from services.payments.model.attempt import Capabilities, Step
from services.payments.model.attempt_key import key_of
from services.payments.model.operator import Operator
from services.payments.model.timing import COMPARE_OVERLAP
from services.payments.recovery.asking import numbers_of_payouts, open_operations
from services.payments.recovery.listing import pages_of
from services.payments.recovery.ports import (
    Explained,
    Fate,
    KnownPayment,
    LostOperation,
    LostPayments,
    Marks,
    PaymentNotHeld,
    Stated,
    Undecided,
)
from services.payments.recovery.rebuilding import Rebuilding
from services.payments.recovery.rebuilt import NotRebuildable
from services.payments.recovery.taken_up import hold_alone, take_up

NAMELESS = "payments without a name"
FINDING = "providers have operations that this database has not sent; see recover"
# A list of digests is asked for so many attempts of each payment that lost something.
NUMBERS = range(1, 6)
KEYS_MAX = 1000
NOTHING_EXPLAINED = Explained(transaction_ids=(), balances={})


@dataclass(kw_only=True)
class Report:
    """The fate of every lost operation, by payment."""

    goes_on: dict[str, list[str]] = field(default_factory=dict)
    held: dict[str, list[str]] = field(default_factory=dict)
    # Their providers do not say enough, or a worker has them.
    not_held: dict[str, list[str]] = field(default_factory=dict)
    # They were not in the database, and are again.
    rebuilt: dict[str, list[str]] = field(default_factory=dict)
    # Not in the database: somebody was charged, and nobody here knows for what.
    unknown: dict[str, list[str]] = field(default_factory=dict)
    # By this run and those before it, since the database was last accepted.
    explained: Explained = NOTHING_EXPLAINED
    is_accepted: bool = False

    @property
    def is_decided(self) -> bool:
        """Whether nothing is left to a person before payments may go on."""
        return not self.not_held and not self.unknown

    @property
    def by_fate(self) -> Mapping[Fate, dict[str, list[str]]]:
        """The same lists by the fate that each is of."""
        return {
            Fate.GOES_ON: self.goes_on,
            Fate.HELD: self.held,
            Fate.MADE_AGAIN: self.rebuilt,
            Fate.NOT_HELD: self.not_held,
            Fate.UNKNOWN: self.unknown,
        }


class Kept(Protocol):
    """The course of a recovery, kept so that it survives its process."""

    async def found(self, payments: Mapping[str, Sequence[str]]) -> None:
        """Before any decision: the payments that lost something, each with its stories. Raises
        Unavailable."""
        ...

    async def decided(self, name: str, report: Report) -> None:
        """The report has the fate of this payment, which stays so. Raises Unavailable."""
        ...

    async def explained(self, explained: Explained) -> None:
        """After all decisions. Raises Unavailable."""
        ...


class NotKept:
    """Keeps nothing."""

    async def found(self, payments: Mapping[str, Sequence[str]]) -> None:
        """See Kept.found."""

    async def decided(self, name: str, report: Report) -> None:
        """See Kept.decided."""

    async def explained(self, explained: Explained) -> None:
        """See Kept.explained."""


NOT_KEPT = NotKept()


class Recovering:
    """Asks, holds and accepts; done again it changes nothing more."""

    def __init__(
        self,
        marks: Marks,
        lists: OperationLists,
        payments: LostPayments,
        rebuilding: Rebuilding,
        declared: Mapping[str, Capabilities],
    ) -> None:
        self._marks = marks
        self._lists = lists
        self._payments = payments
        self._rebuilding = rebuilding
        self._declared = declared

    async def recover(self, operator: Operator, kept: Kept = NOT_KEPT) -> Report:
        """Raises Unavailable where a provider does not answer; then nothing was accepted."""
        report = Report()
        accepted_at = (await self._marks.read()).accepted_at
        lost = await self.lost()
        if lost:
            # Before anything else, so that every process stops where none had noticed.
            await self._marks.find(FINDING)
        by_payment: dict[UUID | None, list[LostOperation]] = {}
        for one in lost:
            by_payment.setdefault(one.payment_id, []).append(one)
        await kept.found({_name(each): [*map(str, each)] for each in by_payment.values()})
        known = await self._payments.known([found for found in by_payment if found])
        for payment_id, operations in by_payment.items():
            payment = known.get(payment_id) if payment_id else None
            if payment is None:
                await self._rebuild(report, operations, operator)
            else:
                await self._decide(report, operations, payment, operator)
            await kept.decided(_name(operations), report)
        report.explained = await self._rebuilding.explained(accepted_at)
        await kept.explained(report.explained)
        if report.is_decided:
            made = len(report.explained.transaction_ids)
            reason = f"recovered: {len(report.goes_on)} go on, {len(report.held)} are held"
            reason = f"{reason}, {made} are made again"
            await self._marks.accept(accepted_by=operator.name, reason=reason)
            report.is_accepted = True
        return report

    async def lost(self) -> Sequence[LostOperation]:
        """All operations since the last comparison that the database never began."""
        since = (await self._marks.read()).compared_at - COMPARE_OVERLAP
        sources = await self._lists.sources()
        # First those that have our keys: they name the payments of which others may have digests.
        named = [one for source in sources for one in await self._read(source, since, ())]
        ids = {one.transaction_id for one in named if one.listed.key}
        return await self._with_digests(sources, since, named, sorted(ids))

    async def _with_digests(
        self,
        sources: Sequence[tuple[str, Step]],
        since: datetime,
        named: Sequence[LostOperation],
        transaction_ids: Sequence[str],
    ) -> Sequence[LostOperation]:
        digests = {(one.provider, one.step) for one in named if not one.listed.key}
        found = [one for one in named if (one.provider, one.step) not in digests]
        for provider, step in sources:
            if (provider, step) in digests:
                begun = await self._payments.open_at(provider)
                candidates = [*dict.fromkeys((*transaction_ids, *begun))]
                keys = [key_of(one, step, number) for one in candidates for number in NUMBERS]
                found += await self._read((provider, step), since, keys)
        return found

    async def _read(
        self, source: tuple[str, Step], since: datetime, keys: Sequence[str]
    ) -> Sequence[LostOperation]:
        provider, step = source
        # Also the known ones: a digest without a name counts as lost.
        asked = [*dict.fromkeys((*await self._marks.expected_keys(provider), *keys))]
        chunks = [asked[at : at + KEYS_MAX] for at in range(0, len(asked) or 1, KEYS_MAX)]
        lost: dict[str, LostOperation] = {}
        for chunk in chunks:
            async for page in pages_of(self._lists, provider, step, since, chunk):
                for listed in page:
                    one = LostOperation(provider=provider, step=step, listed=listed)
                    # A digest that one chunk names stays named.
                    if listed.key or listed.provider_reference not in lost:
                        lost[listed.provider_reference] = one
        operations = [one.listed for one in lost.values()]
        unknown = await self._marks.unknown(provider, operations)
        return [lost[one.provider_reference] for one in unknown]

    async def _rebuild(
        self, report: Report, lost: Sequence[LostOperation], operator: Operator
    ) -> None:
        words, name = [str(one) for one in lost], _name(lost)
        try:
            payment = await self._rebuilding.rebuild(lost, operator)
            report.rebuilt[name] = [*words, f"it is {payment.status}"]
        except NotRebuildable as reason:
            report.unknown.setdefault(name, []).extend((*words, str(reason)))

    async def _decide(
        self,
        report: Report,
        lost: Sequence[LostOperation],
        payment: KnownPayment,
        operator: Operator,
    ) -> None:
        words, name = [str(one) for one in lost], payment.transaction_id
        try:
            work = await self._payments.read(payment)
            operations, paid = [*open_operations(work, lost), *lost], numbers_of_payouts(work)
            stated = await self._rebuilding.ask(work.payment, operations, paid)
            if _is_straight(stated) and await self._payments.adopt(payment, stated):
                report.goes_on[name] = words
            else:
                await self._hold(work, stated, lost, operator)
                report.held[name] = words
        except (PaymentNotHeld, Undecided) as reason:
            report.not_held[name] = [*words, str(reason)]

    async def _hold(
        self,
        work: Work,
        stated: Sequence[Stated],
        lost: Sequence[LostOperation],
        operator: Operator,
    ) -> None:
        try:
            changes = take_up(work, stated, self._declared, operator.actor)
        except Undecided:
            alone = hold_alone(work, operator.actor)
            if alone:
                await self._payments.hold(work, alone, operator, lost)
            raise
        await self._payments.hold(work, changes, operator, lost)


def _is_straight(stated: Sequence[Stated]) -> bool:
    """Whether each is the one attempt of its step, so that the engine may make the same."""
    steps = [one.operation.step for one in stated]
    differs = any(one.answer.code in MISMATCHES for one in stated)
    return Step.REFUND not in steps and len({*steps}) == len(steps) and not differs


def _name(lost: Sequence[LostOperation]) -> str:
    return lost[0].transaction_id or NAMELESS
