"""The lists of rates, exposure, corridors, providers and pauses."""

from gateway.console.fields import Field
from gateway.console.listings.model import Listing
from gateway.console.tables import Column
from services.shared.money import SOURCE_CURRENCY

OVERRIDES = Listing(
    "/rates",
    "Overrides of rates",
    "A mid rate or a markup that two operators have put in the place of a corridor's, for a time.",
    "ListRateOverrides",
    "overrides",
    (
        Column("Override", "override_id", "code"),
        Column("Corridor", "corridor_id"),
        Column("Mid rate", "rate", "number", absent="the market's"),
        Column("Markup", "markup_basis_points", "number", unit="bp", absent="the corridor's"),
        Column("In force", "in_force", "yes"),
        Column("Begins", "starts_at", "instant"),
        Column("Ends", "ends_at", "instant"),
        Column("Ended before", "ended_at", "instant"),
        Column("Proposal", "proposal_id", "code", link="/proposals/{proposal_id}"),
        Column("Proposed by", "proposed_by", is_extra=True),
        Column("Approved by", "approved_by", is_extra=True),
        Column("Reason", "reason", "long"),
    ),
    row_verbs=("end-override",),
    page_verbs=("override-rate",),
)
EXPOSURE = Listing(
    "/exposure",
    "Exposure",
    "All that the book holds of each currency less all that it owes.",
    "GetExposure",
    "positions",
    (
        Column("Currency", "currency"),
        Column("Position", "position", "number"),
        Column("Worth", "worth_usd", "number", unit=SOURCE_CURRENCY, absent="unknown"),
        Column("Mid rate", "rate_trail.mid_rate", "number"),
        Column("Observed", "rate_trail.observed_at", "age"),
        Column("Most that we may owe", "maximum_owed", "number", absent="no limit"),
        Column("Limit reached", "limit_reached", "yes"),
    ),
    is_whole=True,
)
SCOREBOARDS = Listing(
    "/corridors",
    "Corridors",
    "Each corridor's cost, speed and disclosure, measured against the targets of the G20.",
    "ListScoreboards",
    "scoreboards",
    (
        Column("Corridor", "corridor_id"),
        Column("Payments", "payments", "number"),
        Column("Cost", "cost.cost_percent", "number", unit="%", absent="unknown"),
        Column("Target", "cost.target_percent", "number", unit="%"),
        Column("Within an hour", "within_one_hour.percent", "number", unit="%"),
        Column("Target", "within_one_hour.target_percent", "number", unit="%"),
        Column("Within a business day", "within_one_business_day.percent", "number", unit="%"),
        Column("Target", "within_one_business_day.target_percent", "number", unit="%"),
        Column("Disclosed before", "disclosed_before_payment.percent", "number", unit="%"),
        Column("Target", "disclosed_before_payment.target_percent", "number", unit="%"),
        Column("Counted from", "counted_from", "instant"),
    ),
    row_verbs=("pause-corridor",),
    is_whole=True,
)
PROVIDERS = Listing(
    "/providers",
    "Providers",
    "The ends of the attempts at each provider in the last hour, and whether more are sent.",
    "GetOverview",
    "providers",
    (
        Column("Provider", "provider"),
        Column("Step", "step"),
        Column("Breaker", "breaker", "state", absent="not known"),
        Column("Since", "breaker_since", "age"),
        Column("Succeeded", "succeeded", "number"),
        Column("Failed", "failed", "number"),
        Column("Open", "open", "number"),
        Column("Of these unknown", "unknown", "number"),
    ),
    row_verbs=("pause-provider",),
    page_verbs=("pause-provider",),
    is_whole=True,
)
PAUSES = Listing(
    "/pauses",
    "Pauses",
    "Of providers and corridors, those that have ended too, the latest first.",
    "ListPauses",
    "pauses",
    (
        Column("Target", "name"),
        Column("Kind", "kind"),
        Column("In force", "in_force", "yes"),
        Column("Payments under way", "under_way"),
        Column("Began", "starts_at", "instant"),
        Column("Ends", "ends_at", "instant", absent="by a resume"),
        Column("Paused by", "paused_by"),
        Column("Reason", "reason", "long"),
        Column("Ended", "ended_at", "instant"),
        Column("Ended by", "ended_by"),
        Column("Why", "end_reason"),
        Column("Pause", "pause_id", "code", is_extra=True),
    ),
    filters=(Field("in_force", "In force", "check"),),
    row_verbs=("resume-provider", "resume-corridor"),
    page_verbs=("pause-provider", "pause-corridor"),
    also={"provider": "name", "corridor_id": "name"},
)
