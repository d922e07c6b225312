"""The operators' RPCs about corridor files: convert, call, convert."""

from typing import Any

import grpc
from caravel.payments.v1 import corridor_versions_pb2, corridor_versions_pb2_grpc

from services.payments.merchants.authoriser import acting_principal
from services.payments.operators.convert import corridors as convert
from services.payments.operators.corridors import CorridorVersions
from services.shared.grpc_server import GrpcServer

Context = grpc.aio.ServicerContext[Any, Any]


class CorridorVersionServicer(corridor_versions_pb2_grpc.CorridorVersionServiceServicer):
    """caravel.payments.v1.CorridorVersionService."""

    def __init__(self, versions: CorridorVersions) -> None:
        self._versions = versions

    def add_to(self, server: GrpcServer) -> None:
        """Has the server answer this service's calls."""
        server.add(
            corridor_versions_pb2_grpc.add_CorridorVersionServiceServicer_to_server,
            self,
            "caravel.payments.v1.CorridorVersionService",
        )

    async def ApplyCorridors(  # noqa: N802 - the contract's name
        self, request: corridor_versions_pb2.ApplyCorridorsRequest, context: Context
    ) -> corridor_versions_pb2.CorridorVersion:
        """See corridor_versions.proto."""
        files, operator = convert.read_application(request, acting_principal())
        if request.validate_only:
            corridors = await self._versions.check(files)
            return corridor_versions_pb2.CorridorVersion(version=corridors.version)
        return convert.write_version(await self._versions.apply(files, operator))

    async def ListCorridorVersions(  # noqa: N802 - the contract's name
        self, request: corridor_versions_pb2.ListCorridorVersionsRequest, context: Context
    ) -> corridor_versions_pb2.ListCorridorVersionsResponse:
        """See corridor_versions.proto."""
        before, limit = convert.read_page(request)
        page, last = await self._versions.list(before=before, limit=limit)
        return corridor_versions_pb2.ListCorridorVersionsResponse(
            versions=[convert.write_version(one) for one in page],
            next_page_token=convert.write_token_of(last),
        )
