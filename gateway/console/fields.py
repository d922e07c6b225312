"""Fields of forms and filters: text of a browser in, values of a request out, or a sentence for
each field that cannot be read. payments decides about every value again."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway.console.words import in_both
from services.shared.errors import Invalid
from services.shared.money import EXPONENTS, SOURCE_CURRENCY, Money, parse_amount

REQUIRED = "Fill this in."
ALONE = "Fill in one kind alone, and leave the others empty."


@dataclass(frozen=True)
class Field:
    """A field: its name in the request, its label, and its kind: text, area, number, decimal,
    currency, minor (typed as a decimal, sent in minor units), instant, check or choice; of a list
    among (one choice), words, lines or several (options)."""

    name: str
    label: str
    kind: str = "text"
    hint: str = ""
    is_required: bool = False
    options: Sequence[str] = ()
    # The value that the form begins with; of an instant the time at which it is made.
    usual: str = ""
    begins_now: bool = False
    # Of several groups of fields one alone is filled in, with those of it that are required.
    group: str = ""
    # Of an amount in minor units the field that has its currency.
    currency_field: str = ""

    @property
    def full_label(self) -> str:
        """Its label where its group is not beside it."""
        return f"{self.group}: {self.label}" if self.group else self.label

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
    # The values that a person reads otherwise than the request has them.
    said: dict[str, str] = field(default_factory=dict)


def read(fields: Sequence[Field], sent: Mapping[str, str]) -> Filled:
    """The fields as they were sent."""
    filled = Filled(wrong=_wrong_groups(fields, sent))
    groups = _groups(fields)
    needed = {"", *(groups if len(groups) == 1 else _begun(fields, sent))}
    for one in fields:
        try:
            value = _READERS.get(one.kind, _text)(one, sent)
        except _Unreadable as unreadable:
            filled.wrong[one.name] = str(unreadable)
            continue
        if isinstance(value, Money):
            filled.said[one.name] = in_both(value)
            value = value.amount_minor
        if value is not None:
            filled.values[one.name] = value
        elif one.is_required and one.group in needed:
            filled.wrong.setdefault(one.name, REQUIRED)
    return filled


def _groups(fields: Iterable[Field]) -> list[str]:
    return list(dict.fromkeys(one.group for one in fields if one.group))


def _begun(fields: Iterable[Field], sent: Mapping[str, str]) -> list[str]:
    """The groups of which something is filled in."""
    return _groups(one for one in fields if texts([one], sent))


def _wrong_groups(fields: Sequence[Field], sent: Mapping[str, str]) -> dict[str, str]:
    """A sentence at the beginning of each group that is too much, or of the first where several
    could be filled in and none is."""
    groups, begun = _groups(fields), _begun(fields, sent)
    wrong = dict.fromkeys(begun[1:], ALONE)
    if len(groups) > 1 and not begun:
        wrong = {groups[0]: f"Fill in one of these: {', '.join(groups)}."}
    first = {name: next(one for one in fields if one.group == name) for name in wrong}
    return {first[name].name: sentence for name, sentence in wrong.items()}


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


def _currency(one: Field, sent: Mapping[str, str]) -> Any:
    text = _text(one, sent)
    if text is not None and text not in EXPONENTS:
        raise _Unreadable(f"Write the code of a currency, for example {SOURCE_CURRENCY}.")
    return text


def _minor(one: Field, sent: Mapping[str, str]) -> Any:
    text, currency = _text(one, sent), sent.get(one.currency_field, "").strip()
    if text is None:
        return None
    if currency not in EXPONENTS:
        raise _Unreadable(f"Name its currency too, for example {SOURCE_CURRENCY}.")
    try:
        return parse_amount(text, currency, field=one.label)
    except Invalid as refusal:
        raise _Unreadable(f"{refusal}.") from None


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
    "currency": _currency,
    "minor": _minor,
    "instant": _instant,
    "check": _check,
    "choice": _choice,
    "among": _among,
    "words": _words,
    "several": _several,
    "lines": _lines,
}
