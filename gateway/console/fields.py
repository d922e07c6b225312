"""Fields of forms and filters: text of a browser in, values of a request out, or a sentence for
each field that cannot be read. payments decides about every value again."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

REQUIRED = "Fill this in."


@dataclass(frozen=True)
class Field:
    """A field: its name in the request, its label, and its kind: text, area, number, decimal,
    instant, check or choice; of a list among (one choice), words, lines or several (options)."""

    name: str
    label: str
    kind: str = "text"
    hint: str = ""
    is_required: bool = False
    options: Sequence[str] = ()
    # The value that the form begins with; of an instant the time at which it is made.
    usual: str = ""
    begins_now: bool = False

    @property
    def names(self) -> Sequence[str]:
        """The names of its texts in a form."""
        if self.kind == "several":
            return [f"{self.name}.{option}" for option in self.options]
        return [self.name]


class _Unreadable(Exception):
    """The text is no value of its field."""


@dataclass
class Filled:
    """A form that was read: the values of the request, and a sentence for each wrong field."""

    values: dict[str, Any] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)


def read(fields: Iterable[Field], sent: Mapping[str, str]) -> Filled:
    """The fields as they were sent."""
    filled = Filled()
    for one in fields:
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


def texts(fields: Iterable[Field], sent: Mapping[str, str]) -> dict[str, str]:
    """The texts of these fields alone, so that they can be shown again."""
    return {
        name: text.strip()
        for one in fields
        for name in one.names
        if (text := sent.get(name, "")).strip()
    }


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a request: a name with dots leads into a message within."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        *outer, last = name.split(".")
        within = found
        for one in outer:
            within = within.setdefault(one, {})
        within[last] = value
    return found


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


def _among(one: Field, sent: Mapping[str, str]) -> Any:
    text = _choice(one, sent)
    return None if text is None else [text]


def _words(one: Field, sent: Mapping[str, str]) -> Any:
    return sent.get(one.name, "").replace(",", " ").split() or None


def _several(one: Field, sent: Mapping[str, str]) -> Any:
    names = zip(one.options, one.names, strict=True)
    return [option for option, name in names if sent.get(name)] or None


def _lines(one: Field, sent: Mapping[str, str]) -> Any:
    lines = (line.strip() for line in sent.get(one.name, "").splitlines())
    return [line for line in lines if line] or None


_READERS: Mapping[str, Callable[[Field, Mapping[str, str]], Any]] = {
    "number": _number,
    "instant": _instant,
    "check": _check,
    "choice": _choice,
    "among": _among,
    "words": _words,
    "several": _several,
    "lines": _lines,
}
