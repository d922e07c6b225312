"""Builds the merchants' calls on the ports behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from services.payments.base.convert import encode_payment, encode_refund
from services.payments.base.idempotency import Created
from services.payments.engine.decisions.corrections import Corrected
from services.payments.engine.ports import WorkStore
from services.payments.mesh.corridors import MadeOf
from services.payments.mesh.overridden import Overrides
from services.payments.mesh.ports import CurrentCorridors, FeeBook, Providers, Rates
from services.payments.model.payment import Payment
from services.payments.model.scoreboard import Scoreboard
from services.payments.orders.cancelling import Cancelling
from services.payments.orders.checking import CheckedCreation, Checking
from services.payments.orders.correcting import Correcting
from services.payments.orders.creation import Creation, PaymentOrder, in_batches
from services.payments.orders.limits import Offers
from services.payments.orders.payees import Payees
from services.payments.orders.ports import Declared, ExposureLimits, Pauses, PaymentStore
from services.payments.orders.pricing import Pricing
from services.payments.orders.quotes import Quotes
from services.payments.orders.reading import Reading
from services.payments.orders.refunds import Refunds
from services.payments.orders.routes import Routes
from services.payments.orders.scoreboard import Scoreboards, ScoreboardStore
from services.payments.orders.servicer import PaymentServicer, Priced, RefundServicer
from services.shared.clock import SystemClock
from services.shared.corridors import Corridors
from services.shared.deployment import Deployment
from services.shared.errors import DomainError
from services.shared.recipients import Recipient


@dataclass(frozen=True, kw_only=True)
class InForce:
    """The decisions of operators that count in each price."""

    overrides: Overrides
    pauses: Pauses


@dataclass(frozen=True, kw_only=True)
class OrderPorts:
    """All that merchants' calls need."""

    corridors: CurrentCorridors
    fees: FeeBook
    rates: Rates
    providers: Providers
    declared: Declared
    store: PaymentStore
    work: WorkStore
    counts: ScoreboardStore
    exposure: ExposureLimits
    pauses: Pauses


@dataclass(frozen=True, kw_only=True)
class Orders:
    """The merchants' calls, and what operators need of them: scoreboards, and corrections."""

    servicers: Sequence[PaymentServicer | RefundServicer]
    scoreboards: "CurrentParts"
    correcting: "CurrentParts"


class CurrentParts:
    """The scoreboards, and the corrections of recipients, by the corridors that count."""

    def __init__(self, priced: MadeOf[Priced]) -> None:
        self._priced = priced

    async def all(self) -> Sequence[Scoreboard]:
        """See Scoreboards.all."""
        return await (await self._priced.current()).scoreboards.all()

    async def corrected(self, payment: Payment, given: Recipient) -> Corrected:
        """See Correcting.corrected."""
        return await (await self._priced.current()).correcting.corrected(payment, given)


def open_orders(
    ports: OrderPorts, *, deployment: Deployment, batch_max: int, waiting_max: int
) -> Orders:
    """The calls over these ports; the last two bound the creations in one commit, and waiting."""
    checking = Checking(ports.providers)
    priced = MadeOf(ports.corridors, partial(_priced, ports, checking, deployment))

    async def create(orders: Sequence[PaymentOrder]) -> Sequence[Created | DomainError]:
        return await (await priced.current()).creation.create(orders)

    payments = PaymentServicer(
        CheckedCreation(in_batches(create, batch_max, waiting_max), checking),
        Reading(ports.store),
        cancelling=Cancelling(ports.work),
        checking=checking,
        priced=priced.current,
    )
    refunds = RefundServicer(Refunds(ports.work, ports.store, encode_refund))
    parts = CurrentParts(priced)
    return Orders(servicers=(payments, refunds), scoreboards=parts, correcting=parts)


def _priced(
    ports: OrderPorts, checking: Checking, deployment: Deployment, corridors: Corridors
) -> Priced:
    """Everything that is made of corridors; another version of them makes all of it again."""
    store, clock = ports.store, SystemClock()
    routes = Routes(corridors, ports.declared)
    pricing = Pricing(
        corridors,
        ports.fees,
        ports.rates,
        routes,
        exposure=ports.exposure,
        pauses=ports.pauses,
    )
    offers = Offers(routes, clock)
    payees = Payees(corridors, deployment=deployment)
    return Priced(
        payees=payees,
        creation=Creation(pricing, payees, store, encode_payment),
        quotes=Quotes(pricing, offers, payees, store),
        correcting=Correcting(ports.work, payees, checking, routes, encode_payment),
        scoreboards=Scoreboards(ports.counts, corridors, ports.rates, offers, clock),
    )
