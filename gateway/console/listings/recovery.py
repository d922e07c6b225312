"""The payments of the newest recovery of an older database."""

from gateway.console.fields import Field
from gateway.console.listings.model import PAYMENT, Listing
from gateway.console.tables import Column

RECOVERED = Listing(
    "/recovery",
    "Recovery",
    "After a restore: the payments of which providers have more than the database had. "
    "The overview says whether the database is older than what has happened.",
    "ListRecoveredPayments",
    "payments",
    (
        PAYMENT,
        Column("Decision", "fate", "state"),
        Column("Operations at the providers, and the decision", "stories", "list"),
    ),
    filters=(
        Field(
            "fate",
            "Decision",
            "choice",
            options=("GOES_ON", "HELD", "MADE_AGAIN", "NOT_HELD", "UNKNOWN"),
        ),
    ),
    page_verbs=("start-recovery", "accept-database"),
)
