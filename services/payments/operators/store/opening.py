"""The stores of operators, over one engine."""

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.operators.ports import OperatorStores
from services.payments.operators.store.changes import PostgresChanges
from services.payments.operators.store.endpoints import PostgresEndpointHealth
from services.payments.operators.store.exposure import PostgresPositions
from services.payments.operators.store.inspection import PostgresInspected
from services.payments.operators.store.keys import PostgresOperatorKeys
from services.payments.operators.store.merchants import PostgresMerchants
from services.payments.operators.store.operations import PostgresOperations
from services.payments.operators.store.overrides import PostgresOverrides
from services.payments.operators.store.overview import PostgresOverview
from services.payments.operators.store.pauses import PostgresPauses
from services.payments.operators.store.proposals import PostgresProposals
from services.payments.operators.store.replays import PostgresReplays
from services.payments.operators.store.search import PostgresSearch
from services.payments.webhooks_out.notification import EncodeEvent


def open_stores(
    engine: AsyncEngine,
    encode_event: EncodeEvent,
    decode_answer: Callable[[str, bytes], object] | None = None,
) -> OperatorStores:
    """The stores on PostgreSQL."""
    return OperatorStores(
        operations=PostgresOperations(engine, encode_event, decode_answer),
        keys=PostgresOperatorKeys(engine),
        merchants=PostgresMerchants(engine),
        inspected=PostgresInspected(engine),
        search=PostgresSearch(engine),
        changes=PostgresChanges(engine),
        overview=PostgresOverview(engine),
        endpoints=PostgresEndpointHealth(engine),
        replays=PostgresReplays(engine),
        positions=PostgresPositions(engine),
        proposals=PostgresProposals(engine),
        overrides=PostgresOverrides(engine),
        pauses=PostgresPauses(engine),
    )
