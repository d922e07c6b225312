"""The verbs of the console, each declared once: its call, the fields of its form, and its effect in
a sentence. `doing` shows the form, the confirmation, and does the verb."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.console.client import Record
from gateway.console.fields import Field
from gateway.console.tables import Column, with_query


@dataclass(frozen=True)
class Verb:
    """A verb: a call that changes something."""

    name: str
    title: str
    effect: str
    fields: Sequence[Field] = ()
    # The fields that name its subject: they come with the address.
    subject: Sequence[Field] = ()
    # The call that does it at once; empty where two people are always needed.
    call: str = ""
    # The verb in a proposal; empty where it cannot be proposed.
    proposal: str = ""
    # The call that shows the subject before.
    shows: str = ""
    # Fields of the request that are always the same, or taken from what was shown.
    fixed: Mapping[str, Any] | None = None
    shown_fields: Sequence[str] = ()
    # The page that follows.
    back: str = "/"
    # A new one must not be made by the same form twice.
    is_keyed: bool = False
    # Only for a subject of which this field has one of these values.
    only_when: tuple[str, Sequence[str | None]] | None = None
    # Cannot be undone.
    is_final: bool = False

    @property
    def all_fields(self) -> Sequence[Field]:
        """The fields of its subject, and its own."""
        return (*self.subject, *self.fields)

    @property
    def scope_call(self) -> str:
        """The call whose scopes decide whether its button is shown."""
        return self.call or "CreateProposal"


NOTE = Field("note", "Note", "area", "Stands in the log of actions. At most 500 characters.")
PROPOSAL_ID = Field("proposal_id", "Proposal", is_required=True)
TRANSACTION_ID = Field("transaction_id", "Payment", is_required=True)
DEAD_LETTER_ID = Field("dead_letter_id", "Dead letter", is_required=True)
MERCHANT_ID = Field("merchant_id", "Merchant", is_required=True)
KEY_ID = Field("key_id", "Key", is_required=True)
ADDRESSES = Field(
    "allowed_addresses", "Addresses", "lines", "One address or network a line. None: every address."
)
EXPIRES_AT = Field("expires_at", "Ends", "instant", "In UTC. Empty: it has no end of its own.")
_LETTER = "/dead-letters"
_PAYMENT = "/payments/{transaction_id}"
_PROPOSAL = "/proposals/{proposal_id}"
_OPEN = ("state", ("PROPOSED",))

PROPOSAL_VERBS = (
    Verb(
        "approve",
        "Approve",
        "The verb is done at once, with exactly the payload that stands here.",
        call="ApproveProposal",
        subject=(PROPOSAL_ID,),
        shows="GetProposal",
        shown_fields=("payload_sha256",),
        back=_PROPOSAL,
        only_when=_OPEN,
    ),
    Verb(
        "refuse",
        "Refuse",
        "The proposal is over, and nothing is done.",
        (NOTE,),
        call="RefuseProposal",
        subject=(PROPOSAL_ID,),
        shows="GetProposal",
        back=_PROPOSAL,
        only_when=_OPEN,
    ),
    Verb(
        "withdraw",
        "Withdraw",
        "Your own proposal is over, and nothing is done.",
        (NOTE,),
        call="WithdrawProposal",
        subject=(PROPOSAL_ID,),
        shows="GetProposal",
        back=_PROPOSAL,
        only_when=_OPEN,
    ),
)
PAYMENT_VERBS = (
    Verb(
        "release",
        "Release the hold",
        "The payment is due at once, and the engine decides again by the evidence. It may come to "
        "the same hold. No money is stated to have moved.",
        (
            Field(
                "honour_locked_rate",
                "Exchange late funds at the locked rate",
                "check",
                "Only for a hold as late_funds. Otherwise they are priced again.",
            ),
            NOTE,
        ),
        call="ReleaseHold",
        proposal="release_hold",
        subject=(TRANSACTION_ID,),
        shows="InspectPayment",
        back=_PAYMENT,
        only_when=("payment.status", ("ON_HOLD",)),
    ),
    Verb(
        "resolve",
        "State the outcome",
        "It counts like the provider's own definitive answer. The provider is asked first. After a "
        "wrong FAILED, money is paid twice.",
        (
            Field(
                "outcome",
                "Outcome",
                "choice",
                "SUCCEEDED: the provider has moved the money. FAILED: it has not and never will.",
                is_required=True,
                options=("SUCCEEDED", "FAILED"),
            ),
            Field(
                "evidence",
                "Evidence",
                "area",
                "For example: statement of 2026-11-26, line 12. Stands in the payment's history.",
                is_required=True,
            ),
            Field("provider_reference", "The provider's own id", hint="Where one exists."),
            Field(
                "moved_amount",
                "Moved amount",
                "decimal",
                "With SUCCEEDED, where it differs from the requested one, for example 99.00.",
            ),
            Field("moved_currency", "Currency of the moved amount", hint="Its ISO 4217 code."),
            Field(
                "provider_unreachable",
                "The provider cannot be asked",
                "check",
                "The evidence then does without its answer.",
            ),
            NOTE,
        ),
        call="ResolveAttempt",
        proposal="resolve_attempt",
        subject=(TRANSACTION_ID,),
        shows="InspectPayment",
        back=_PAYMENT,
        only_when=("payment.status", ("ON_HOLD",)),
        is_final=True,
    ),
)
OTHER_VERBS = (
    Verb(
        "override-rate",
        "Override a rate",
        "From its approval, or from its beginning, quotes of the corridor are priced by it.",
        (
            Field("corridor_id", "Corridor", hint="For example us-ng.", is_required=True),
            Field("rate", "Mid rate", "decimal", "In the place of the market's, or give a markup."),
            Field(
                "markup_basis_points",
                "Markup",
                "number",
                "In basis points, in the place of all of ours, or give a mid rate.",
            ),
            Field("starts_at", "Begins", "instant", "In UTC. Empty: with its approval."),
            Field("ends_at", "Ends", "instant", "In UTC.", is_required=True),
        ),
        proposal="rate_override",
        back="/proposals/{proposal_id}",
    ),
    Verb(
        "end-override",
        "End",
        "Within a second the corridor is priced by the market again.",
        (NOTE,),
        call="EndRateOverride",
        subject=(Field("override_id", "Override", is_required=True),),
        back="/rates",
        only_when=("ended_at", (None,)),
    ),
    Verb(
        "requeue",
        "Requeue",
        "It is tried again at once, with a new count.",
        (NOTE,),
        call="RequeueDeadLetter",
        subject=(DEAD_LETTER_ID,),
        back=_LETTER,
    ),
    Verb(
        "discard",
        "Discard",
        "An event is then never applied or never sent. A step is not dropped: its payment stays on "
        "hold until a release, or until its outcome is stated.",
        (NOTE,),
        call="DiscardDeadLetter",
        subject=(DEAD_LETTER_ID,),
        back=_LETTER,
        is_final=True,
    ),
    Verb(
        "create-operator-key",
        "Make a key",
        "The key is shown once. It ends no later than your own credential.",
        (
            Field("operator", "Operator", hint="The name in the audit trail.", is_required=True),
            Field("name", "Name of the key", hint="For example laptop.", is_required=True),
            Field(
                "roles",
                "Roles",
                "several",
                is_required=True,
                options=("viewer", "operator", "approver", "auditor", "admin"),
            ),
            ADDRESSES,
            EXPIRES_AT,
        ),
        call="CreateOperatorKey",
        back="/operator-keys",
    ),
    Verb(
        "roll-operator-key",
        "Roll",
        "Another key takes its place, and is shown once.",
        (
            Field(
                "overlap_hours",
                "Overlap in hours",
                "number",
                "The old key serves so long, 0 to 72. With 0 it is revoked at once.",
                is_required=True,
                usual="1",
            ),
        ),
        call="RollOperatorKey",
        subject=(KEY_ID,),
        back="/operator-keys",
        only_when=("status", ("ACTIVE",)),
    ),
    Verb(
        "revoke-operator-key",
        "Revoke",
        "Within a second the key is refused everywhere.",
        call="RevokeOperatorKey",
        subject=(KEY_ID,),
        back="/operator-keys",
        only_when=("status", ("ACTIVE",)),
        is_final=True,
    ),
    Verb(
        "create-merchant",
        "Create a merchant",
        "It has no key yet.",
        (Field("name", "Name", hint="For example Acme Ltd.", is_required=True),),
        call="CreateMerchant",
        back="/merchants",
        is_keyed=True,
    ),
    Verb(
        "disable-merchant",
        "Disable",
        "Within a second all its keys and tokens are refused. Its payments go on to their ends.",
        (NOTE,),
        call="DisableMerchant",
        subject=(MERCHANT_ID,),
        shows="GetMerchant",
        back="/merchants",
        only_when=("status", ("ENABLED",)),
    ),
    Verb(
        "enable-merchant",
        "Enable",
        "Within a second its keys and tokens serve again.",
        (NOTE,),
        call="EnableMerchant",
        subject=(MERCHANT_ID,),
        shows="GetMerchant",
        back="/merchants",
        only_when=("status", ("DISABLED",)),
    ),
    Verb(
        "create-merchant-key",
        "Make the first key",
        "The key has all scopes of a merchant, and is shown once.",
        (Field("name", "Name of the key", is_required=True), ADDRESSES, EXPIRES_AT),
        call="CreateMerchantKey",
        subject=(MERCHANT_ID,),
        shows="GetMerchant",
        back="/merchants/{merchant_id}/keys",
    ),
    Verb(
        "revoke-merchant-key",
        "Revoke",
        "Within a second the key is refused everywhere.",
        (NOTE,),
        call="RevokeMerchantKey",
        subject=(MERCHANT_ID, KEY_ID),
        back="/merchants/{merchant_id}/keys",
        only_when=("status", ("ACTIVE",)),
        is_final=True,
    ),
    Verb(
        "revoke-merchant-keys",
        "Revoke all keys",
        "Within a second each active key of the merchant is refused everywhere.",
        (NOTE,),
        call="RevokeMerchantKeys",
        fixed={"all": True},
        subject=(MERCHANT_ID,),
        shows="GetMerchant",
        back="/merchants/{merchant_id}/keys",
        is_final=True,
    ),
)
VERBS = {verb.name: verb for verb in (*PROPOSAL_VERBS, *PAYMENT_VERBS, *OTHER_VERBS)}


def applies(verb: Verb, record: Record) -> bool:
    """Whether the verb makes sense for the subject as it is; payments decides it again."""
    if verb.only_when is None:
        return True
    name, values = verb.only_when
    return Column("", name).value(record) in values


def offers(verb: Verb, record: Record) -> bool:
    """Whether a page offers the verb for this record."""
    return applies(verb, record) and all(record.get(one.name) for one in verb.subject)


def address_of(name: str, record: Mapping[str, Any]) -> str:
    """The address of a verb's form, for this subject."""
    subject = {one.name: str(record.get(one.name, "")) for one in VERBS[name].subject}
    return with_query(f"/do/{name}", subject)
