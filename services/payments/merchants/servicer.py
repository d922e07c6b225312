"""The RPCs of a merchant's keys: convert, call, convert."""

from typing import Any

import grpc
from caravel.payments.v1 import keys_pb2, keys_pb2_grpc

from services.payments.base.paging import read_id_page
from services.payments.merchants import convert
from services.payments.merchants.authoriser import acting_merchant, acting_principal
from services.payments.merchants.leaks import LeakReports
from services.payments.merchants.usecases import Keys
from services.shared.grpc_server import GrpcServer

Context = grpc.aio.ServicerContext[Any, Any]


class KeyServicer(keys_pb2_grpc.KeyServiceServicer):
    """caravel.payments.v1.KeyService."""

    def __init__(self, keys: Keys, leaks: LeakReports) -> None:
        self._keys = keys
        self._leaks = leaks

    def add_to(self, server: GrpcServer) -> None:
        """Has the server answer this service's calls."""
        server.add(
            keys_pb2_grpc.add_KeyServiceServicer_to_server,
            self,
            "caravel.payments.v1.KeyService",
        )

    async def CreateKey(  # noqa: N802 - the contract's name
        self, request: keys_pb2.CreateKeyRequest, context: Context
    ) -> keys_pb2.NewKey:
        """See keys.proto."""
        order = convert.read_key_order(request)
        created = await self._keys.create(acting_merchant(), acting_principal(), order)
        return convert.write_new_key(created)

    async def ListKeys(  # noqa: N802 - the contract's name
        self, request: keys_pb2.ListKeysRequest, context: Context
    ) -> keys_pb2.ListKeysResponse:
        """See keys.proto."""
        before, limit = read_id_page(request.page_token, request.page_size)
        page, rest = await self._keys.list(acting_merchant(), before=before, limit=limit)
        return convert.write_list(page, rest)

    async def GetKey(  # noqa: N802 - the contract's name
        self, request: keys_pb2.GetKeyRequest, context: Context
    ) -> keys_pb2.Key:
        """See keys.proto."""
        return convert.write_key(await self._keys.get(acting_merchant(), request.key_id))

    async def RollKey(  # noqa: N802 - the contract's name
        self, request: keys_pb2.RollKeyRequest, context: Context
    ) -> keys_pb2.NewKey:
        """See keys.proto."""
        hours = convert.read_overlap(request)
        rolled = await self._keys.roll(
            acting_merchant(), acting_principal(), request.key_id, overlap_hours=hours
        )
        return convert.write_new_key(rolled)

    async def RevokeKey(  # noqa: N802 - the contract's name
        self, request: keys_pb2.RevokeKeyRequest, context: Context
    ) -> keys_pb2.Key:
        """See keys.proto."""
        return convert.write_key(await self._keys.revoke(acting_merchant(), request.key_id))

    async def ReportLeakedKey(  # noqa: N802 - the contract's name
        self, request: keys_pb2.ReportLeakedKeyRequest, context: Context
    ) -> keys_pb2.ReportLeakedKeyResponse:
        """See keys.proto."""
        await self._leaks.take(*convert.read_leak(request))
        return keys_pb2.ReportLeakedKeyResponse()
