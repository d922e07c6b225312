"""The verbs on proposals and payments."""

from functools import partial

from gateway.console.fields import Field
from gateway.console.verbs.fitting import with_offramps, with_recipients
from gateway.console.verbs.model import NOTE, Verb
from services.shared.money import SOURCE_CURRENCY

PROPOSAL_ID = Field("proposal_id", "Proposal", is_required=True)
TRANSACTION_ID = Field("transaction_id", "Payment", is_required=True)
_PAYMENT = "/payments/{transaction_id}"
_PROPOSAL = "/proposals/{proposal_id}"
_OPEN = {"state": ("PROPOSED",)}

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
        is_proposers=False,
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
        is_proposers=False,
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
        is_proposers=True,
    ),
)
# A verb on the payment that the page is about. The payment itself says which ones it allows.
_on_payment = partial(
    Verb,
    subject=(TRANSACTION_ID,),
    shows="InspectPayment",
    back=_PAYMENT,
    allowed_by="next.verbs",
)
PAYMENT_VERBS = (
    _on_payment(
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
        preview="release_hold",
    ),
    _on_payment(
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
        preview="resolve_attempt",
        is_final=True,
    ),
)
_RECIPIENT = {
    "bank_account": "holder_name iban account_number bank_code branch_code ifsc clabe bic "
    "sort_code account_type tax_id",
    "mobile_money": "holder_name phone_number operator",
    "wallet": "holder_name wallet_id",
}
_SHORT = {name: name.upper() for name in ("iban", "ifsc", "clabe", "bic")}
_OPTIONS = {"account_type": ("CHECKING", "SAVINGS")}
_RECIPIENT_FIELDS = tuple(
    Field(
        f"recipient.{kind}.{name}",
        _SHORT.get(name, name.replace("_", " ").capitalize()),
        "choice" if name in _OPTIONS else "text",
        options=_OPTIONS.get(name, ()),
        group=kind.replace("_", " ").capitalize(),
    )
    for kind, names in _RECIPIENT.items()
    for name in names.split()
)
ENGINE_VERBS = (
    _on_payment(
        "try",
        "Try now",
        "The payment is due at once, and its back-off ends.",
        (NOTE,),
        call="TryNow",
        preview="try_now",
    ),
    _on_payment(
        "hold",
        "Put on hold",
        "Nothing more is sent until a release. A request that was sent before is not called back.",
        (Field("note", "Reason", "area", "Kept in the log of actions.", is_required=True),),
        call="PlaceHold",
        preview="place_hold",
    ),
    _on_payment(
        "force",
        "Force the payout",
        "The chosen offramp pays it out. Every payout that was sent is asked about first.",
        (
            Field("provider", "Offramp", "choice", is_required=True),
            NOTE,
        ),
        fit=with_offramps,
        call="ForcePayout",
        proposal="force_payout",
        preview="force_payout",
        is_keyed=True,
        is_final=True,
    ),
    _on_payment(
        "refund",
        "Refund",
        "The sender gets a part back, or all that is left, in the place of the merchant's request.",
        (
            Field("amount_usd", "Part", "decimal", f"In {SOURCE_CURRENCY}. Or else the whole."),
            Field("full", "The whole amount that is not refunded yet", "check"),
            Field("reason", "Reason", hint="Shown to the merchant. At most 140 characters."),
            Field("ends_payout", "The rest is not paid out any more", "check", "For a first part."),
            NOTE,
        ),
        call="RefundPayment",
        proposal="refund_payment",
        preview="refund_payment",
        is_keyed=True,
        is_final=True,
    ),
    _on_payment(
        "correct",
        "Correct the recipient",
        "The payment is paid out again, to this recipient. Nothing is taken over from the one "
        "before.",
        (*_RECIPIENT_FIELDS, NOTE),
        fit=with_recipients,
        call="CorrectPayment",
        proposal="correct_payment",
        preview="correct_payment",
        is_keyed=True,
        is_final=True,
    ),
    _on_payment(
        "adjust",
        "Adjust the book",
        "A posting between two accounts, once another operator has approved it: money on suspense "
        "is written off, or its provider has given it back. No provider is asked to move anything.",
        (
            Field(
                "debit",
                "Debit account",
                hint="It receives the amount, as the postings name it.",
                is_required=True,
            ),
            Field(
                "credit",
                "Credit account",
                hint=f"It gives the amount, for example adjustments:{SOURCE_CURRENCY}.",
                is_required=True,
            ),
            Field(
                "amount_minor",
                "Amount",
                "minor",
                f"In its own decimals, for example 12.34 {SOURCE_CURRENCY} or 1200 JPY.",
                is_required=True,
                currency_field="currency",
            ),
            Field(
                "currency",
                "Currency",
                "currency",
                f"Of the amount and of both accounts, for example {SOURCE_CURRENCY}.",
                is_required=True,
            ),
            Field(
                "evidence",
                "Evidence",
                "area",
                "For example: statement of 2026-11-26, line 12.",
                is_required=True,
            ),
            NOTE,
        ),
        proposal="adjust_payment",
        preview="adjust_payment",
        is_final=True,
    ),
)
