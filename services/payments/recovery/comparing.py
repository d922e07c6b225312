"""The lists of what providers have of ours, whole and for a time, beside the attempts of the
database: for a person, who sees more in it than whether the database is older."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.payments.mesh.ports import ListedOperation, OperationLists
from services.payments.model.attempt import Step
from services.payments.recovery.listing import pages_of
from services.payments.recovery.ports import LostOperation, Marks
from services.payments.recovery.standing import counts
from services.shared.errors import Unavailable


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One list of one provider."""

    provider: str
    step: Step
    # None where the provider did not answer.
    operations: int | None
    unknown: Sequence[LostOperation] = ()
    # Unknown ones that an operator has accepted with the database.
    accepted: int = 0


class Comparing:
    """Compares and changes nothing."""

    def __init__(self, marks: Marks, lists: OperationLists) -> None:
        self._marks = marks
        self._lists = lists

    async def compare(self, since: datetime) -> Sequence[Compared]:
        """Every list from then on. Raises Unavailable where nobody answers."""
        return [
            await self._compare(provider, step, since)
            for provider, step in await self._lists.sources()
        ]

    async def _compare(self, provider: str, step: Step, since: datetime) -> Compared:
        mark = await self._marks.read()
        try:
            operations, unknown = await self._read(provider, step, since)
            if unknown:
                # One that was begun while the list was read is known to the next.
                seen = {one.provider_reference for one in unknown}
                _, again = await self._read(provider, step, since)
                unknown = [one for one in again if one.provider_reference in seen]
        except Unavailable:
            return Compared(provider=provider, step=step, operations=None)
        open_ones = [one for one in unknown if counts(one, mark)]
        return Compared(
            provider=provider,
            step=step,
            operations=operations,
            unknown=[LostOperation(provider=provider, step=step, listed=one) for one in open_ones],
            accepted=len(unknown) - len(open_ones),
        )

    async def _read(
        self, provider: str, step: Step, since: datetime
    ) -> tuple[int, Sequence[ListedOperation]]:
        """How many there are, and those that are unknown here."""
        operations, unknown = 0, list[ListedOperation]()
        expected = await self._marks.expected_keys(provider)
        async for page in pages_of(self._lists, provider, step, since, expected):
            operations += len(page)
            unknown += await self._marks.unknown(provider, page)
        return operations, unknown
