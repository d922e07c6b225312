"""Stripe's filters of events: one type, which may have a star, or up to twenty types by their whole
names, and not both."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from services.providers.simulator.stripe_forms import Form, Json, invalid

EVENT_FILTERS = "type types"
TYPES_MAX = 20
_TYPES = re.compile(r"types\[[0-9]*\]", re.ASCII)


def of_types(events: Sequence[Json], query: Form) -> list[Json]:
    """The events of the types that a query names; all where it names none. Raises Refused."""
    # A query may have a name several times, as in types[]=a&types[]=b.
    wanted = [value for name, value in query.items() if _TYPES.fullmatch(name)]
    if "types" in query:
        raise invalid("", "types", "Invalid array")
    one = query.get("type")
    if wanted and one is not None:
        raise invalid("", "type", "You may only specify one of these parameters: type, types.")
    if len(wanted) > TYPES_MAX:
        raise invalid("", "types", f"You may specify up to {TYPES_MAX} types.")
    if wanted:
        return [event for event in events if event["type"] in wanted]
    if one is None:
        return list(events)
    return [event for event in events if fnmatchcase(event["type"], one)]
