"""The pages of one thing: a payment with its history, and a proposal with its payload."""

from starlette.responses import Response

from gateway.console.pages import Pages, Visit
from gateway.console.tables import Column
from gateway.console.verbs import PAYMENT_VERBS, PROPOSAL_VERBS
from gateway.console.words import payload_lines

HISTORY = (
    Column("Number", "sequence"),
    Column("Time", "occurred_at", "instant"),
    Column("From", "from_state", "state"),
    Column("To", "to_state", "state"),
    Column("Cause", "cause"),
    Column("Actor", "actor"),
    Column("Evidence", "evidence", "pairs"),
)


class Details:
    """The pages of one thing."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    async def payment(self, visit: Visit) -> Response:
        """One payment with its history."""
        found = await self._pages.payments.call(
            visit.acting, "InspectPayment", visit.request.path_params
        )
        return self._pages.render(
            visit, "payment.html", found=found, history=HISTORY, verbs_here=PAYMENT_VERBS
        )

    async def proposal(self, visit: Visit) -> Response:
        """One proposal with its payload."""
        found = await self._pages.payments.call(
            visit.acting, "GetProposal", visit.request.path_params
        )
        return self._pages.render(
            visit,
            "proposal.html",
            found=found,
            payload=payload_lines(found["payload"]),
            verbs_here=PROPOSAL_VERBS,
        )
