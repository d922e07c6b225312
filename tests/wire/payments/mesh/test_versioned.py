"""payments names the version of the corridor files in each call of fees and fx, and sends the files
to a replica that does not know it: none ever answers by another version."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from caravel.common.v1 import corridors_pb2

from services.fees import assembly as fees_assembly
from services.fees.config import Config as FeesConfig
from services.fx import assembly as fx_assembly
from services.fx.config import Config as FxConfig
from services.payments.mesh.fees import GrpcFees
from services.payments.mesh.fx import GrpcRates
from services.payments.mesh.ports import FeeQuery, RateQuery
from services.payments.mesh.versioned import BRINGING_CALLS, VersionedCalls
from services.payments.model.quote import Fees, RateTrail
from services.shared.corridors import (
    CorridorFiles,
    CorridorsVersionUnknown,
    canonical,
    read_folder,
    version_of,
)
from services.shared.errors import NotAllowedNow, Unavailable
from services.shared.money import Money
from tests.corridors import SHIPPED, replaced

# The folder that fees and fx are started with.
OWN = read_folder(SHIPPED)
DEARER = replaced("markup_basis_points = 50", "markup_basis_points = 90")
FLAT = {
    **OWN,
    "us-jp.toml": OWN["us-jp.toml"].partition("[[fees]]")[0]
    + '[[fees]]\nversion = "flat"\neffective_from = 2026-01-01\nflat_usd = "1.23"\n',
}
# A source of rates that no shipped corridor names.
UNOPENED = replaced('sources = ["ecb"]', 'sources = ["frankfurter", "ecb"]')


def version(files: CorridorFiles) -> str:
    return version_of(canonical(files))


class Database:
    """The files of each version, and how often they were read."""

    def __init__(self, *contents: CorridorFiles) -> None:
        self.contents = {version(files): files for files in contents}
        self.read = 0

    async def files(self, version: str) -> CorridorFiles:
        self.read += 1
        return self.contents[version]


@asynccontextmanager
async def replica(assembly: Any, config: Any) -> AsyncIterator[grpc.aio.Channel]:
    """One that was started with its own folder."""
    settings = config.load({"CORRIDORS_DIR": str(SHIPPED), "DEPLOYMENT": "sandbox"})
    async with assembly.assemble(settings) as server:
        await server.start("127.0.0.1", 0)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            yield channel
        await server.stop(0)


def fee_query(files: CorridorFiles, corridor_id: str = "us-jp") -> FeeQuery:
    return FeeQuery(
        corridor_id=corridor_id,
        merchant_id="sandbox",
        amount=Money(10_000, "USD"),
        trace_id="",
        corridors_version=version(files),
    )


async def fees_of(fees: GrpcFees, files: CorridorFiles) -> str:
    [answer] = await fees.calculate([fee_query(files)])
    assert isinstance(answer, Fees)
    return str(answer.total)


async def margin_of(rates: GrpcRates, files: CorridorFiles) -> int:
    [answer] = await rates.get([RateQuery(corridor_id="us-in", corridors_version=version(files))])
    assert isinstance(answer, RateTrail)
    return answer.markup_basis_points


async def test_fees_are_those_of_the_version_that_the_call_names() -> None:
    database = Database(OWN, FLAT)
    async with replica(fees_assembly, FeesConfig) as channel:
        fees = GrpcFees(channel, database.files)
        before = await fees_of(fees, OWN)
        after = await fees_of(fees, FLAT)

        assert (before != after, after) == (True, "1.23")
        assert await fees_of(fees, OWN) == before
        # The replica knew its own, and was sent the other once.
        assert database.read == 1


async def test_rates_are_those_of_the_version_that_the_call_names() -> None:
    database = Database(OWN, DEARER)
    async with replica(fx_assembly, FxConfig) as channel:
        rates = GrpcRates(channel, database.files)

        assert [await margin_of(rates, one) for one in (OWN, DEARER, OWN)] == [50, 90, 50]
        assert database.read == 1


async def test_a_replica_that_was_started_again_is_sent_the_files_again() -> None:
    database = Database(DEARER)
    for _ in range(2):
        async with replica(fx_assembly, FxConfig) as channel:
            assert await margin_of(GrpcRates(channel, database.files), DEARER) == 90


async def test_a_service_that_cannot_use_the_files_prices_nothing_by_them() -> None:
    database = Database(UNOPENED)
    async with replica(fx_assembly, FxConfig) as channel:
        rates = GrpcRates(channel, database.files)

        with pytest.raises(Unavailable, match="fx cannot use the corridor files that count"):
            await margin_of(rates, UNOPENED)
        assert await margin_of(rates, OWN) == 50


class Replicas:
    """Several behind one channel, each call to the next one; each keeps what it is sent."""

    def __init__(self, count: int) -> None:
        self.known: list[set[str]] = [set() for _ in range(count)]
        self.calls = 0

    async def call(self, named: corridors_pb2.CorridorsVersion) -> str:
        known = self.known[self.calls % len(self.known)]
        self.calls += 1
        if named.files:
            known.add(named.version)
        if named.version not in known:
            raise CorridorsVersionUnknown(version=named.version)
        return named.version


@pytest.mark.parametrize("count", [1, 2, 3, BRINGING_CALLS])
async def test_each_replica_behind_a_name_gets_the_files_in_its_turn(count: int) -> None:
    database, replicas = Database(OWN), Replicas(count)
    versioned = VersionedCalls("fees", database.files)

    asked = [await versioned.ask([fee_query(OWN)], replicas.call) for _ in range(3 * count)]

    assert asked == [version(OWN)] * 3 * count
    assert all(replicas.known)
    # One refusal, and every other call was answered at once.
    assert replicas.calls == 3 * count + 1
    assert database.read == 1


@pytest.mark.parametrize("versions", [["a", "b"], [""], ["a", ""]])
async def test_a_call_without_one_version_is_a_mistake_of_ours(versions: Sequence[str]) -> None:
    queries = [RateQuery(corridor_id="us-in", corridors_version=one) for one in versions]

    with pytest.raises(ValueError, match="one version"):
        await VersionedCalls("fx", Database().files).ask(queries, Replicas(1).call)


async def test_another_refusal_comes_back_as_it_is() -> None:
    class Refused(NotAllowedNow):
        reason = "QUOTE_EXPIRED"

    async def refuse(_: corridors_pb2.CorridorsVersion) -> str:
        raise Refused

    with pytest.raises(Refused):
        await VersionedCalls("fees", Database().files).ask([fee_query(OWN)], refuse)


async def test_a_service_that_forgets_the_files_at_once_is_not_asked_for_ever() -> None:
    async def forget(named: corridors_pb2.CorridorsVersion) -> str:
        raise CorridorsVersionUnknown(version=named.version)

    with pytest.raises(Unavailable):
        await VersionedCalls("fees", Database(OWN).files).ask([fee_query(OWN)], forget)
