"""The operators' RPCs about merchants and about keys: convert, call, convert. The verbs are in
merchants and keys."""

from typing import Any

import grpc
from caravel.payments.v1 import (
    keys_pb2,
    merchants_pb2,
    merchants_pb2_grpc,
    operator_keys_pb2,
    operator_keys_pb2_grpc,
)

from services.payments.base.idempotency import REPLAYED, read_idempotency_key
from services.payments.base.paging import read_id_page, write_id_token
from services.payments.merchants.authoriser import acting_principal
from services.payments.merchants.convert import read_name, read_overlap, write_list, write_new_key
from services.payments.merchants.convert import write_key as write_merchant_key
from services.payments.model.operator import operator_of
from services.payments.operators.convert import access as convert
from services.payments.operators.keys import OperatorKeys
from services.payments.operators.merchants import Merchants
from services.shared.grpc_server import GrpcServer

Context = grpc.aio.ServicerContext[Any, Any]


class MerchantServicer(merchants_pb2_grpc.MerchantServiceServicer):
    """caravel.payments.v1.MerchantService."""

    def __init__(self, merchants: Merchants) -> None:
        self._merchants = merchants

    def add_to(self, server: GrpcServer) -> None:
        """Has the server answer this service's calls."""
        server.add(
            merchants_pb2_grpc.add_MerchantServiceServicer_to_server,
            self,
            "caravel.payments.v1.MerchantService",
        )

    async def CreateMerchant(  # noqa: N802 - the contract's name
        self, request: merchants_pb2.CreateMerchantRequest, context: Context
    ) -> merchants_pb2.Merchant:
        """See merchants.proto."""
        key = read_idempotency_key(context.invocation_metadata() or ())
        merchant, replayed = await self._merchants.create(
            operator_of(acting_principal()), read_name(request.name), key
        )
        if replayed:
            await context.send_initial_metadata((REPLAYED,))
        return convert.write_merchant(merchant)

    async def ListMerchants(  # noqa: N802 - the contract's name
        self, request: merchants_pb2.ListMerchantsRequest, context: Context
    ) -> merchants_pb2.ListMerchantsResponse:
        """See merchants.proto."""
        before, limit = convert.read_merchants_request(request)
        page, rest = await self._merchants.list(before=before, limit=limit)
        return convert.write_merchants(page, rest)

    async def GetMerchant(  # noqa: N802 - the contract's name
        self, request: merchants_pb2.GetMerchantRequest, context: Context
    ) -> merchants_pb2.Merchant:
        """See merchants.proto."""
        return convert.write_merchant(await self._merchants.get(request.merchant_id))

    async def DisableMerchant(  # noqa: N802 - the contract's name
        self, request: merchants_pb2.DisableMerchantRequest, context: Context
    ) -> merchants_pb2.Merchant:
        """See merchants.proto."""
        operator = convert.read_operator(request, acting_principal())
        merchant = await self._merchants.disable(operator, request.merchant_id)
        return convert.write_merchant(merchant)

    async def EnableMerchant(  # noqa: N802 - the contract's name
        self, request: merchants_pb2.EnableMerchantRequest, context: Context
    ) -> merchants_pb2.Merchant:
        """See merchants.proto."""
        operator = convert.read_operator(request, acting_principal())
        merchant = await self._merchants.enable(operator, request.merchant_id)
        return convert.write_merchant(merchant)

    async def ListMerchantKeys(  # noqa: N802 - the contract's name
        self, request: merchants_pb2.ListMerchantKeysRequest, context: Context
    ) -> keys_pb2.ListKeysResponse:
        """See merchants.proto."""
        before, limit = read_id_page(request.page_token, request.page_size)
        page, rest = await self._merchants.keys(request.merchant_id, before=before, limit=limit)
        return write_list(page, rest)

    async def CreateMerchantKey(  # noqa: N802 - the contract's name
        self, request: merchants_pb2.CreateMerchantKeyRequest, context: Context
    ) -> keys_pb2.NewKey:
        """See merchants.proto."""
        made = await self._merchants.create_key(
            operator_of(acting_principal()), request.merchant_id, convert.read_first_key(request)
        )
        return write_new_key(made)

    async def RevokeMerchantKey(  # noqa: N802 - the contract's name
        self, request: merchants_pb2.RevokeMerchantKeyRequest, context: Context
    ) -> keys_pb2.Key:
        """See merchants.proto."""
        operator = convert.read_operator(request, acting_principal())
        shown = await self._merchants.revoke_key(operator, request.merchant_id, request.key_id)
        return write_merchant_key(shown)

    async def RevokeMerchantKeys(  # noqa: N802 - the contract's name
        self, request: merchants_pb2.RevokeMerchantKeysRequest, context: Context
    ) -> merchants_pb2.RevokeMerchantKeysResponse:
        """See merchants.proto."""
        convert.read_all(request)
        operator = convert.read_operator(request, acting_principal())
        revoked = await self._merchants.revoke_keys(operator, request.merchant_id)
        return merchants_pb2.RevokeMerchantKeysResponse(revoked_key_ids=revoked)


class OperatorKeyServicer(operator_keys_pb2_grpc.OperatorKeyServiceServicer):
    """caravel.payments.v1.OperatorKeyService."""

    def __init__(self, keys: OperatorKeys) -> None:
        self._keys = keys

    def add_to(self, server: GrpcServer) -> None:
        """Has the server answer this service's calls."""
        server.add(
            operator_keys_pb2_grpc.add_OperatorKeyServiceServicer_to_server,
            self,
            "caravel.payments.v1.OperatorKeyService",
        )

    async def CreateOperatorKey(  # noqa: N802 - the contract's name
        self, request: operator_keys_pb2.CreateOperatorKeyRequest, context: Context
    ) -> operator_keys_pb2.NewOperatorKey:
        """See operator_keys.proto."""
        made = await self._keys.create(acting_principal(), convert.read_key_order(request))
        return convert.write_new_key(made)

    async def ListOperatorKeys(  # noqa: N802 - the contract's name
        self, request: operator_keys_pb2.ListOperatorKeysRequest, context: Context
    ) -> operator_keys_pb2.ListOperatorKeysResponse:
        """See operator_keys.proto."""
        before, limit = read_id_page(request.page_token, request.page_size)
        page, last = await self._keys.list(before=before, limit=limit)
        return operator_keys_pb2.ListOperatorKeysResponse(
            keys=[convert.write_key(one) for one in page],
            next_page_token=write_id_token(last),
        )

    async def RollOperatorKey(  # noqa: N802 - the contract's name
        self, request: operator_keys_pb2.RollOperatorKeyRequest, context: Context
    ) -> operator_keys_pb2.NewOperatorKey:
        """See operator_keys.proto."""
        hours = read_overlap(request)
        made = await self._keys.roll(acting_principal(), request.key_id, overlap_hours=hours)
        return convert.write_new_key(made)

    async def RevokeOperatorKey(  # noqa: N802 - the contract's name
        self, request: operator_keys_pb2.RevokeOperatorKeyRequest, context: Context
    ) -> operator_keys_pb2.OperatorKey:
        """See operator_keys.proto."""
        return convert.write_key(await self._keys.revoke(acting_principal(), request.key_id))
