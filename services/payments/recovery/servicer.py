"""The operators' RPCs about the recovery of the database: convert, call, convert."""

from collections.abc import Callable
from typing import Any

import grpc
from caravel.payments.v1 import recovery_pb2, recovery_pb2_grpc

from services.payments.base.paging import cut
from services.payments.merchants.authoriser import acting_principal
from services.payments.operators.accepting import Accepting
from services.payments.recovery import convert
from services.payments.recovery.course import OwnStanding, Recoveries
from services.shared.grpc_server import GrpcServer

Context = grpc.aio.ServicerContext[Any, Any]


class RecoveryServicer(recovery_pb2_grpc.RecoveryServiceServicer):
    """caravel.payments.v1.RecoveryService."""

    def __init__(
        self,
        recoveries: Recoveries,
        accepting: Accepting,
        *,
        standing: OwnStanding,
        wake: Callable[[], None],
    ) -> None:
        """`wake` is for the work on recoveries: there is one now."""
        self._recoveries = recoveries
        self._accepting = accepting
        self._own = standing
        self._wake = wake

    def add_to(self, server: GrpcServer) -> None:
        """Has the server answer this service's calls."""
        server.add(
            recovery_pb2_grpc.add_RecoveryServiceServicer_to_server,
            self,
            "caravel.payments.v1.RecoveryService",
        )

    async def GetDatabaseStanding(  # noqa: N802 - the contract's name
        self, request: recovery_pb2.GetDatabaseStandingRequest, context: Context
    ) -> recovery_pb2.DatabaseStanding:
        """See recovery.proto."""
        return await self._standing()

    async def ListRecoveredPayments(  # noqa: N802 - the contract's name
        self, request: recovery_pb2.ListRecoveredPaymentsRequest, context: Context
    ) -> recovery_pb2.ListRecoveredPaymentsResponse:
        """See recovery.proto."""
        after, limit = convert.read_page(request)
        fate = convert.read_fate(request)
        found = await self._recoveries.payments(fate=fate, after=after, limit=limit + 1)
        return convert.write_payments(*cut(found, limit))

    async def StartRecovery(  # noqa: N802 - the contract's name
        self, request: recovery_pb2.StartRecoveryRequest, context: Context
    ) -> recovery_pb2.DatabaseStanding:
        """See recovery.proto."""
        await self._recoveries.begin(convert.read_operator(request, acting_principal()))
        self._wake()
        return await self._standing()

    async def AcceptDatabase(  # noqa: N802 - the contract's name
        self, request: recovery_pb2.AcceptDatabaseRequest, context: Context
    ) -> recovery_pb2.DatabaseStanding:
        """See recovery.proto."""
        await self._accepting.accept(convert.read_operator(request, acting_principal()))
        return await self._standing()

    async def _standing(self) -> recovery_pb2.DatabaseStanding:
        standing = await self._recoveries.standing()
        return convert.write_standing(standing, older=self._own.is_older)
