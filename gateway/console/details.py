"""The pages of one thing: a payment with all that is on record about it, and a proposal with its
payload."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from starlette.responses import Response

from gateway.console.flow import flow_of
from gateway.console.listings.payments import PROPOSALS
from gateway.console.listings.people import ACTIONS
from gateway.console.pages import Pages, Visit
from gateway.console.tables import Column
from gateway.console.verbs.payments import ENGINE_VERBS, PAYMENT_VERBS, PROPOSAL_VERBS
from gateway.console.words import payload_lines
from services.shared.money import SOURCE_CURRENCY


@dataclass(frozen=True)
class Part:
    """A list of a payment's record."""

    items: str
    title: str
    columns: Sequence[Column]
    row_verbs: Sequence[str] = ()
    # The fields that these verbs need and its records lack.
    of: Mapping[str, str] = field(default_factory=dict)


HISTORY = Part(
    "events",
    "History",
    (
        Column("Number", "sequence"),
        Column("Time", "occurred_at", "instant"),
        Column("From", "from_state", "state"),
        Column("To", "to_state", "state"),
        Column("Cause", "cause"),
        Column("Actor", "actor"),
        Column("Evidence", "evidence", "pairs"),
    ),
)
POSTINGS = Part(
    "postings",
    "Postings",
    (
        Column("Event", "sequence"),
        Column("Debit", "debit", "word"),
        Column("Credit", "credit", "word"),
        Column("Amount", "amount", "number", unit="{currency}"),
        Column("Cause", "cause"),
        Column("Time", "posted_at", "instant"),
    ),
)
ATTEMPTS = Part(
    "attempts",
    "Attempts",
    (
        Column("Step", "step"),
        Column("Number", "number"),
        Column("State", "state", "state"),
        Column("Provider", "provider"),
        Column("Amount", "amount", "number", unit="{currency}"),
        Column("Sends", "sends", "number"),
        Column("Sent", "sent_at", "instant"),
        Column("May leave until", "leaves_until", "instant"),
        Column("Unknown for", "unknown_since", "age"),
        Column("Look-ups without an outcome", "inconclusive_look_ups", "number"),
        Column("Failure", "failure_message", "long"),
        Column("Provider's id", "provider_reference", "code"),
        Column("Our key", "key", "code"),
        Column("Moved", "moved_amount", "number", unit="{moved_currency}"),
    ),
)
QUOTES = Part(
    "quotes",
    "Rate trail of each quote",
    (
        Column("Quote", "quote_id", "code"),
        Column("Counts now", "is_current", "yes"),
        Column("Amount", "amount_usd", "number", unit=SOURCE_CURRENCY),
        Column("Fees", "fee_usd", "number", unit=SOURCE_CURRENCY),
        Column("Mid rate", "rate_trail.mid_rate", "number"),
        Column("Markup", "rate_trail.markup_basis_points", "number", unit="bp"),
        Column("Source", "rate_trail.source"),
        Column("Observed", "rate_trail.observed_at", "instant"),
        Column("Payout", "payout_amount", "number", unit="{destination_currency}"),
        Column("Fee schedule", "fee_schedule_version"),
        Column("Made", "created_at", "instant"),
        Column("Locked until", "expires_at", "instant"),
    ),
)
PARTS = (
    ATTEMPTS,
    QUOTES,
    Part(
        "payment.refunds",
        "Refunds",
        (
            Column("Refund", "refund_id", "code"),
            Column("Status", "status", "state"),
            Column("Amount", "amount_usd", "number", unit=SOURCE_CURRENCY),
            Column("Reason", "reason"),
            Column("Requested by", "requested_by"),
            Column("Failure", "failure.message"),
            Column("Created", "created_at", "instant"),
        ),
    ),
    Part(
        "payment.disputes",
        "Disputes",
        (
            Column("Dispute", "dispute_id", "code"),
            Column("Kind", "kind"),
            Column("Status", "status", "state"),
            Column("Claimed", "amount_usd", "number", unit=SOURCE_CURRENCY),
            Column("Reason", "reason"),
            Column("Answer until", "respond_by", "instant"),
        ),
    ),
    Part(
        "received_events",
        "Events of providers",
        (
            Column("Received", "received_at", "instant"),
            Column("Provider", "provider"),
            Column("Type", "event_type"),
            Column("Outcome", "outcome", "state"),
            Column("State", "state", "state"),
            Column("Signed", "signed", "yes"),
            Column("Failures", "failures", "number"),
            Column("Last error", "last_error", "long"),
            Column("Event", "event_id", "code"),
        ),
    ),
    Part(
        "deliveries",
        "Deliveries to the merchant",
        (
            Column("Event", "event_type"),
            Column("State", "state", "state"),
            Column("Endpoint", "url", "word"),
            Column("Failures", "failures", "number"),
            Column("Last error", "last_error", "long"),
            Column("Next try", "next_try_at", "left"),
            Column("Delivered", "delivered_at", "instant"),
        ),
        ("requeue", "discard", "replay-delivery"),
        {"requeue_refusal": ""},
    ),
    Part("proposals", "Proposals", PROPOSALS.columns),
    Part("actions", "Actions of operators", ACTIONS.columns),
)


class Details:
    """The pages of one thing."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    async def payment(self, visit: Visit) -> Response:
        """One payment with all that is on record about it."""
        found = await self._pages.payments.call(
            visit.acting, "InspectPayment", visit.request.path_params
        )
        parts = [
            (part, records)
            for part in PARTS
            if (records := Column("", part.items).value(found)) is not None
        ]
        return self._pages.render(
            visit,
            "payment.html",
            live=found["payment"]["transaction_id"],
            found=found,
            history=HISTORY,
            postings=POSTINGS,
            flow=flow_of(found["postings"]),
            parts=parts,
            verbs_here=(*PAYMENT_VERBS, *ENGINE_VERBS),
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
