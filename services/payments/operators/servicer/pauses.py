"""The operators' RPCs about pauses: convert, call, convert."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import grpc
from caravel.payments.v1 import pauses_pb2, pauses_pb2_grpc

from services.payments.base.paging import read_id_page, write_id_token
from services.payments.merchants.authoriser import acting_principal
from services.payments.model.pause import Pause
from services.payments.operators.convert import pauses as convert
from services.payments.operators.pausing import Pausing
from services.shared.grpc_server import GrpcServer

Context = grpc.aio.ServicerContext[Any, Any]


class PauseServicer(pauses_pb2_grpc.PauseServiceServicer):
    """caravel.payments.v1.PauseService."""

    def __init__(self, pausing: Pausing) -> None:
        self._pausing = pausing

    def add_to(self, server: GrpcServer) -> None:
        """Has the server answer this service's calls."""
        server.add(
            pauses_pb2_grpc.add_PauseServiceServicer_to_server,
            self,
            "caravel.payments.v1.PauseService",
        )

    async def PauseProvider(  # noqa: N802 - the contract's name
        self, request: pauses_pb2.PauseProviderRequest, context: Context
    ) -> pauses_pb2.Pause:
        """See pauses.proto."""
        return await self._pause(request)

    async def PauseCorridor(  # noqa: N802 - the contract's name
        self, request: pauses_pb2.PauseCorridorRequest, context: Context
    ) -> pauses_pb2.Pause:
        """See pauses.proto."""
        return await self._pause(request)

    async def ResumeProvider(  # noqa: N802 - the contract's name
        self, request: pauses_pb2.ResumeProviderRequest, context: Context
    ) -> pauses_pb2.ResumeResponse:
        """See pauses.proto."""
        return await self._resume(request)

    async def ResumeCorridor(  # noqa: N802 - the contract's name
        self, request: pauses_pb2.ResumeCorridorRequest, context: Context
    ) -> pauses_pb2.ResumeResponse:
        """See pauses.proto."""
        return await self._resume(request)

    async def ListPauses(  # noqa: N802 - the contract's name
        self, request: pauses_pb2.ListPausesRequest, context: Context
    ) -> pauses_pb2.ListPausesResponse:
        """See pauses.proto."""
        before, limit = read_id_page(request.page_token, request.page_size)
        now, page, last = await self._pausing.list(
            in_force=request.in_force, before=before, limit=limit
        )
        return pauses_pb2.ListPausesResponse(
            pauses=_write(page, now), next_page_token=write_id_token(last)
        )

    async def _pause(
        self, request: pauses_pb2.PauseProviderRequest | pauses_pb2.PauseCorridorRequest
    ) -> pauses_pb2.Pause:
        operator, order = convert.read_pause(request, acting_principal())
        made = await self._pausing.pause(operator, order)
        return convert.write_pause(made, made.starts_at)

    async def _resume(
        self, request: pauses_pb2.ResumeProviderRequest | pauses_pb2.ResumeCorridorRequest
    ) -> pauses_pb2.ResumeResponse:
        operator, kind, name = convert.read_resume(request, acting_principal())
        ended = await self._pausing.resume(operator, kind, name)
        # Ended, none is in force at any time.
        return pauses_pb2.ResumeResponse(pauses=_write(ended, ended[0].starts_at))


def _write(pauses: Sequence[Pause], now: datetime) -> list[pauses_pb2.Pause]:
    return [convert.write_pause(one, now) for one in pauses]
