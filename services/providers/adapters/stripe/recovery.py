"""The text by which payments makes a payment again, in the metadata of its intent. A value there
has at most 500 characters, so that the text is cut into numbered parts."""

from collections.abc import Mapping
from itertools import count
from typing import Any

from services.providers.adapters.kit.http import text

VALUE_MAX = 500
_NAME = "recovery_{}"


def parts_of(recovery: str) -> dict[str, str]:
    """The fields of the metadata."""
    starts = range(0, len(recovery), VALUE_MAX)
    return {
        _NAME.format(number): recovery[start : start + VALUE_MAX]
        for number, start in enumerate(starts, 1)
    }


def whole_of(metadata: Mapping[str, Any]) -> str:
    """The text of all parts up to the first that is not there."""
    found: list[str] = []
    for number in count(1):
        part = text(metadata.get(_NAME.format(number)), VALUE_MAX)
        if not part:
            break
        found.append(part)
    return "".join(found)
