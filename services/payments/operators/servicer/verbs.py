"""The operators' RPCs of verbs on payments, and their preview: convert, call, convert."""

from typing import Any

import grpc
from caravel.payments.v1 import payments_pb2, verbs_pb2, verbs_pb2_grpc

from services.payments.base.idempotency import REPLAYED, read_idempotency_key
from services.payments.merchants.authoriser import acting_principal
from services.payments.operators.convert import verbs as convert
from services.payments.operators.convert.pauses import (
    read_pause,
    read_resume,
    write_pause_preview,
)
from services.payments.operators.pausing import Pausing
from services.payments.operators.verbs.acting import Acting
from services.shared.grpc_server import GrpcServer

Context = grpc.aio.ServicerContext[Any, Any]


class VerbServicer(verbs_pb2_grpc.VerbServiceServicer):
    """caravel.payments.v1.VerbService."""

    def __init__(self, acting: Acting, pausing: Pausing) -> None:
        self._acting = acting
        self._pausing = pausing

    def add_to(self, server: GrpcServer) -> None:
        """Has the server answer this service's calls."""
        server.add(
            verbs_pb2_grpc.add_VerbServiceServicer_to_server,
            self,
            "caravel.payments.v1.VerbService",
        )

    async def ForcePayout(  # noqa: N802 - the contract's name
        self, request: verbs_pb2.ForcePayoutRequest, context: Context
    ) -> payments_pb2.Payment:
        """See verbs.proto."""
        return await self._act_once(request, context)

    async def PlaceHold(  # noqa: N802 - the contract's name
        self, request: verbs_pb2.PlaceHoldRequest, context: Context
    ) -> payments_pb2.Payment:
        """See verbs.proto."""
        return await self._act(request)

    async def TryNow(  # noqa: N802 - the contract's name
        self, request: verbs_pb2.TryNowRequest, context: Context
    ) -> payments_pb2.Payment:
        """See verbs.proto."""
        return await self._act(request)

    async def RefundPayment(  # noqa: N802 - the contract's name
        self, request: verbs_pb2.RefundPaymentRequest, context: Context
    ) -> payments_pb2.Payment:
        """See verbs.proto."""
        return await self._act_once(request, context)

    async def CorrectPayment(  # noqa: N802 - the contract's name
        self, request: verbs_pb2.CorrectPaymentRequest, context: Context
    ) -> payments_pb2.Payment:
        """See verbs.proto."""
        return await self._act_once(request, context)

    async def PreviewVerb(  # noqa: N802 - the contract's name
        self, request: verbs_pb2.PreviewVerbRequest, context: Context
    ) -> verbs_pb2.VerbPreview:
        """See verbs.proto."""
        principal, which = acting_principal(), request.WhichOneof("verb")
        if which in ("pause_provider", "pause_corridor"):
            operator, pause = read_pause(getattr(request, which), principal)
            return write_pause_preview(await self._pausing.preview_pause(operator, pause))
        if which in ("resume_provider", "resume_corridor"):
            operator, kind, name = read_resume(getattr(request, which), principal)
            return write_pause_preview(await self._pausing.preview_resume(operator, kind, name))
        order, operator = convert.read_preview(request, principal)
        return convert.write_preview(await self._acting.preview(order, operator))

    async def _act(self, request: Any) -> payments_pb2.Payment:
        order, operator = convert.read_verb(request, acting_principal())
        done = await self._acting.act(order, operator)
        return payments_pb2.Payment.FromString(done.response)

    async def _act_once(self, request: Any, context: Context) -> payments_pb2.Payment:
        """Once for its idempotency key; a header says where it was done before."""
        key = read_idempotency_key(context.invocation_metadata() or ())
        order, operator = convert.read_verb(request, acting_principal())
        done = await self._acting.act(order, operator, key)
        if done.replayed:
            await context.send_initial_metadata((REPLAYED,))
        return payments_pb2.Payment.FromString(done.response)
