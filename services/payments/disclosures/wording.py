"""A document in the words and the figures of a locale. The words are in `locales`, one file each;
Babel writes the figures, from decimals and with the digits of ISO 4217, and names each currency by
its code, because several of them have one sign."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date
from decimal import Decimal
from functools import cache
from pathlib import Path

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, format_percent

from services.payments.disclosures.document import (
    Document,
    Item,
    Percent,
    Rate,
    Section,
    Statement,
    Value,
)
from services.payments.model.disclosure import Contact
from services.shared.errors import Invalid, Violation
from services.shared.money import Money, exponent, format_rate

LOCALES = Path(__file__).resolve().parent / "locales"
DEFAULT = "en-US"
SUPPORTED = tuple(sorted(path.stem for path in LOCALES.glob("*.toml")))
# Two to four decimals, as 12 CFR 1005.31(b)(1)(iv) has it; the value beside it has them all.
RATE_PATTERN = "#,##0.00##"
# The section of where the payment stands, which no rule asks for.
STATE = "state"
SPACE = "\N{NO-BREAK SPACE}"


class LocaleUnsupported(Invalid):
    """There are no words in this locale."""

    reason = "LOCALE_UNSUPPORTED"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One fact in words: as the locale writes it, and as plain text with its currency."""

    name: str
    label: str
    text: str
    value: str
    currency: str
    provision: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """The facts of one section, in words."""

    rule: str
    title: str
    lines: tuple[Line, ...]
    statements: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Worded:
    """A document in words. The captions are those of its page."""

    document: Document
    locale: str
    title: str
    made_on: str
    parts: tuple[Part, ...]
    captions: Mapping[str, str]


def read_locale(text: str) -> str:
    """The locale, en-US where none is named. Raises LocaleUnsupported."""
    if not text:
        return DEFAULT
    if text not in SUPPORTED:
        known = ", ".join(SUPPORTED)
        violation = Violation(
            field="locale", reason="LOCALE_UNSUPPORTED", description=f"locale is one of {known}"
        )
        raise LocaleUnsupported(
            violations=(violation,), locale=text[:35], supported=",".join(SUPPORTED)
        )
    return text


def worded(document: Document, locale: str) -> Worded:
    """The document in a locale that read_locale gives."""
    words = _words(locale)
    return Worded(
        document=document,
        locale=locale,
        title=words["titles"][document.kind],
        made_on=_text(document.made_at.astimezone(UTC).date(), locale),
        parts=tuple(_part(section, words, locale) for section in document.sections),
        captions=words["captions"],
    )


@cache
def _words(locale: str) -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads((LOCALES / f"{locale}.toml").read_text(encoding="utf-8"))


def _part(section: Section, words: Mapping[str, Mapping[str, str]], locale: str) -> Part:
    name = section.rule or STATE
    return Part(
        rule=name,
        title=words["titles"][name],
        lines=tuple(_line(item, words["labels"][item.name], locale) for item in section.items),
        statements=tuple(
            _statement(one, words["statements"][one.name], locale) for one in section.statements
        ),
    )


def _line(item: Item, label: str, locale: str) -> Line:
    value = item.value
    return Line(
        name=item.name,
        label=label,
        text=_text(value, locale),
        value=_plain(value),
        currency=value.currency if isinstance(value, Money) else "",
        provision=item.provision,
    )


def _statement(statement: Statement, sentence: str, locale: str) -> str:
    return sentence.format(
        **{name: _text(value, locale) for name, value in statement.values.items()}
    )


def _plain(value: Value) -> str:
    """The value for a program."""
    if isinstance(value, Rate):
        return format_rate(value.value)
    if isinstance(value, Percent):
        return format_rate(value.value * 100)
    if isinstance(value, Contact):
        return value.website
    return value.isoformat() if isinstance(value, date) else str(value)


def _text(value: Value, name: str) -> str:
    """The value as the locale writes it."""
    locale = Locale.parse(name, sep="-")
    if isinstance(value, Money):
        return _amount(value.decimal, value.currency, exponent(value.currency), locale)
    if isinstance(value, Rate):
        one = _amount(Decimal(1), value.base, 0, locale)
        rate = format_decimal(value.value, RATE_PATTERN, locale=locale)
        return f"{one} = {rate}{SPACE}{value.quote}"
    if isinstance(value, Percent):
        return format_percent(value.value, f"#,##0.00{SPACE}%", locale=locale)
    if isinstance(value, Contact):
        return ", ".join((value.name, value.phone, value.website))
    return format_date(value, "long", locale=locale) if isinstance(value, date) else value


def _amount(value: Decimal, currency: str, digits: int, locale: Locale) -> str:
    pattern = f"#,##0{'.' if digits else ''}{'0' * digits}{SPACE}¤¤"
    return format_currency(value, currency, pattern, locale=locale, currency_digits=False)
