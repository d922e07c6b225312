"""Stripe's lists: newest first, in pages after or before an id, and objects in place of the ids
that are asked for whole."""

from collections.abc import Callable, Sequence

from services.providers.simulator.stripe_forms import (
    LIMIT_DEFAULT,
    LIMIT_MAX,
    Form,
    Json,
    integer,
    invalid,
)

# Parameters that every list takes.
PAGING = "limit starting_after ending_before created"
_COMPARED: dict[str, Callable[[int, int], bool]] = {
    "created": lambda at, bound: at == bound,
    "created[gt]": lambda at, bound: at > bound,
    "created[gte]": lambda at, bound: at >= bound,
    "created[lt]": lambda at, bound: at < bound,
    "created[lte]": lambda at, bound: at <= bound,
}
# The object with an id; None where there is none.
Find = Callable[[str], Json | None]


def page(url: str, newest_first: Sequence[Json], form: Form) -> Json:
    """The page of the list that the form asks for. Raises Refused."""
    limit = integer(form, "limit", LIMIT_DEFAULT)
    if not 1 <= limit <= LIMIT_MAX:
        raise invalid("parameter_invalid_integer", "limit", f"Invalid integer: {limit}")
    bounds = [(fits, integer(form, name)) for name, fits in _COMPARED.items() if name in form]
    found = [one for one in newest_first if all(fits(one["created"], at) for fits, at in bounds)]
    if after := form.get("starting_after"):
        found = found[_place(found, after, "starting_after") + 1 :]
        return _shown(url, found[:limit], has_more=len(found) > limit)
    if before := form.get("ending_before"):
        found = found[: _place(found, before, "ending_before")]
        return _shown(url, found[-limit:], has_more=len(found) > limit)
    return _shown(url, found[:limit], has_more=len(found) > limit)


def expand(answer: Json, paths: Sequence[str], find: Find) -> Json:
    """The answer with the whole object in place of the id at each path. Raises Refused."""
    for path in paths:
        answer = _expand(answer, path.split("."), path, find)
    return answer


def _expand(subject: Json, steps: Sequence[str], path: str, find: Find) -> Json:
    name, rest = steps[0], steps[1:]
    if name not in subject:
        raise invalid("", "expand[]", f"This property cannot be expanded ({path}).")
    value = subject[name]
    if isinstance(value, str):
        value = find(value)
        if value is None:
            raise invalid("", "expand[]", f"This property cannot be expanded ({path}).")
    if value is not None and not isinstance(value, dict | list):
        raise invalid("", "expand[]", f"This property cannot be expanded ({path}).")
    if rest and isinstance(value, list):
        value = [_expand(one, rest, path, find) for one in value]
    elif rest and isinstance(value, dict):
        value = _expand(value, rest, path, find)
    return {**subject, name: value}


def _place(found: Sequence[Json], wanted: str, param: str) -> int:
    places = (place for place, one in enumerate(found) if one["id"] == wanted)
    place = next(places, None)
    if place is None:
        raise invalid("resource_missing", param, f"No such object: '{wanted[:80]}'")
    return place


def _shown(url: str, data: Sequence[Json], *, has_more: bool) -> Json:
    return {"object": "list", "url": url, "has_more": has_more, "data": list(data)}
