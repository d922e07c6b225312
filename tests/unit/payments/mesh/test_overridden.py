"""Each query goes out with the override of its own corridor."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from services.payments.mesh.overridden import OverriddenRates
from services.payments.mesh.ports import RateQuery
from services.payments.model.quote import RateOverride, RateTrail
from services.shared.errors import DomainError, Unavailable
from tests.makers import make_override, make_trail


class Asked:
    """The port Rates."""

    def __init__(self, *, applies: bool = True) -> None:
        self.queries: list[RateQuery] = []
        self._applies = applies

    async def get(self, queries: Sequence[RateQuery]) -> Sequence[RateTrail | DomainError]:
        self.queries.extend(queries)
        overrides = [one.override if self._applies else None for one in queries]
        return [replace(make_trail(), override=one) for one in overrides]


class InForce:
    """The port Overrides, as it answers one time after the other; the last one stays."""

    def __init__(self, *overrides: Mapping[str, RateOverride]) -> None:
        self._overrides = list(overrides)

    async def in_force(self) -> Mapping[str, RateOverride]:
        return self._overrides.pop(0) if len(self._overrides) > 1 else self._overrides[0]


async def test_a_query_has_the_override_of_its_corridor_or_none() -> None:
    asked, override = Asked(), make_override()
    rates = OverriddenRates(asked, InForce({"us-ng": override}))

    answers = await rates.get([RateQuery(corridor_id="us-in"), RateQuery(corridor_id="us-ng")])

    assert [one.override for one in asked.queries] == [None, override]
    assert [isinstance(one, RateTrail) for one in answers] == [True, True]


async def test_a_rate_without_the_override_that_was_asked_for_is_refused() -> None:
    rates = OverriddenRates(Asked(applies=False), InForce({"us-ng": make_override()}))

    market, refused = await rates.get(
        [RateQuery(corridor_id="us-in"), RateQuery(corridor_id="us-ng")]
    )

    assert isinstance(market, RateTrail)
    assert isinstance(refused, Unavailable)


async def test_a_rate_by_an_override_that_ended_while_fx_was_asked_is_asked_for_again() -> None:
    asked, override = Asked(), make_override()
    rates = OverriddenRates(asked, InForce({"us-ng": override}, {}))

    [market] = await rates.get([RateQuery(corridor_id="us-ng")])

    assert isinstance(market, RateTrail)
    assert market.override is None
    assert [one.override for one in asked.queries] == [override, None]


async def test_overrides_that_change_again_and_again_end_in_a_refusal() -> None:
    first, second = make_override(), replace(make_override(), override_id="ovr_2")
    rates = OverriddenRates(Asked(), InForce({"us-ng": first}, {"us-ng": second}, {"us-ng": first}))

    [refused] = await rates.get([RateQuery(corridor_id="us-ng")])

    assert isinstance(refused, Unavailable)


async def test_the_market_s_rate_counts_where_the_override_ended_while_fx_was_asked() -> None:
    rates = OverriddenRates(Asked(applies=False), InForce({"us-ng": make_override()}, {}))

    [market] = await rates.get([RateQuery(corridor_id="us-ng")])

    assert isinstance(market, RateTrail)


async def test_without_any_override_the_queries_are_as_they_were() -> None:
    asked, query = Asked(), RateQuery(corridor_id="us-ng", trace_ids=("1",))

    await OverriddenRates(asked, InForce({})).get([query])

    assert asked.queries == [query]
