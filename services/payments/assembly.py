"""Picks the concrete classes for the service and for the worker. Tests call the same functions,
and may bring their own ports."""

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from services.payments.audit.auditor import METRICS, Auditor
from services.payments.audit.opening import opened_audit
from services.payments.audit.watch import PostgresWatch
from services.payments.audit.watcher import WATCH_METRICS, Watcher
from services.payments.base import wake
from services.payments.base.convert import decode_answer
from services.payments.base.corridor_versions import PostgresCorridorVersions
from services.payments.base.database import Opened, opened_database
from services.payments.base.database_readiness import all_of, opened_readiness
from services.payments.base.disk import publish_disk
from services.payments.base.wake import Alarm
from services.payments.config import (
    DatabaseSettings,
    ServiceSettings,
    WorkerSettings,
)
from services.payments.disclosures.servicer import DisclosureServicer
from services.payments.disclosures.usecases import Disclosures
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.ports import WorkStore
from services.payments.engine.store.work import PostgresWork
from services.payments.engine.worker import Worker
from services.payments.merchants.authoriser import Authoriser
from services.payments.merchants.held import HeldCredentials
from services.payments.merchants.leaks import LeakReports
from services.payments.merchants.opening import open_authoriser
from services.payments.merchants.ports import Credentials, KeyStore, LeakStore
from services.payments.merchants.servicer import KeyServicer
from services.payments.merchants.store import PostgresCredentials, PostgresKeys, PostgresLeaks
from services.payments.merchants.tokens.opening import Tokens, opened_tokens
from services.payments.merchants.tokens.servicer import TokenServicer
from services.payments.merchants.usecases import Keys
from services.payments.mesh.channels import opened_fees, opened_providers, opened_rates
from services.payments.mesh.corridors import CurrentRates, HeldCorridors
from services.payments.mesh.declared import DeclaredCapabilities
from services.payments.mesh.overridden import OverriddenRates
from services.payments.mesh.ports import FeeBook, Providers, Rates
from services.payments.mesh.starting import answered, declared_at_start, refuse_mixed
from services.payments.model.progress import expected_times
from services.payments.model.roles import ROLES
from services.payments.model.timing import (
    AUDIT_STATEMENT_SECONDS,
    CREDENTIALS_STATEMENT_SECONDS,
    DELIVERY,
)
from services.payments.model.timing_fit import refuse_misfits
from services.payments.operators.corridors import CorridorVersions, begun
from services.payments.operators.expiring import Expiring
from services.payments.operators.exposure import ExposureWatch
from services.payments.operators.exposure_limits import ExposureLimitsFile
from services.payments.operators.held_overrides import HeldOverrides, ReadOverrides
from services.payments.operators.held_pauses import HeldPauses
from services.payments.operators.inspection import Inspecting
from services.payments.operators.opening import Servicer, open_servicers
from services.payments.operators.policy import load_policy
from services.payments.operators.ports import OperatorStores
from services.payments.operators.servicer.inspection import InspectionServicer
from services.payments.operators.store.corridors import PostgresCorridors
from services.payments.operators.store.opening import open_stores
from services.payments.operators.store.overrides import PostgresOverrides
from services.payments.operators.store.pauses import PostgresPauses
from services.payments.operators.trail import KeptAdmission, Trail
from services.payments.orders.opening import InForce, OrderPorts, Orders, open_orders
from services.payments.orders.ports import Declared, PaymentStore
from services.payments.orders.scoreboard import ScoreboardStore
from services.payments.orders.store.payments import PostgresPayments
from services.payments.orders.store.scoreboard import PostgresScoreboards
from services.payments.recovery import gates
from services.payments.recovery.opening import Recoverable, compared, open_servicer, recovered
from services.payments.recovery.store.marks import PostgresMarks
from services.payments.webhooks_in.ports import Inbox
from services.payments.webhooks_in.reader import EventReader
from services.payments.webhooks_in.servicer import WebhookServicer
from services.payments.webhooks_in.store.inbox import PostgresInbox
from services.payments.webhooks_in.store.lists import PostgresEventLists
from services.payments.webhooks_in.usecases import Webhooks
from services.payments.webhooks_out.convert import encode_event
from services.payments.webhooks_out.deliverer import Deliverer
from services.payments.webhooks_out.ports import EndpointStore, EventSender, Outbox
from services.payments.webhooks_out.sender import open_sender
from services.payments.webhooks_out.servicer import EndpointServicer
from services.payments.webhooks_out.store.endpoints import PostgresEndpoints
from services.payments.webhooks_out.store.outbox import PostgresOutbox
from services.payments.webhooks_out.usecases import Endpoints
from services.shared.beside import beside
from services.shared.clock import SystemClock
from services.shared.db import Address
from services.shared.deployment import Deployment
from services.shared.grpc_server import GrpcServer
from services.shared.identity import Identity
from services.shared.readiness import Ask, Readiness

# Takes a port and gives one of the same kind; tests put their own in front of the real ones.
Wrap = Callable[[Any], Any]


def _as_it_is(port: Any) -> Any:
    return port


def build_server(
    config: ServiceSettings,
    *,
    corridors: CorridorVersions,
    fees: FeeBook,
    rates: Rates,
    providers: Providers,
    declared: Declared,
    store: PaymentStore,
    work: WorkStore,
    inbox: Inbox,
    endpoints: EndpointStore,
    operators: OperatorStores,
    credentials: Credentials,
    keys: KeyStore,
    tokens: Tokens,
    leaks: LeakStore,
    exposure: ExposureWatch,
    counts: ScoreboardStore,
    in_force: InForce,
    recoverable: Recoverable,
    ready: Ask | None = None,
    identity: Identity | None = None,
) -> GrpcServer:
    """The service over any ports; unready while `ready` raises; in the clear with no identity."""
    ports = OrderPorts(
        corridors=corridors.current,
        fees=fees,
        rates=OverriddenRates(rates, in_force.overrides),
        providers=providers,
        declared=declared,
        store=store,
        work=work,
        counts=counts,
        exposure=exposure,
        pauses=in_force.pauses,
    )
    orders = _orders(config, ports)
    authoriser = open_authoriser(credentials, tokens, config.limits_file, config.deployment)
    market = {"rates": rates, "corridors": corridors}
    return _answering(
        _server(authoriser, operators, recoverable, ready, identity),
        *orders.servicers,
        DisclosureServicer(Disclosures(store)),
        *_webhooks(config, providers, inbox, endpoints),
        TokenServicer(tokens.issuing, authoriser.of_client),
        KeyServicer(Keys(keys, is_live=config.is_live), LeakReports(credentials, leaks)),
        *_for_operators(config, operators, ports, orders, recoverable, **market),
        InspectionServicer(_inspecting(operators, ports), exposure, orders.scoreboards),
    )


def _server(
    authoriser: Authoriser,
    operators: OperatorStores,
    recoverable: Recoverable,
    ready: Ask | None,
    identity: Identity | None,
) -> GrpcServer:
    admit = KeptAdmission(authoriser.admit, Trail(operators.operations)).admit
    server = GrpcServer(admit, identity=identity, readiness=ready and partial(Readiness, ready))
    server.gate = partial(gates.admit_readers, recoverable.standing)
    return server


def _answering(server: GrpcServer, *servicers: Servicer) -> GrpcServer:
    for servicer in servicers:
        servicer.add_to(server)
    return server


def _orders(config: ServiceSettings, ports: OrderPorts) -> Orders:
    return open_orders(
        ports,
        deployment=config.deployment,
        batch_max=config.batch_max,
        waiting_max=config.waiting_max,
    )


def _webhooks(
    config: ServiceSettings, providers: Providers, inbox: Inbox, endpoints: EndpointStore
) -> Sequence[Servicer]:
    sandbox = config.deployment is Deployment.SANDBOX
    webhooks = Webhooks(providers, inbox, sandbox=sandbox, waiting_max=config.waiting_max)
    return WebhookServicer(webhooks), EndpointServicer(Endpoints(endpoints, config.targets))


def _inspecting(stores: OperatorStores, ports: OrderPorts) -> Inspecting:
    return Inspecting(stores.inspected, ports.corridors, lambda: ports.declared.current)


def _for_operators(
    config: ServiceSettings,
    stores: OperatorStores,
    ports: OrderPorts,
    orders: Orders,
    recoverable: Recoverable,
    **others: Any,
) -> Sequence[Servicer]:
    policy = load_policy(config.policy_file)
    servicers = open_servicers(
        stores,
        policy,
        providers=ports.providers,
        declared=lambda: ports.declared.current,
        corrections=orders.correcting,
        is_live=config.is_live,
        refuse_older=recoverable.standing.refuse,
        **others,
    )
    return (*servicers, open_servicer(recoverable, stores.operations, policy))


@asynccontextmanager
async def assemble(
    config: ServiceSettings, identity: Identity, wrap: Wrap = _as_it_is
) -> AsyncIterator[GrpcServer]:
    """The service as it runs: PostgreSQL, and fees, fx and providers over gRPC."""
    publish_disk(config.database_folder)
    async with (
        _working(config, "caravel-payments", pool_size=10) as engine,
        _held(config) as (credentials, in_force, held),
        opened_fees(config.fees_target, identity, held.files) as fees,
        opened_rates(config.fx_target, identity, held.files) as rates,
        opened_providers(config.providers_target, identity) as providers,
        opened_tokens(config.tokens, roles=ROLES) as tokens,
        opened_readiness(_url(config)) as ready,
        recovered(engine, providers, config.providers_target, identity) as recoverable,
    ):
        declared = await declared_at_start(providers, config.deployment)
        stores = open_stores(engine, encode_event, decode_answer)
        checks, trail = (fees, rates, providers), Trail(stores.operations)
        applied = PostgresCorridors(engine)
        corridors = CorridorVersions(held, applied, checks, trail, config.deployment)
        again = await begun(corridors, config.corridors_dir)
        limits = ExposureLimitsFile(config.exposure_limits_file)
        exposure = ExposureWatch(stores.positions, rates, held, limits, SystemClock())
        server = build_server(
            config,
            corridors=corridors,
            fees=wrap(fees),
            rates=wrap(rates),
            providers=wrap(providers),
            declared=declared,
            store=gates.GatedCreations(wrap(_payments(engine)), recoverable.standing),
            work=gates.GatedVerbs(wrap(_work(engine)), recoverable.standing),
            inbox=wrap(PostgresInbox(engine)),
            endpoints=PostgresEndpoints(engine),
            operators=replace(stores, operations=wrap(stores.operations)),
            credentials=credentials,
            keys=PostgresKeys(engine),
            tokens=tokens,
            leaks=PostgresLeaks(engine),
            exposure=exposure,
            counts=PostgresScoreboards(engine),
            in_force=in_force,
            recoverable=recoverable,
            ready=all_of(ready, held.refuse_unreadable, recoverable.standing.ask),
            identity=identity,
        )
        server.on_hangup = again.ask
        applying, expiring = beside(again.run), beside(Expiring(stores.proposals).run)
        async with declared.refreshed(), held.refreshed(), exposure.watched(), applying, expiring:
            yield server


@asynccontextmanager
async def assemble_worker(
    config: WorkerSettings, identity: Identity, wrap: Wrap = _as_it_is
) -> AsyncIterator[GrpcServer]:
    """The worker as it runs, with a server for its health alone.

    Raises TimesDoNotFit where the times of the environment or of a provider contradict each other.
    """
    refuse_misfits(config.times, {})
    async with (
        _working(config, "caravel-worker", pool_size=8) as engine,
        opened_rates(config.fx_target, identity, PostgresCorridorVersions(engine).files) as rates,
        opened_providers(config.providers_target, identity) as providers,
        open_sender(SystemClock(), config.targets) as sender,
        compared(PostgresMarks(engine), config.providers_target, identity, grows=True) as standing,
    ):
        refuse_mixed(await answered(providers.deployment), config.deployment)
        declared = DeclaredCapabilities(providers, check=partial(refuse_misfits, config.times))
        await answered(declared.load)
        watcher = Watcher(PostgresWatch(engine, expected_times(declared)), WATCH_METRICS)
        by_version = CurrentRates(wrap(rates), PostgresCorridorVersions(engine))
        worker = Worker(
            owner=f"{socket.gethostname()}:{os.getpid()}",
            store=gates.GatedWork(wrap(PostgresWork(engine, encode_event)), standing),
            providers=gates.GatedProviders(wrap(providers), standing),
            rates=OverriddenRates(by_version, ReadOverrides(PostgresOverrides(engine))),
            decider=Decider(declared, random.random),
            on_hold=watcher.wake,
            **config.pace,
        )
        outbox, lists = gates.claims(standing, PostgresOutbox(engine), PostgresEventLists(engine))
        deliverer = _deliverer(config, outbox, wrap(sender))
        reads = (wrap(providers), wrap(PostgresInbox(engine)), lists)
        reader = EventReader(*reads, declared, every_seconds=config.events_seconds)
        stopping = asyncio.Event()
        loops = (worker, deliverer, watcher, reader)
        alarm = Alarm(_url(config), {wake.PAYMENTS: worker.wake, wake.MESSAGES: deliverer.wake})
        async with (
            alarm.listening(),
            declared.refreshed(),
            _auditing(config),
            opened_readiness(_url(config)) as ready,
        ):
            running = [asyncio.create_task(loop.run(stopping)) for loop in loops]
            yield GrpcServer(
                identity=identity, readiness=partial(Readiness, all_of(ready, standing.ask))
            )
            stopping.set()
            for loop in loops:
                loop.wake()
            await asyncio.gather(*running)


def _work(engine: Any) -> PostgresWork:
    return PostgresWork(engine, encode_event, decode_answer=decode_answer)


def _payments(engine: Any) -> PostgresPayments:
    return PostgresPayments(engine, encode_event, decode_answer)


def _deliverer(config: WorkerSettings, outbox: Outbox, sender: EventSender) -> Deliverer:
    return Deliverer(
        outbox=outbox,
        sender=sender,
        spread=random.random,
        lease_seconds=config.lease_seconds,
        send_seconds=DELIVERY.total_seconds(),
        poll_seconds=config.poll_seconds,
    )


@asynccontextmanager
async def _auditing(config: WorkerSettings) -> AsyncIterator[None]:
    """The audit beside the work."""
    if not config.audit_seconds:
        yield
        return
    async with opened_audit(
        _url(config),
        "caravel-auditor",
        statement_seconds=AUDIT_STATEMENT_SECONDS,
        overdue_seconds=config.overdue_seconds,
    ) as audit:
        auditor = Auditor(audit, METRICS, every_seconds=config.audit_seconds)
        async with beside(auditor.run):
            yield


@asynccontextmanager
async def _held(
    config: DatabaseSettings,
) -> AsyncIterator[tuple[HeldCredentials, InForce, HeldCorridors]]:
    """The credentials of all, the overrides of rates and the pauses, read again and again on a
    connection of their own; and the corridors, which are read on it once files were applied."""
    async with opened_database(
        _url(config),
        "caravel-credentials",
        pool_size=1,
        statement_seconds=CREDENTIALS_STATEMENT_SECONDS,
    ) as engine:
        credentials = HeldCredentials(PostgresCredentials(engine))
        overrides = HeldOverrides(PostgresOverrides(engine))
        pauses = HeldPauses(PostgresPauses(engine))
        corridors = HeldCorridors(PostgresCorridorVersions(engine), live=config.is_live)
        async with credentials.refreshed(), overrides.refreshed(), pauses.refreshed():
            yield credentials, InForce(overrides=overrides, pauses=pauses), corridors


def _working(config: DatabaseSettings, application: str, *, pool_size: int) -> Opened:
    """The pool of a process for its own work, as a role that is no owner where it is live."""
    return opened_database(_url(config), application, pool_size=pool_size, is_live=config.is_live)


def _url(config: DatabaseSettings) -> Address:
    # Read for each connection, because its password may be rotated.
    return config.database_url.get_secret_value
