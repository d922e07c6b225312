"""The fields of a verb that depend on its payment: the offramps that can pay it out, and the kinds
of recipient that it can be corrected to. Both are as payments says them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from gateway.console.client import Record
from gateway.console.fields import Field

_UNKNOWN = (
    "Not known now: its corridor is not offered any more, or the providers have not answered."
)


def with_offramps(fields: Sequence[Field], shown: Record) -> Sequence[Field]:
    """The fields, the provider being one of the offramps that can pay the payment out."""
    options = shown["payout_options"]
    hint = _UNKNOWN
    if options:
        hint = "No offramp of its corridor can pay this recipient now."
    if options and options["offramps"]:
        hint = f"Each can pay this recipient, in the corridor's order. {_payouts(shown)}"
    offramps = options["offramps"] if options else ()
    return [
        replace(one, options=offramps, hint=hint) if one.name == "provider" else one
        for one in fields
    ]


def with_recipients(fields: Sequence[Field], shown: Record) -> Sequence[Field]:
    """The fields, of the recipient those alone that the corridor of the payment takes."""
    by_name = {one.name: one for one in fields}
    options = shown["payout_options"]
    forms = options["recipients"] if options else ()
    asked = [one for form in forms for one in _of_form(form, by_name)]
    if not asked:
        hint = "No offramp of its corridor can pay this amount now." if options else _UNKNOWN
        asked = [Field("recipient", "Recipient", "choice", hint, is_required=True)]
    return [*asked, *(one for one in fields if not one.group)]


def _of_form(form: Record, by_name: dict[str, Field]) -> Iterator[Field]:
    kind = form["kind"].lower()
    for is_required in (True, False):
        for asked in form["required" if is_required else "optional"]:
            # A field that this console does not know yet cannot be filled in here.
            if one := by_name.get(f"recipient.{kind}.{asked['name']}"):
                yield replace(
                    one,
                    group=f"{one.group} ({form['rail']})",
                    hint="" if one.options else _sentence(asked["description"]),
                    is_required=is_required,
                )


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def _payouts(shown: Record) -> str:
    """The payouts so far, in a sentence."""
    payouts: list[Any] = [one for one in shown["attempts"] if one["step"] == "payout"]
    said = ", ".join(f"{one['provider']} {one['state']}" for one in payouts)
    return f"Payouts so far: {said or 'none'}."
