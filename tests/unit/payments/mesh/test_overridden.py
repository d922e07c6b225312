"""Each query goes out with the override of its own corridor."""

from collections.abc import Mapping, Sequence

from services.payments.mesh.overridden import OverriddenRates
from services.payments.mesh.ports import RateQuery
from services.payments.model.quote import RateOverride, RateTrail
from services.shared.errors import DomainError
from tests.makers import make_override, make_trail


class Asked:
    """The port Rates."""

    def __init__(self) -> None:
        self.queries: list[RateQuery] = []

    async def get(self, queries: Sequence[RateQuery]) -> Sequence[RateTrail | DomainError]:
        self.queries.extend(queries)
        return [make_trail() for _ in queries]


class InForce:
    """The port Overrides."""

    def __init__(self, overrides: Mapping[str, RateOverride]) -> None:
        self._overrides = overrides

    async def in_force(self) -> Mapping[str, RateOverride]:
        return self._overrides


async def test_a_query_has_the_override_of_its_corridor_or_none() -> None:
    asked, override = Asked(), make_override()
    rates = OverriddenRates(asked, InForce({"us-ng": override}))

    answers = await rates.get([RateQuery(corridor_id="us-in"), RateQuery(corridor_id="us-ng")])

    assert [one.override for one in asked.queries] == [None, override]
    assert len(answers) == 2


async def test_without_any_override_the_queries_are_as_they_were() -> None:
    asked, query = Asked(), RateQuery(corridor_id="us-ng", trace_ids=("1",))

    await OverriddenRates(asked, InForce({})).get([query])

    assert asked.queries == [query]
