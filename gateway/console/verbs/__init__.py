"""The verbs of the console, each declared once: its call, the fields of its form, and its effect in
a sentence. `doing` shows the form, the confirmation, and does the verb."""

from collections.abc import Mapping
from typing import Any

from gateway.console.tables import with_query
from gateway.console.verbs.letters import LETTER_VERBS
from gateway.console.verbs.markets import PAUSE_VERBS, RATE_VERBS
from gateway.console.verbs.model import Verb
from gateway.console.verbs.payments import (
    ENGINE_VERBS,
    PAYMENT_VERBS,
    PROPOSAL_VERBS,
)
from gateway.console.verbs.people import PEOPLE_VERBS
from gateway.console.verbs.recovery import RECOVERY_VERBS

VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        *PROPOSAL_VERBS,
        *PAYMENT_VERBS,
        *ENGINE_VERBS,
        *LETTER_VERBS,
        *RATE_VERBS,
        *PAUSE_VERBS,
        *PEOPLE_VERBS,
        *RECOVERY_VERBS,
    )
}


def address_of(name: str, record: Mapping[str, Any]) -> str:
    """The address of a verb's form, for this subject."""
    subject = {one.name: str(record.get(one.name, "")) for one in VERBS[name].subject}
    return with_query(f"/do/{name}", subject)
