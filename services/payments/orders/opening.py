"""Builds the merchants' calls on the ports behind them."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.payments.base.convert import encode_payment, encode_refund
from services.payments.engine.ports import WorkStore
from services.payments.mesh.overridden import Overrides
from services.payments.mesh.ports import FeeBook, Providers, Rates
from services.payments.orders.cancelling import Cancelling
from services.payments.orders.checking import CheckedCreation, Checking
from services.payments.orders.correcting import Correcting
from services.payments.orders.creation import Creation, in_batches
from services.payments.orders.limits import Offers
from services.payments.orders.payees import Payees
from services.payments.orders.ports import Declared, ExposureLimits, Pauses, PaymentStore
from services.payments.orders.pricing import Pricing
from services.payments.orders.quotes import Quotes
from services.payments.orders.reading import Reading
from services.payments.orders.refunds import Refunds
from services.payments.orders.routes import Routes
from services.payments.orders.scoreboard import Scoreboards, ScoreboardStore
from services.payments.orders.servicer import PaymentServicer, RefundServicer
from services.shared.clock import SystemClock
from services.shared.corridors import Corridors
from services.shared.deployment import Deployment


@dataclass(frozen=True, kw_only=True)
class InForce:
    """The decisions of operators that count in each price."""

    overrides: Overrides
    pauses: Pauses


@dataclass(frozen=True, kw_only=True)
class OrderPorts:
    """All that merchants' calls need."""

    corridors: Corridors
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
    scoreboards: Scoreboards
    correcting: Correcting


def open_orders(
    ports: OrderPorts, *, deployment: Deployment, batch_max: int, waiting_max: int
) -> Orders:
    """The calls over these ports; the last two bound the creations in one commit, and waiting."""
    corridors, store, work = ports.corridors, ports.store, ports.work
    routes, clock = Routes(corridors, ports.declared), SystemClock()
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
    checking = Checking(payees, ports.providers)
    creation = Creation(pricing, payees, store, encode_payment)
    scoreboards = Scoreboards(ports.counts, corridors, ports.rates, offers, clock)
    correcting = Correcting(work, payees, checking, routes, encode_payment)
    payments = PaymentServicer(
        CheckedCreation(in_batches(creation, batch_max, waiting_max), checking),
        Reading(store),
        cancelling=Cancelling(work),
        correcting=correcting,
        quotes=Quotes(pricing, offers, payees, store),
        checking=checking,
        payees=payees,
        scoreboards=scoreboards,
    )
    refunds = RefundServicer(Refunds(work, store, encode_refund))
    return Orders(servicers=(payments, refunds), scoreboards=scoreboards, correcting=correcting)
