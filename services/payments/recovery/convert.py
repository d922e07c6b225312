"""The operators' requests about the recovery of the database, and the answers."""

from collections.abc import Sequence

from caravel.payments.v1 import recovery_pb2

from services.payments.base.convert import timestamp
from services.payments.base.paging import read_page_size, read_token, write_token
from services.payments.model.operator import Operator, operator_of
from services.payments.model.principal import Principal
from services.payments.operators.convert.payments import NOTE_MAX, required_text
from services.payments.recovery.course import DatabaseStanding, RecoveredPayment, Recovery
from services.payments.recovery.ports import Fate
from services.shared.errors import field_invalid

_Reasoned = recovery_pb2.StartRecoveryRequest | recovery_pb2.AcceptDatabaseRequest


def read_operator(request: _Reasoned, principal: Principal) -> Operator:
    """The operator of the credential, with the reason. Raises Invalid."""
    return operator_of(principal, required_text("reason", NOTE_MAX)(request.reason))


def read_fate(request: recovery_pb2.ListRecoveredPaymentsRequest) -> Fate | None:
    """The decision to list alone; None for all. Raises Invalid."""
    try:
        name = recovery_pb2.RecoveredPayment.Fate.Name(request.fate)
        return Fate(name) if request.fate else None
    except ValueError:
        raise field_invalid("fate", f"fate must be one of {', '.join(Fate)}") from None


def read_page(request: recovery_pb2.ListRecoveredPaymentsRequest) -> tuple[str | None, int]:
    """The name that the page begins after, None for the first page, and how many items it has.
    Raises Invalid."""
    token = request.page_token
    after = read_token(token, lambda words: words[0]) if token else None
    return after, read_page_size(request.page_size)


def write_payments(
    payments: Sequence[RecoveredPayment], last: RecoveredPayment | None
) -> recovery_pb2.ListRecoveredPaymentsResponse:
    """A page of payments."""
    return recovery_pb2.ListRecoveredPaymentsResponse(
        payments=[
            recovery_pb2.RecoveredPayment(
                transaction_id=one.name,
                fate=recovery_pb2.RecoveredPayment.Fate.Value(one.fate or "FATE_UNSPECIFIED"),
                stories=one.stories,
            )
            for one in payments
        ],
        next_page_token=write_token([last.name]) if last else "",
    )


def write_standing(standing: DatabaseStanding, *, older: bool) -> recovery_pb2.DatabaseStanding:
    """The standing of the database as it is shown."""
    return recovery_pb2.DatabaseStanding(
        older=older,
        finding=standing.finding,
        found_at=timestamp(standing.found_at) if standing.finding and standing.found_at else None,
        compared_at=timestamp(standing.compared_at),
        accepted_at=timestamp(standing.accepted_at) if standing.accepted_at else None,
        accepted_by=standing.accepted_by,
        accept_reason=standing.accept_reason,
        recovery=_write_recovery(standing.recovery) if standing.recovery else None,
    )


def _write_recovery(recovery: Recovery) -> recovery_pb2.Recovery:
    explained = recovery.explained.balances if recovery.explained else {}
    return recovery_pb2.Recovery(
        state=recovery_pb2.Recovery.State.Value(recovery.state),
        started_by=recovery.operator.name,
        reason=recovery.operator.note,
        started_at=timestamp(recovery.started_at),
        listed_at=timestamp(recovery.listed_at) if recovery.listed_at else None,
        ended_at=timestamp(recovery.ended_at) if recovery.ended_at else None,
        failure=recovery.failure,
        to_decide=recovery.open,
        decided=[
            recovery_pb2.Decided(
                fate=recovery_pb2.RecoveredPayment.Fate.Value(fate), payments=payments
            )
            for fate, payments in sorted(recovery.fates.items())
        ],
        explained=[
            recovery_pb2.ExplainedValue(account=account, currency=currency, amount_minor=minor)
            for (account, currency), minor in explained.items()
        ],
    )
