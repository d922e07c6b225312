"""Claims against collections, as providers state them: in an event, or in its answer to a
question."""

from datetime import UTC

from caravel.providers.v1 import disputes_pb2, providers_pb2_grpc

from services.payments.mesh.calls import read_money
from services.payments.model.dispute import DisputeKind, DisputeReport, DisputeStatus
from services.payments.model.timing import CLAIM_CALL_SECONDS
from services.shared.errors import Unavailable
from services.shared.grpc_client import call_metadata, refusals_as_errors

_KINDS = {disputes_pb2.Dispute.Kind.Value(one.name): one for one in DisputeKind}
_STATUSES = {disputes_pb2.Dispute.Status.Value(one.name): one for one in DisputeStatus}


def read_dispute(said: disputes_pb2.Dispute) -> DisputeReport | None:
    """The report; None where it is of a kind or status that this version does not know."""
    kind, status = _KINDS.get(said.kind), _STATUSES.get(said.status)
    if kind is None or status is None:
        return None
    return DisputeReport(
        kind=kind,
        provider_reference=said.provider_reference,
        status=status,
        reason=said.reason,
        amount=read_money(said.amount) if said.HasField("amount") else None,
        withdrawn=read_money(said.withdrawn) if said.HasField("withdrawn") else None,
        respond_by=said.respond_by.ToDatetime(UTC) if said.HasField("respond_by") else None,
    )


async def look_up_claim(
    stub: "providers_pb2_grpc.ProviderServiceAsyncStub", provider: str, provider_reference: str
) -> DisputeReport | None:
    """See Providers.look_up_dispute."""
    request = disputes_pb2.LookUpDisputeRequest(
        provider=provider, provider_reference=provider_reference
    )
    async with refusals_as_errors("providers"):
        response = await stub.LookUpDispute(
            request, timeout=CLAIM_CALL_SECONDS, metadata=call_metadata()
        )
    if not response.HasField("dispute"):
        return None
    report = read_dispute(response.dispute)
    if report is None:
        raise Unavailable("providers speaks of a kind of dispute that is not known here.")
    return report
