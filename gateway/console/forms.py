"""Forms of verbs: text of a browser in, values of a request out, or a sentence for each field that
cannot be read. payments decides about every value again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway.console.verbs import Field, Verb

REQUIRED = "Fill this in."


class _Unreadable(Exception):
    """The text is no value of its field."""


@dataclass
class Filled:
    """A form that was read: the values of the request, and a sentence for each wrong field."""

    values: dict[str, Any] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)


def read(verb: Verb, sent: Mapping[str, str]) -> Filled:
    """The form of a verb as it was sent."""
    filled = Filled()
    for one in verb.all_fields:
        try:
            value = _READERS.get(one.kind, _text)(one, sent)
        except _Unreadable as unreadable:
            filled.wrong[one.name] = str(unreadable)
            continue
        if value is not None:
            filled.values[one.name] = value
        elif one.is_required:
            filled.wrong[one.name] = REQUIRED
    return filled


def texts(verb: Verb, sent: Mapping[str, str]) -> dict[str, str]:
    """The texts of the verb's own fields, so that a form can be shown again."""
    names = [name for one in verb.all_fields for name in _names(one)]
    return {name: sent[name] for name in names if sent.get(name)}


def _names(one: Field) -> list[str]:
    several = one.kind == "several"
    return [f"{one.name}.{option}" for option in one.options] if several else [one.name]


def _text(one: Field, sent: Mapping[str, str]) -> Any:
    return sent.get(one.name, "").strip() or None


def _number(one: Field, sent: Mapping[str, str]) -> Any:
    text = _text(one, sent)
    if text is None:
        return None
    # int() takes more than digits.
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _Unreadable("Write a whole number.")
    return int(text)


def _instant(one: Field, sent: Mapping[str, str]) -> Any:
    text = _text(one, sent)
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise _Unreadable("Write a time, for example 2026-11-29T18:30.") from None


def _check(one: Field, sent: Mapping[str, str]) -> Any:
    return True if sent.get(one.name) else None


def _choice(one: Field, sent: Mapping[str, str]) -> Any:
    text = _text(one, sent)
    if text is not None and text not in one.options:
        raise _Unreadable("Choose one of these.")
    return text


def _several(one: Field, sent: Mapping[str, str]) -> Any:
    return [option for option in one.options if sent.get(f"{one.name}.{option}")] or None


def _lines(one: Field, sent: Mapping[str, str]) -> Any:
    lines = (line.strip() for line in sent.get(one.name, "").splitlines())
    return [line for line in lines if line] or None


_READERS: Mapping[str, Callable[[Field, Mapping[str, str]], Any]] = {
    "number": _number,
    "instant": _instant,
    "check": _check,
    "choice": _choice,
    "several": _several,
    "lines": _lines,
}
