"""The operators' search: convert, call, convert."""

from typing import Any

import grpc
from caravel.payments.v1 import search_pb2, search_pb2_grpc

from services.payments.merchants.authoriser import admit_again
from services.payments.operators.convert.changes import read_cursor, write_changes
from services.payments.operators.convert.search import read_search, write_found
from services.payments.operators.search import Searching
from services.payments.operators.watching import Watching
from services.shared.grpc_server import GrpcServer

Context = grpc.aio.ServicerContext[Any, Any]


class SearchServicer(search_pb2_grpc.SearchServiceServicer):
    """caravel.payments.v1.SearchService."""

    def __init__(self, searching: Searching, watching: Watching) -> None:
        self._searching = searching
        self._watching = watching

    def add_to(self, server: GrpcServer) -> None:
        """Has the server answer this service's calls."""
        server.add(
            search_pb2_grpc.add_SearchServiceServicer_to_server,
            self,
            "caravel.payments.v1.SearchService",
        )

    async def SearchPayments(  # noqa: N802 - the contract's name
        self, request: search_pb2.SearchPaymentsRequest, context: Context
    ) -> search_pb2.SearchPaymentsResponse:
        """See search.proto."""
        sought, before, limit = read_search(request)
        return write_found(request, await self._searching.page(sought, before=before, limit=limit))

    async def WatchChanges(  # noqa: N802 - the contract's name
        self, request: search_pb2.WatchChangesRequest, context: Context
    ) -> search_pb2.WatchChangesResponse:
        """See search.proto."""
        changes = await self._watching.after(read_cursor(request))
        await admit_again()
        return write_changes(changes)
