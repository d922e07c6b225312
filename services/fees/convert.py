"""Between the wire and the domain, in both directions. Nothing is checked or decided here."""

from collections.abc import Iterable

from caravel.common.v1 import money_pb2
from caravel.fees.v1 import fees_pb2

from services.fees.domain import FeeQuery, Fees
from services.shared.errors import DomainError
from services.shared.grpc_status import to_status
from services.shared.money import Money


def to_queries(request: fees_pb2.CalculateFeesRequest) -> list[FeeQuery]:
    """The queries of a request, in its order."""
    return [_to_query(query) for query in request.queries]


def _to_query(query: fees_pb2.FeeQuery) -> FeeQuery:
    by_amount, by_net = query.HasField("amount"), query.HasField("net_amount")
    return FeeQuery(
        corridor_id=query.corridor_id,
        amount_minor=query.amount.amount_minor if by_amount else None,
        net_minor=query.net_amount.amount_minor if by_net else None,
        currency=(query.net_amount if by_net else query.amount).currency_code,
        on_date=query.on_date,
        merchant_id=query.merchant_id,
        trace_id=query.trace_id,
    )


def to_response(answers: Iterable[Fees | DomainError]) -> fees_pb2.CalculateFeesResponse:
    """The response with one result per answer, in their order."""
    return fees_pb2.CalculateFeesResponse(results=[_to_result(answer) for answer in answers])


def _to_result(answer: Fees | DomainError) -> fees_pb2.FeeResult:
    if isinstance(answer, DomainError):
        return fees_pb2.FeeResult(error=to_status(answer))
    breakdown = fees_pb2.FeeBreakdown(
        lines=[
            fees_pb2.FeeLine(name=line.name, amount=_money(line.amount), formula=line.formula)
            for line in answer.lines
        ],
        total=_money(answer.total),
        schedule_version=answer.schedule_version,
        schedule_terms=answer.schedule_terms,
    )
    return fees_pb2.FeeResult(fees=breakdown)


def _money(amount: Money) -> money_pb2.Money:
    return money_pb2.Money(currency_code=amount.currency, amount_minor=amount.amount_minor)
