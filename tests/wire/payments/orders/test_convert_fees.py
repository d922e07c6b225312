"""The list of corridors has each one's fees, and the age of its rate."""

from caravel.payments.v1 import payments_pb2

from tests.wire.payments.conftest import Service


async def test_corridors_show_their_fees_and_the_age_of_their_rate(service: Service) -> None:
    offered = await service.payments.ListCorridors(payments_pb2.ListCorridorsRequest())

    mexico = next(one for one in offered.corridors if one.corridor_id == "us-mx")
    assert (mexico.fees.terms.flat_usd, mexico.fees.terms.percent) == ("1.00", "1.5")
    assert [tier.from_usd for tier in mexico.fees.tiers] == ["1000.00"]
    assert mexico.fees.description.startswith("1.00 USD plus 1.5 % of the part up to 1000.00 USD")
    assert mexico.rate_trail.source
    assert mexico.rate_trail.HasField("observed_at")
