"""The operators' verbs, put together over their stores."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from services.payments.base.convert import encode_payment
from services.payments.mesh.ports import Providers, Rates
from services.payments.model.attempt import Capabilities
from services.payments.operators.agreed_verbs import agreed_verbs
from services.payments.operators.corridors import CorridorVersions
from services.payments.operators.keys import OperatorKeys
from services.payments.operators.merchants import Merchants
from services.payments.operators.overview import Overviewing
from services.payments.operators.pausing import Pausing
from services.payments.operators.policy import Policy
from services.payments.operators.ports import OperatorStores
from services.payments.operators.proposing import Proposing
from services.payments.operators.replaying import Replaying
from services.payments.operators.search import Searching
from services.payments.operators.servicer.access import MerchantServicer, OperatorKeyServicer
from services.payments.operators.servicer.corridors import CorridorVersionServicer
from services.payments.operators.servicer.overview import OverviewServicer
from services.payments.operators.servicer.pauses import PauseServicer
from services.payments.operators.servicer.payments import AdminServicer
from services.payments.operators.servicer.proposals import ProposalServicer
from services.payments.operators.servicer.replays import ReplayServicer
from services.payments.operators.servicer.search import SearchServicer
from services.payments.operators.servicer.verbs import VerbServicer
from services.payments.operators.trail import Trail
from services.payments.operators.usecases import Operating
from services.payments.operators.verbs.acting import Acting
from services.payments.operators.verbs.ports import Corrections
from services.payments.operators.verbs.table import payment_verbs
from services.payments.operators.watching import Watching
from services.shared.clock import SystemClock
from services.shared.grpc_server import GrpcServer


class Servicer(Protocol):
    """The calls of one service of the contract."""

    def add_to(self, server: GrpcServer) -> None:
        """Has the server answer them."""
        ...


def open_servicers(
    stores: OperatorStores,
    policy: Policy,
    *,
    providers: Providers,
    corridors: CorridorVersions,
    rates: Rates,
    declared: Callable[[], Mapping[str, Capabilities]],
    corrections: Corrections,
    is_live: bool,
    refuse_older: Callable[[], None],
) -> Sequence[Servicer]:
    """The calls. The rates are the market's, without any override; declared gives the newest
    declarations of the providers, and refuse_older raises where the database is older than what has
    happened."""
    operations, trail = stores.operations, Trail(stores.operations)
    current = corridors.current
    on_payments = payment_verbs(providers, random.random, current, corrections)
    acting = Acting(operations, on_payments, policy, trail, encode_payment)
    operating = Operating(operations, providers, policy)
    pausing = Pausing(operations, stores.pauses, current, policy)
    verbs = agreed_verbs(acting, corridors=current, rates=rates, bounds=policy.rate_override)
    return (
        AdminServicer(operating, acting),
        VerbServicer(acting, pausing),
        ReplayServicer(Replaying(stores.replays, trail), operating),
        PauseServicer(pausing),
        ProposalServicer(Proposing(stores, verbs, trail, policy.proposals, refuse_older)),
        OperatorKeyServicer(OperatorKeys(stores.keys, trail, is_live=is_live)),
        SearchServicer(Searching(stores.search, declared), Watching(stores.changes)),
        OverviewServicer(
            Overviewing(
                stores.overview,
                rates,
                current,
                declared,
                SystemClock(),
                breakers=providers.breakers,
            ),
            stores.endpoints,
        ),
        CorridorVersionServicer(corridors),
        MerchantServicer(Merchants(stores.merchants, trail, is_live=is_live)),
    )
