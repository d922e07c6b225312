"""The lists of the console, each declared once: its call, its filters and its columns. `lists`
shows them."""

from collections.abc import Mapping, Sequence

from gateway.console.listings.markets import EXPOSURE, OVERRIDES, PAUSES, PROVIDERS, SCOREBOARDS
from gateway.console.listings.payments import (
    DEAD_LETTERS,
    DISPUTES,
    HELD,
    MERCHANTS_TURN,
    OVERDUE,
    PAYMENTS,
    PROPOSALS,
)
from gateway.console.listings.people import (
    ACTIONS,
    ENDPOINTS,
    MERCHANT_KEYS,
    MERCHANTS,
    OPERATOR_KEYS,
)
from gateway.console.listings.recovery import RECOVERED

LISTINGS = (
    PAYMENTS,
    HELD,
    OVERDUE,
    MERCHANTS_TURN,
    DEAD_LETTERS,
    DISPUTES,
    PROPOSALS,
    OVERRIDES,
    EXPOSURE,
    SCOREBOARDS,
    PROVIDERS,
    PAUSES,
    RECOVERED,
    ACTIONS,
    ENDPOINTS,
    OPERATOR_KEYS,
    MERCHANTS,
    MERCHANT_KEYS,
)
# The navigation: the pages of each group, by address, label, and the call that a page needs.
MENU: Mapping[str, Sequence[tuple[str, str, str]]] = {
    "Look": (
        ("/", "Overview", "GetOverview"),
        ("/payments", "Payments", PAYMENTS.call),
        ("/exposure", "Exposure", EXPOSURE.call),
        ("/providers", "Providers", PROVIDERS.call),
        ("/corridors", "Corridors", SCOREBOARDS.call),
    ),
    "Waiting": (
        ("/holds", "On hold", HELD.call),
        ("/overdue", "Overdue", OVERDUE.call),
        ("/merchants-turn", "For merchants", MERCHANTS_TURN.call),
        ("/dead-letters", "Dead letters", DEAD_LETTERS.call),
        ("/disputes", "Disputes", DISPUTES.call),
        ("/endpoints", "Endpoints", ENDPOINTS.call),
    ),
    "Decide": (
        ("/proposals", "Proposals", PROPOSALS.call),
        ("/rates", "Rates", OVERRIDES.call),
        ("/pauses", "Pauses", PAUSES.call),
        ("/recovery", "Recovery", RECOVERED.call),
    ),
    "Administer": (
        ("/merchants", "Merchants", MERCHANTS.call),
        ("/operator-keys", "Operators' keys", OPERATOR_KEYS.call),
        ("/actions", "Audit trail", ACTIONS.call),
    ),
}
