"""payments behind a real server and on a real database, with the other services as fakes."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from caravel.payments.v1 import (
    admin_pb2_grpc,
    corridor_versions_pb2_grpc,
    disclosures_pb2_grpc,
    endpoints_pb2_grpc,
    inspection_pb2_grpc,
    keys_pb2_grpc,
    merchants_pb2_grpc,
    operator_keys_pb2_grpc,
    overview_pb2_grpc,
    pauses_pb2_grpc,
    payments_pb2_grpc,
    proposals_pb2_grpc,
    recovery_pb2_grpc,
    refunds_pb2_grpc,
    replays_pb2_grpc,
    search_pb2_grpc,
    tokens_pb2_grpc,
    verbs_pb2_grpc,
    webhooks_pb2_grpc,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.assembly import build_server
from services.payments.base.convert import decode_answer
from services.payments.base.corridor_versions import PostgresCorridorVersions
from services.payments.config import ServiceSettings
from services.payments.engine.store.work import PostgresWork
from services.payments.merchants.held import HeldCredentials
from services.payments.merchants.store import PostgresCredentials, PostgresKeys, PostgresLeaks
from services.payments.merchants.tokens.opening import Tokens, TokenSettings, own_tokens
from services.payments.mesh.corridors import HeldCorridors
from services.payments.model.corridor_version import OURSELVES, CorridorVersion
from services.payments.operators.corridors import START, CorridorVersions
from services.payments.operators.exposure import ExposureWatch
from services.payments.operators.exposure_limits import ExposureLimitsFile
from services.payments.operators.held_overrides import ReadOverrides
from services.payments.operators.ports import OperatorStores
from services.payments.operators.store.corridors import PostgresCorridors
from services.payments.operators.store.opening import open_stores
from services.payments.operators.trail import Trail
from services.payments.orders.opening import InForce
from services.payments.orders.store.payments import PostgresPayments
from services.payments.orders.store.scoreboard import PostgresScoreboards
from services.payments.recovery.course import OwnStanding
from services.payments.recovery.opening import Recoverable
from services.payments.recovery.ports import DatabaseOlder
from services.payments.recovery.store.recoveries import PostgresRecoveries
from services.payments.webhooks_in.store.inbox import PostgresInbox
from services.payments.webhooks_out.convert import encode_event
from services.payments.webhooks_out.store.endpoints import PostgresEndpoints
from services.shared.clock import SystemClock
from services.shared.corridors import canonical, read_folder
from services.shared.deployment import Deployment
from services.shared.grpc_server import GrpcServer
from services.shared.identity import Identity
from tests.conftest import ROOT
from tests.explained import unexplained
from tests.fakes import (
    CheckedCorridors,
    FixedFees,
    FixedRates,
    Held,
    ReadPauses,
    ScriptedProviders,
)
from tests.identities import channel_as
from tests.rails import any_rails

CORRIDORS = ROOT / "deploy" / "corridors"


@dataclass(frozen=True)
class Stands:
    """A replica's knowledge of its database."""

    is_older: bool

    def refuse(self) -> None:
        if self.is_older:
            raise DatabaseOlder

    async def ask(self) -> None:
        self.refuse()


AS_NEW, OLDER = Stands(is_older=False), Stands(is_older=True)


@dataclass
class Service:
    """A running payments service and what stands behind it."""

    payments: "payments_pb2_grpc.PaymentServiceAsyncStub"
    webhooks: "webhooks_pb2_grpc.WebhookServiceAsyncStub"
    endpoints: "endpoints_pb2_grpc.EndpointServiceAsyncStub"
    admin: "admin_pb2_grpc.AdminServiceAsyncStub"
    refunds: "refunds_pb2_grpc.RefundServiceAsyncStub"
    disclosures: "disclosures_pb2_grpc.DisclosureServiceAsyncStub"
    keys: "keys_pb2_grpc.KeyServiceAsyncStub"
    operator_keys: "operator_keys_pb2_grpc.OperatorKeyServiceAsyncStub"
    merchants: "merchants_pb2_grpc.MerchantServiceAsyncStub"
    inspection: "inspection_pb2_grpc.InspectionServiceAsyncStub"
    pauses: "pauses_pb2_grpc.PauseServiceAsyncStub"
    replays: "replays_pb2_grpc.ReplayServiceAsyncStub"
    corridors: "corridor_versions_pb2_grpc.CorridorVersionServiceAsyncStub"
    proposals: "proposals_pb2_grpc.ProposalServiceAsyncStub"
    recovery: "recovery_pb2_grpc.RecoveryServiceAsyncStub"
    search: "search_pb2_grpc.SearchServiceAsyncStub"
    overview: "overview_pb2_grpc.OverviewServiceAsyncStub"
    verbs: "verbs_pb2_grpc.VerbServiceAsyncStub"
    tokens: "tokens_pb2_grpc.TokenServiceAsyncStub"
    fees: FixedFees
    rates: FixedRates
    providers: ScriptedProviders
    exposure: ExposureWatch
    held: HeldCorridors
    check: CheckedCorridors
    port: int


@pytest.fixture(params=[Deployment.SANDBOX])
async def service(request: pytest.FixtureRequest, engine: AsyncEngine) -> AsyncIterator[Service]:
    """A sandbox; parametrise indirectly with another deployment."""
    async with serving_payments(engine, CORRIDORS, request.param) as service:
        yield service


def _settings(
    corridors: Path, deployment: Deployment, limits: Path | None, policy: Path | None
) -> ServiceSettings:
    return ServiceSettings(
        database_url="postgresql://unused",
        providers_target="unused",
        fees_target="unused",
        fx_target="unused",
        corridors_dir=corridors,
        deployment=deployment,
        limits_file=limits,
        policy_file=policy,
    )


def _channel(target: str, *, secure: bool) -> grpc.aio.Channel:
    if secure:
        return channel_as("gateway", "payments", target)
    return grpc.aio.insecure_channel(target)


def _in_force(operators: OperatorStores) -> InForce:
    return InForce(
        overrides=ReadOverrides(operators.overrides), pauses=ReadPauses(operators.pauses)
    )


@asynccontextmanager
async def serving_payments(
    engine: AsyncEngine,
    corridors: Path,
    deployment: Deployment = Deployment.SANDBOX,
    tokens: TokenSettings | Tokens | None = None,
    *,
    limits: Path | None = None,
    exposure_limits: Path | None = None,
    policy: Path | None = None,
    identity: Identity | None = None,
    standing: OwnStanding = AS_NEW,
) -> AsyncIterator[Service]:
    """The service over the corridors of a folder; in the clear with no identity."""
    config = _settings(corridors, deployment, limits, policy)
    fees, rates, providers = FixedFees(), FixedRates(), ScriptedProviders()
    credentials = HeldCredentials(PostgresCredentials(engine))
    held, applied = await _held(engine, corridors), PostgresCorridors(engine)
    check = CheckedCorridors()
    operators = open_stores(engine, encode_event, decode_answer)
    limited = ExposureLimitsFile(exposure_limits)
    trail = Trail(operators.operations)
    exposure = ExposureWatch(operators.positions, rates, held, limited, SystemClock())
    server = build_server(
        config,
        corridors=CorridorVersions(held, applied, (check,), trail, deployment),
        fees=fees,
        rates=rates,
        providers=providers,
        declared=Held(any_rails()),
        store=PostgresPayments(engine, encode_event, decode_answer),
        work=PostgresWork(engine, encode_event, decode_answer=decode_answer),
        inbox=PostgresInbox(engine),
        endpoints=PostgresEndpoints(engine),
        operators=operators,
        credentials=credentials,
        keys=PostgresKeys(engine),
        tokens=tokens if isinstance(tokens, Tokens) else own_tokens(tokens or config.tokens),
        leaks=PostgresLeaks(engine),
        exposure=exposure,
        counts=PostgresScoreboards(engine),
        in_force=_in_force(operators),
        recoverable=Recoverable(
            recoveries=PostgresRecoveries(engine), standing=standing, wake=lambda: None
        ),
        identity=identity,
    )
    parts = {"fees": fees, "rates": rates, "providers": providers, "exposure": exposure}
    async with credentials.refreshed(), _serving(server, identity) as channel:
        yield Service(**_stubs(channel), **parts, held=held, check=check, port=server.port)
    assert await unexplained(engine) == []


class _Counting(PostgresCorridorVersions):
    """The versions at the moment from which the newest counts."""

    async def open(self) -> tuple[datetime, Sequence[CorridorVersion]]:
        now, versions = await super().open()
        return max([now, *(one.effective_at for one in versions)]), versions


async def _held(engine: AsyncEngine, folder: Path) -> HeldCorridors:
    """The corridors of a folder; by a clock that stands, so that a reading never grows old."""
    await PostgresCorridors(engine).add(canonical(read_folder(folder)), OURSELVES, START, None)
    held = HeldCorridors(_Counting(engine), live=False, clock=lambda: 0.0)
    await held.load()
    return held


@asynccontextmanager
async def _serving(
    server: GrpcServer, identity: Identity | None
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the server while it runs."""
    await server.start("127.0.0.1", 0)
    await server.set_serving()
    try:
        async with _channel(f"127.0.0.1:{server.port}", secure=identity is not None) as channel:
            yield channel
    finally:
        # Also where a test fails: a server that goes on keeps the process from its end.
        await server.stop(0)


def _stubs(channel: grpc.aio.Channel) -> dict[str, Any]:
    return {
        "payments": payments_pb2_grpc.PaymentServiceStub(channel),
        "webhooks": webhooks_pb2_grpc.WebhookServiceStub(channel),
        "endpoints": endpoints_pb2_grpc.EndpointServiceStub(channel),
        "admin": admin_pb2_grpc.AdminServiceStub(channel),
        "refunds": refunds_pb2_grpc.RefundServiceStub(channel),
        "disclosures": disclosures_pb2_grpc.DisclosureServiceStub(channel),
        "keys": keys_pb2_grpc.KeyServiceStub(channel),
        "operator_keys": operator_keys_pb2_grpc.OperatorKeyServiceStub(channel),
        "merchants": merchants_pb2_grpc.MerchantServiceStub(channel),
        "tokens": tokens_pb2_grpc.TokenServiceStub(channel),
        "inspection": inspection_pb2_grpc.InspectionServiceStub(channel),
        "pauses": pauses_pb2_grpc.PauseServiceStub(channel),
        "replays": replays_pb2_grpc.ReplayServiceStub(channel),
        "proposals": proposals_pb2_grpc.ProposalServiceStub(channel),
        "recovery": recovery_pb2_grpc.RecoveryServiceStub(channel),
        "search": search_pb2_grpc.SearchServiceStub(channel),
        "overview": overview_pb2_grpc.OverviewServiceStub(channel),
        "verbs": verbs_pb2_grpc.VerbServiceStub(channel),
        "corridors": corridor_versions_pb2_grpc.CorridorVersionServiceStub(channel),
    }
