"""The refusals of a process whose database is older: its transactions and its calls; and, while it
was not compared with every provider yet, the sends and creations that may repeat what was lost."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from services.payments.engine.ports import WorkTransaction
from services.payments.mesh.ports import ProviderCall, Providers
from services.payments.model.answer import NOT_COMPARED, Answer, Outcome
from services.payments.model.payment import Failure
from services.payments.model.timing import RATE_RETRY
from services.payments.recovery.course import OwnStanding
from services.payments.recovery.standing import Standing
from services.shared.contract import Access

READS = ":read"


class GatedWork:
    """The port WorkStore, which begins no transaction on an older database."""

    def __init__(self, inner: Any, standing: Standing) -> None:
        self._inner = inner
        self._standing = standing

    def begin(self) -> AbstractAsyncContextManager[WorkTransaction]:
        """See WorkStore.begin. Raises DatabaseOlder."""
        self._standing.refuse()
        begun: AbstractAsyncContextManager[WorkTransaction] = self._inner.begin()
        return begun


class GatedClaims:
    """A port whose work begins with a claim, as lists of events and the outbox: on an older
    database it gives `nothing`."""

    def __init__(self, inner: Any, standing: Standing, nothing: object) -> None:
        self._inner = inner
        self._standing = standing
        self._nothing = nothing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def claim(self, *asked: Any, **terms: Any) -> Any:
        """As the port's own."""
        if self._standing.is_older:
            return self._nothing
        return await self._inner.claim(*asked, **terms)


class GatedCreations:
    """The port PaymentStore, which creates nothing before every onramp was compared: a lost request
    that comes again would be charged again. First answers are given all the same."""

    def __init__(self, inner: Any, standing: OwnStanding) -> None:
        self._inner = inner
        self._standing = standing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def create(self, new: Sequence[Any]) -> Any:
        """See PaymentStore.create. Raises DatabaseOlder, Unavailable."""
        self._standing.refuse_creation()
        return await self._inner.create(new)


class GatedProviders:
    """The port Providers, which sends nothing from an older database. Of a payment from before this
    process nothing is sent until every provider was compared: any of them may have moved it on."""

    def __init__(self, inner: Providers, standing: Standing) -> None:
        self._inner = inner
        self._standing = standing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def execute(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
        """See Providers.execute."""
        sent: list[ProviderCall] = []
        for call in calls:
            if self._standing.may_send(call.payment.created_at):
                sent.append(call)
            else:
                yield call.attempt.key, _WAITS
        if sent:
            async for answer in self._inner.execute(sent):
                yield answer


def claims(standing: Standing, outbox: Any, lists: Any) -> tuple[GatedClaims, GatedClaims]:
    """The outbox and the lists of events, of which an older database has none to claim."""
    return GatedClaims(outbox, standing, ()), GatedClaims(lists, standing, None)


def admit_readers(standing: OwnStanding, access: Access) -> None:
    """Lets through what only reads, and by which an older database is recovered or accepted. Raises
    DatabaseOlder for all else."""
    only_reads = access.scopes and all(scope.endswith(READS) for scope in access.scopes)
    if not only_reads and not access.on_older_database:
        standing.refuse()


_WAITS = Answer(
    outcome=Outcome.NOT_SENT,
    failure=Failure(code=NOT_COMPARED, message="not every provider has said what it has of ours"),
    retry_after=RATE_RETRY,
)
