"""The refusals of a process whose database is older: its transactions and its calls; and, until it
was compared with every provider, of the work and the creations that may repeat what was lost."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from services.payments.engine.decisions.facts import Work
from services.payments.engine.ports import WorkTransaction
from services.payments.engine.quarantine import Lease
from services.payments.mesh.ports import ProviderCall
from services.payments.model.answer import Answer, Outcome
from services.payments.model.payment import Failure
from services.payments.model.timing import RATE_RETRY
from services.payments.recovery.course import OwnStanding
from services.payments.recovery.ports import NotCompared
from services.shared.contract import Access
from services.shared.errors import Unavailable

READS = ":read"


class GatedTransaction:
    """A WorkTransaction that takes up no payment from before a moment: any provider that was not
    compared may have moved it on."""

    def __init__(self, inner: WorkTransaction, created_after: datetime) -> None:
        self._inner = inner
        self._created_after = created_after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def claim(self, owner: str, **terms: Any) -> Sequence[Work]:
        """See WorkTransaction.claim."""
        return await self._inner.claim(owner, **terms, created_after=self._created_after)

    async def claim_counted(self, owner: str, **terms: Any) -> Sequence[Lease]:
        """See WorkTransaction.claim_counted."""
        return await self._inner.claim_counted(owner, **terms, created_after=self._created_after)

    async def claim_one(self, merchant_id: str, payment_id: UUID) -> Work:
        """See WorkTransaction.claim_one. Raises NotCompared."""
        work = await self._inner.claim_one(merchant_id, payment_id)
        if work.payment.created_at <= self._created_after:
            raise NotCompared
        return work


class Gated:
    """A port that refuses some of its calls by a standing, and passes all others on."""

    def __init__(self, inner: Any, standing: OwnStanding) -> None:
        self._inner = inner
        self._standing = standing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class GatedVerbs(Gated):
    """The port WorkStore for merchants' verbs, while a provider was not compared."""

    def begin(self) -> AbstractAsyncContextManager[Any]:
        """See WorkStore.begin."""
        begun: AbstractAsyncContextManager[WorkTransaction] = self._inner.begin()
        created_after = self._standing.takes_created_after
        return begun if created_after is None else _gated(begun, created_after)


class GatedWork(GatedVerbs):
    """The same for a worker, which begins no transaction on an older database."""

    def begin(self) -> AbstractAsyncContextManager[Any]:
        """See WorkStore.begin. Raises DatabaseOlder."""
        self._standing.refuse()
        return super().begin()


@asynccontextmanager
async def _gated(
    begun: AbstractAsyncContextManager[WorkTransaction], created_after: datetime
) -> AsyncIterator[GatedTransaction]:
    async with begun as transaction:
        yield GatedTransaction(transaction, created_after)


class GatedClaims(Gated):
    """A port whose work begins with a claim, as lists of events and the outbox: on an older
    database it gives `nothing`."""

    def __init__(self, inner: Any, standing: OwnStanding, nothing: object) -> None:
        super().__init__(inner, standing)
        self._nothing = nothing

    async def claim(self, *asked: Any, **terms: Any) -> Any:
        """As the port's own."""
        if self._standing.is_older:
            return self._nothing
        return await self._inner.claim(*asked, **terms)


class GatedCreations(Gated):
    """The port PaymentStore, which creates nothing before every onramp was compared: a lost request
    that comes again would be charged again. First answers are given all the same."""

    async def create(self, new: Sequence[Any]) -> Any:
        """See PaymentStore.create; each item is refused while an onramp was not compared."""
        try:
            self._standing.refuse_creation()
        except Unavailable as refusal:
            return [refusal] * len(new)
        return await self._inner.create(new)


class GatedProviders(Gated):
    """The port Providers, which sends nothing from an older database."""

    async def execute(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
        """See Providers.execute."""
        if self._standing.is_older:
            for call in calls:
                yield call.attempt.key, _OLDER
            return
        async for answer in self._inner.execute(calls):
            yield answer


def claims(standing: OwnStanding, outbox: Any, lists: Any) -> tuple[GatedClaims, GatedClaims]:
    """The outbox and the lists of events, of which an older database has none to claim."""
    return GatedClaims(outbox, standing, ()), GatedClaims(lists, standing, None)


def admit_readers(standing: OwnStanding, access: Access) -> None:
    """Lets through what only reads, and by which an older database is recovered or accepted. Raises
    DatabaseOlder for all else."""
    only_reads = access.scopes and all(scope.endswith(READS) for scope in access.scopes)
    if not only_reads and not access.on_older_database:
        standing.refuse()


_OLDER = Answer(
    outcome=Outcome.NOT_SENT,
    failure=Failure(code="database_older", message="the database is older than what has happened"),
    retry_after=RATE_RETRY,
)
