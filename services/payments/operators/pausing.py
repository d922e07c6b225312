"""Operators pause and resume providers and corridors. Each is one transaction with its entry in the
log of actions, and counts in every replica within a second."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from services.payments.base.paging import cut
from services.payments.mesh.ports import CurrentCorridors
from services.payments.model.operator import Operator
from services.payments.model.pause import Pause, PauseKind, UnderWay
from services.payments.operators.domain import Action
from services.payments.operators.pause_ports import PauseStore, UnderWayThere
from services.payments.operators.policy import Policy
from services.payments.operators.ports import Operations, OperatorTransaction
from services.payments.operators.trail import Trail
from services.shared.errors import DomainError, NotAllowedNow, NotFound, field_invalid
from services.shared.ids import new_id
from services.shared.rollback import repeated


class PauseExists(NotAllowedNow):
    """The target is paused in this way already, for as long or longer."""

    reason = "PAUSE_EXISTS"


class PauseNotFound(NotFound):
    """The target is not paused, or not any more."""

    reason = "PAUSE_NOT_FOUND"


class ProviderNotFound(NotFound):
    """No corridor names this provider."""

    reason = "PROVIDER_NOT_FOUND"


PAUSE: Mapping[PauseKind, Action] = {
    PauseKind.PROVIDER: Action.PAUSE_PROVIDER,
    PauseKind.CORRIDOR: Action.PAUSE_CORRIDOR,
}
RESUME: Mapping[PauseKind, Action] = {
    PauseKind.PROVIDER: Action.RESUME_PROVIDER,
    PauseKind.CORRIDOR: Action.RESUME_CORRIDOR,
}


@dataclass(frozen=True, kw_only=True)
class PauseOrder:
    """A request for a pause."""

    kind: PauseKind
    name: str
    under_way: UnderWay
    # None until an operator resumes.
    ends_at: datetime | None

    def check_end(self, now: datetime, longest: timedelta) -> None:
        """Raises Invalid; a wait lasts no longer than that."""
        if self.ends_at is None:
            return
        if self.ends_at <= now:
            raise field_invalid("ends_at", "ends_at must be in the future")
        if self.under_way is UnderWay.WAIT and self.ends_at > now + longest:
            hours = longest // timedelta(hours=1)
            words = f"with WAIT, ends_at must be at most {hours} hours away"
            raise field_invalid("ends_at", words)


NOBODY_THERE = UnderWayThere(kinds=())


@dataclass(frozen=True, kw_only=True)
class PausePreview:
    """The effect that a pause or its end would have on the payments there."""

    verb: Action
    target: str
    # As they would then be; none where it is refused.
    under_way: UnderWayThere = NOBODY_THERE
    # How many wait now for the end of a pause.
    waiting_now: int = 0
    needs_second_person: bool = False
    refusal: DomainError | None = None


class Pausing:
    """Pauses and resumes providers and corridors, and lists the pauses."""

    def __init__(
        self,
        operations: Operations,
        pauses: PauseStore,
        corridors: CurrentCorridors,
        policy: Policy,
    ) -> None:
        self._operations = operations
        self._pauses = pauses
        self._corridors = corridors
        self._policy = policy
        self._trail = Trail(operations)

    async def list(
        self, *, in_force: bool, before: UUID | None, limit: int
    ) -> tuple[datetime, Sequence[Pause], UUID | None]:
        """The database's time, a page of pauses, the newest first, and the id to go on before; None
        at the end."""
        now, found = await self._pauses.page(in_force=in_force, before=before, limit=limit + 1)
        page, last = cut(found, limit)
        return now, page, last.id if last else None

    async def pause(self, operator: Operator, order: PauseOrder) -> Pause:
        """Pauses a provider or a corridor.

        Raises CorridorUnsupported, ProviderNotFound, PauseExists, Invalid.
        """
        async with self._trail.attempt(operator, PAUSE[order.kind], order.name):
            await self._find(order.kind, order.name)
            return await self._pause(operator, order)

    async def resume(self, operator: Operator, kind: PauseKind, name: str) -> Sequence[Pause]:
        """Ends the pauses of a target. Raises PauseNotFound, ApprovalRequired."""
        async with self._trail.attempt(operator, RESUME[kind], name):
            self._policy.refuse_alone(RESUME[kind])
            return await self._resume(operator, kind, name)

    async def _find(self, kind: PauseKind, name: str) -> None:
        """Raises CorridorUnsupported, ProviderNotFound or Unavailable."""
        corridors = await self._corridors.current()
        if kind is PauseKind.CORRIDOR:
            corridors.get(name)
            return
        routes = (one.providers for one in corridors)
        if not any(name in (*one.onramps, *one.offramps) for one in routes):
            raise ProviderNotFound(provider=name)

    async def preview_pause(self, operator: Operator, order: PauseOrder) -> PausePreview:
        """The payments under way as they would then be, or the refusal that it would meet.

        Raises CorridorUnsupported, ProviderNotFound, Invalid, Unavailable.
        """
        await self._find(order.kind, order.name)

        async def begin(transaction: OperatorTransaction) -> None:
            await self._begin(transaction, operator, order)

        return await self._preview(PAUSE[order.kind], order.kind, order.name, begin)

    async def preview_resume(self, operator: Operator, kind: PauseKind, name: str) -> PausePreview:
        """The same of a resume. Raises Unavailable."""

        async def end(transaction: OperatorTransaction) -> None:
            await end_pauses(transaction, kind, name, operator)

        preview = await self._preview(RESUME[kind], kind, name, end)
        return replace(preview, needs_second_person=self._policy.asks_two(RESUME[kind]))

    @repeated
    async def _preview(
        self,
        verb: Action,
        kind: PauseKind,
        name: str,
        do: Callable[[OperatorTransaction], Awaitable[None]],
    ) -> PausePreview:
        async with self._operations.begin() as transaction:
            before = await transaction.pauses.under_way(kind, name)
            preview = PausePreview(verb=verb, target=name, waiting_now=before.waiting)
            try:
                await do(transaction)
            except (PauseExists, PauseNotFound) as refusal:
                return replace(preview, refusal=refusal)
            after = await transaction.pauses.under_way(kind, name)
            return replace(preview, under_way=after)

    @repeated
    async def _pause(self, operator: Operator, order: PauseOrder) -> Pause:
        async with self._operations.begin() as transaction:
            made = await self._begin(transaction, operator, order)
            await transaction.commit()
        return made

    async def _begin(
        self, transaction: OperatorTransaction, operator: Operator, order: PauseOrder
    ) -> Pause:
        """The pause, with its entry in the log of actions. Raises PauseExists, Invalid."""
        rows = transaction.pauses
        opened = await rows.open_of(order.kind, order.name)
        now = await rows.now()
        order.check_end(now, self._policy.pauses.longest_wait)
        for one in opened:
            if one.under_way is not order.under_way:
                continue
            if one.covers(order.ends_at):
                raise PauseExists(pause_id=one.pause_id)
            await rows.end(one.id, by=operator.name, reason=operator.note)
        made = await rows.add(
            Pause(
                id=new_id(),
                kind=order.kind,
                name=order.name,
                under_way=order.under_way,
                reason=operator.note,
                paused_by=operator.name,
                starts_at=now,
                ends_at=order.ends_at,
            )
        )
        await transaction.log(operator, PAUSE[order.kind], order.name)
        return made

    @repeated
    async def _resume(self, operator: Operator, kind: PauseKind, name: str) -> Sequence[Pause]:
        async with self._operations.begin() as transaction:
            ended = await end_pauses(transaction, kind, name, operator)
            await transaction.commit()
        return ended


async def end_pauses(
    transaction: OperatorTransaction, kind: PauseKind, name: str, operator: Operator
) -> Sequence[Pause]:
    """Ends the pauses of a target, with the entry in the log of actions. Raises PauseNotFound."""
    rows = transaction.pauses
    opened = await rows.open_of(kind, name)
    if not opened:
        raise PauseNotFound(name=name)
    ended = [await rows.end(one.id, by=operator.name, reason=operator.note) for one in opened]
    await transaction.log(operator, RESUME[kind], name)
    return ended
