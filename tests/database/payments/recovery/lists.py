"""Lists of operations as providers answer them, and a process that compares with them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.mesh.ports import ListedOperation, OperationPage
from services.payments.model.attempt import Step
from services.payments.recovery.standing import Standing
from services.payments.recovery.store.marks import PostgresMarks
from services.shared.errors import Unavailable
from services.shared.ids import Prefix, encode_id, new_id

SOURCES = (("stripe", Step.COLLECTION), ("local_wallet", Step.PAYOUT))


class Lists:
    """The providers' lists, by provider; None for one that does not answer."""

    def __init__(self, **known: Sequence[ListedOperation] | None) -> None:
        self.known: dict[str, Sequence[ListedOperation] | None] = known
        self.asked: list[tuple[str, datetime, Sequence[str]]] = []
        self.all_sources: Sequence[tuple[str, Step]] = SOURCES

    async def sources(self) -> Sequence[tuple[str, Step]]:
        return self.all_sources

    async def read(
        self,
        provider: str,
        step: Step,
        *,
        since: datetime,
        page: str = "",
        expected_keys: Sequence[str] = (),
    ) -> OperationPage:
        self.asked.append((provider, since, expected_keys))
        found = self.known.get(provider, ())
        if found is None:
            raise Unavailable
        # Those of another kind are on a list of their own.
        kept = [one for one in found if not one.key or f"-{step}-" in one.key]
        return OperationPage(operations=tuple(kept))


class NamedLater(Lists):
    """Lists of digests, which name each key from the second time on."""

    async def read(self, provider: str, *asked: Any, **terms: Any) -> OperationPage:
        is_first = all(name != provider for name, _, _ in self.asked)
        page = await super().read(provider, *asked, **terms)
        operations = [replace(one, key="") if is_first else one for one in page.operations]
        return OperationPage(operations=tuple(operations))


class Digests(Lists):
    """Lists of which these providers' have digests, and name the expected keys alone."""

    def __init__(self, *digests: str) -> None:
        super().__init__()
        self._digests = digests

    async def read(self, provider: str, *asked: Any, **terms: Any) -> OperationPage:
        page = await super().read(provider, *asked, **terms)
        if provider not in self._digests:
            return page
        known = terms["expected_keys"]
        named = [one if one.key in known else replace(one, key="") for one in page.operations]
        return OperationPage(operations=tuple(named))


def listed(key: str, **changes: Any) -> ListedOperation:
    """An operation that a provider has just made."""
    stated = {"provider_reference": f"x_{key}", "created_at": datetime.now(UTC), **changes}
    return ListedOperation(key=key, **stated)


def lost_key(step: Step = Step.COLLECTION) -> str:
    """The key of an operation of a payment that no database knows."""
    return f"{encode_id(Prefix.PAYMENT, new_id())}-{step}-1"


async def begun(engine: AsyncEngine, lists: Lists, *, grows: bool = True) -> Standing:
    """A process that has compared the database with those that answer."""
    standing = Standing(PostgresMarks(engine), lists, grows=grows)
    await standing.begin(at_most_seconds=0.0)
    return standing
