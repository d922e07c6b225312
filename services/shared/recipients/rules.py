"""The recipients that a corridor pays: for each kind its rail, its fields with their forms, and an
example. Made from the corridor's file, kept with each open quote, and asked before anybody pays."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any

from services.shared.errors import Invalid, Violation
from services.shared.recipients.formats import Format, UnknownFormat, format_named
from services.shared.recipients.names import Unfit
from services.shared.recipients.nouns import (
    FIELDS,
    HOLDER_NAME,
    Recipient,
    RecipientKind,
    given_fields,
    recipient_of,
)

FIELD_REQUIRED, FIELD_INVALID = "FIELD_REQUIRED", "FIELD_INVALID"
KIND_UNSUPPORTED = "RECIPIENT_KIND_UNSUPPORTED"
FIELD_UNSUPPORTED = "RECIPIENT_FIELD_UNSUPPORTED"

# A section of a corridor file: rail, required, optional, example.
Section = Mapping[str, Any]


class RulesInvalid(ValueError):
    """A section of a corridor file cannot be; the message names each key that is wrong."""


class CheckDemand(StrEnum):
    """Whether the holder of an account is asked for."""

    # Of every payment; another holder is refused.
    REQUIRED = "required"
    # On request.
    OFFERED = "offered"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class FieldRule:
    """One field of a kind."""

    name: str
    format: Format
    required: bool


@dataclass(frozen=True, kw_only=True)
class KindRules:
    """The rules for recipients of one kind."""

    kind: RecipientKind
    rail: str
    fields: Mapping[str, FieldRule]
    # Passes; in a sandbox it is paid where a payment names nobody.
    example: Recipient
    account_check: CheckDemand
    # Whether a payment goes on where a required check has no answer.
    goes_on_unchecked: bool

    def read(self, given: Recipient, *, test_accounts: bool = False) -> Recipient:
        """The recipient as it is kept and sent: names as the rail writes them, numbers without
        blanks. Raises Invalid with every field that is wrong.

        test_accounts says whether the accounts are taken that providers have for tests.
        """
        return _read(self.fields, given, test_accounts=test_accounts)


@dataclass(frozen=True, kw_only=True)
class RecipientRules:
    """The rules of a corridor, by kind, in the order of its file."""

    kinds: Mapping[RecipientKind, KindRules]
    # The country and the sections that they were made of, as JSON: a row of the database keeps it.
    source: str = field(repr=False)

    @cached_property
    def example(self) -> Recipient:
        """The recipient that a sandbox pays where a payment names nobody."""
        return next(iter(self.kinds.values())).example

    def read(self, given: Recipient, *, test_accounts: bool = False) -> Recipient:
        """See KindRules.read. Raises Invalid also for a kind that the corridor does not pay."""
        rules = self.kinds.get(given.kind)
        if rules is None:
            path, kinds = path_of(given.kind), " or ".join(self.kinds)
            words = f"{path} cannot be paid here; the corridor pays {kinds}"
            raise Invalid(violations=(_violation(path, KIND_UNSUPPORTED, words),))
        return rules.read(given, test_accounts=test_accounts)


def path_of(kind: RecipientKind, name: str = "") -> str:
    """The path of a kind, or of one of its fields, in a request."""
    return f"recipient.{kind}.{name}" if name else f"recipient.{kind}"


def make_rules(country: str, sections: Mapping[str, Section]) -> RecipientRules:
    """The rules of a corridor to this country, by its file's sections. Raises RulesInvalid."""
    wrong: list[str] = []
    kinds: dict[RecipientKind, KindRules] = {}
    for name, section in sections.items():
        try:
            kinds[RecipientKind(name)] = _kind_rules(country, RecipientKind(name), section)
        except RulesInvalid as error:
            wrong.append(f"recipients.{name}.{error}")
    if not sections:
        wrong.append("recipients: a corridor pays at least one kind of recipient")
    if wrong:
        raise RulesInvalid("; ".join(wrong))
    source = json.dumps({"country": country, "sections": sections})
    return RecipientRules(kinds=kinds, source=source)


# All quotes of a corridor have the same, and to make them takes longer than to read a quote.
@lru_cache(maxsize=256)
def rules_of(source: str) -> RecipientRules:
    """The rules that were kept. Raises ValueError where this version cannot make them."""
    kept = json.loads(source)
    return make_rules(kept["country"], kept["sections"])


def _kind_rules(country: str, kind: RecipientKind, section: Section) -> KindRules:
    fields = dict(_field_rules(country, kind, section))
    try:
        example = _read(fields, recipient_of(kind, section["example"]), test_accounts=False)
    except ValueError:
        words = f"example: it has a field that {kind} does not have"
        raise RulesInvalid(words) from None
    except Invalid as error:
        raise RulesInvalid(f"example: {error}") from None
    demand = CheckDemand(section.get("account_check", CheckDemand.NONE))
    if demand is not CheckDemand.NONE and HOLDER_NAME not in section["required"]:
        raise RulesInvalid(f"account_check: {HOLDER_NAME} must be required")
    return KindRules(
        kind=kind,
        rail=section["rail"],
        fields=fields,
        example=example,
        account_check=demand,
        goes_on_unchecked=section.get("goes_on_unchecked", False),
    )


def _field_rules(
    country: str, kind: RecipientKind, section: Section
) -> Iterator[tuple[str, FieldRule]]:
    for part in ("required", "optional"):
        for name, format_name in section[part].items():
            if name not in FIELDS[kind]:
                raise RulesInvalid(f"{part}.{name}: {kind} has {', '.join(FIELDS[kind])}")
            if part == "optional" and name in section["required"]:
                raise RulesInvalid(f"{part}.{name}: it is required")
            try:
                form = format_named(format_name, country)
            except UnknownFormat as error:
                raise RulesInvalid(f"{part}.{name}: {error}") from None
            yield name, FieldRule(name=name, format=form, required=part == "required")


def _read(fields: Mapping[str, FieldRule], given: Recipient, *, test_accounts: bool) -> Recipient:
    texts = given_fields(given)
    read, wrong = {}, []
    for name in (*fields, *(name for name in texts if name not in fields)):
        path, rule, text = path_of(given.kind, name), fields.get(name), texts.get(name, "")
        if rule is None:
            words = f"{path} is not taken here; the corridor takes {', '.join(fields)}"
            wrong.append(_violation(path, FIELD_UNSUPPORTED, words))
        elif text:
            try:
                read[name] = _value(rule.format, text, texts, test_accounts=test_accounts)
            except Unfit as error:
                wrong.append(_violation(path, FIELD_INVALID, f"{path} {error}"))
        elif rule.required:
            words = f"{path} is required: {rule.format.words}"
            wrong.append(_violation(path, FIELD_REQUIRED, words))
    if wrong:
        raise Invalid(violations=tuple(wrong))
    return recipient_of(given.kind, read)


def _value(form: Format, text: str, others: Mapping[str, str], *, test_accounts: bool) -> str:
    if test_accounts and (number := re.sub("[ -]", "", text)) in form.test_values:
        return number
    return form.read(text, others)


def _violation(path: str, reason: str, description: str) -> Violation:
    return Violation(field=path, reason=reason, description=description)
