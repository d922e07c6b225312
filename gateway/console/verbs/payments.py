"""The verbs on proposals, payments and dead letters."""

from gateway.console.fields import Field
from gateway.console.verbs.model import NOTE, Verb

PROPOSAL_ID = Field("proposal_id", "Proposal", is_required=True)
TRANSACTION_ID = Field("transaction_id", "Payment", is_required=True)
DEAD_LETTER_ID = Field("dead_letter_id", "Dead letter", is_required=True)
_LETTER = "/dead-letters"
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
        only_when={"payment.status": ("ON_HOLD",)},
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
        only_when={"payment.status": ("ON_HOLD",)},
        is_final=True,
    ),
)
LETTER_VERBS = (
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
)
