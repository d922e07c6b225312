"""A verb: its call, the fields of its form, and its effect in a sentence."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from gateway.console.client import Record
from gateway.console.fields import Field
from gateway.console.tables import Column


@dataclass(frozen=True)
class Verb:
    """A verb: a call that changes something."""

    name: str
    title: str
    effect: str
    fields: Sequence[Field] = ()
    # The fields as the subject that is shown takes them; None where they are always the same.
    fit: Callable[[Sequence[Field], Record], Sequence[Field]] | None = None
    # The fields that name its subject: they come with the address.
    subject: Sequence[Field] = ()
    # The call that does it at once; empty where two people are always needed.
    call: str = ""
    # The verb in a proposal; empty where it cannot be proposed.
    proposal: str = ""
    # The field that is the reason of its proposal.
    reason_field: str = "note"
    # The verb in a preview of its effect; empty where there is none.
    preview: str = ""
    # The call that shows the subject before.
    shows: str = ""
    # Fields of the request that are always the same, or taken from what was shown.
    fixed: Mapping[str, Any] | None = None
    shown_fields: Sequence[str] = ()
    # The page that follows.
    back: str = "/"
    # In its answer: how many were done, those that could not be, and whether more are left.
    counts: str = ""
    refused: str = ""
    more: str = ""
    # A new one must not be made by the same form twice.
    is_keyed: bool = False
    # Only for a subject of which each of these fields has one of the values.
    only_when: Mapping[str, Sequence[object]] = field(default_factory=dict)
    # The field of the subject that lists the verbs that it allows, each as ":<name>"; empty where
    # the subject has none.
    allowed_by: str = ""
    # Cannot be undone.
    is_final: bool = False
    # Of a proposal: only its own proposer (True), or only another person (False).
    is_proposers: bool | None = None

    @property
    def all_fields(self) -> Sequence[Field]:
        """The fields of its subject, and its own."""
        return (*self.subject, *self.fields)

    @property
    def grouped(self) -> Sequence[tuple[str, Sequence[Field]]]:
        """Its own fields by their groups, in order."""
        return [(name, list(of)) for name, of in groupby(self.fields, lambda one: one.group)]

    @property
    def can_be_filled_in(self) -> bool:
        """Whether each choice that is required has something to choose."""
        chosen = (one for one in self.fields if one.kind == "choice" and one.is_required)
        return all(one.options for one in chosen)

    def fitted(self, shown: Record | None) -> "Verb":
        """The verb with the fields that its subject takes; without a subject none are known."""
        if self.fit is None:
            return self
        return replace(self, fields=self.fit(self.fields, shown) if shown else ())

    @property
    def scope_call(self) -> str:
        """The call whose scopes decide whether its button is shown."""
        return self.call or "CreateProposal"


def applies(verb: Verb, record: Record) -> bool:
    """Whether the verb makes sense for the subject as it is; payments decides it again."""
    if verb.allowed_by and f":{verb.name}" not in (Column("", verb.allowed_by).value(record) or ()):
        return False
    return all(Column("", name).value(record) in values for name, values in verb.only_when.items())


def offers(verb: Verb, record: Record, operator: str) -> bool:
    """Whether a page offers the operator the verb for this record."""
    is_own = record.get("proposed_by") == operator
    return (
        applies(verb, record)
        and all(record.get(one.name) for one in verb.subject)
        and verb.is_proposers in (None, is_own)
    )


REASON = Field("reason", "Reason", "area", "For the log and the other operators.", is_required=True)
NOTE = Field("note", "Note", "area", "Stands in the log of actions. At most 500 characters.")
