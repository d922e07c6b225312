"""A merchant with its first key, made as an operator makes them."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.merchants.domain import Merchant, MerchantKey
from services.payments.operators.convert.access import BY_COMMAND, command_first_key
from services.payments.operators.merchants import Merchants
from services.payments.operators.store.merchants import PostgresMerchants
from services.payments.operators.store.operations import PostgresOperations
from services.payments.operators.trail import Trail


@dataclass(frozen=True)
class NewMerchant:
    """A merchant, its first key, and the text of that."""

    merchant: Merchant
    key: MerchantKey
    text: str


async def new_merchant(engine: AsyncEngine, name: str = "Acme") -> NewMerchant:
    """A merchant that is in the database, with a key of all scopes."""
    trail = Trail(PostgresOperations(engine))
    merchants = Merchants(PostgresMerchants(engine), trail, is_live=False)
    merchant, _ = await merchants.create(BY_COMMAND, name)
    made = await merchants.create_key(BY_COMMAND, merchant.id, command_first_key())
    return NewMerchant(merchant, made.key, made.text)
