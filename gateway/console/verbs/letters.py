"""The verbs on dead letters, and on events that were sent to merchants' endpoints."""

from gateway.console.fields import Field
from gateway.console.verbs.model import NOTE, Verb

# Why something was set aside.
REASONS = (
    "step_failed",
    "event_failed",
    "payment_unknown",
    "attempt_unknown",
    "delivery_failed",
    "row_unreadable",
)
DEAD_LETTER_ID = Field("dead_letter_id", "Dead letter", is_required=True)
_LETTER = "/dead-letters"
TRIED_BEFORE = Field(
    "tried_before",
    "Last tried before",
    "instant",
    "In UTC. An event that was tried later is left as it is, so that no form does it twice.",
    is_required=True,
    begins_now=True,
)
LETTER_VERBS = (
    Verb(
        "requeue-all",
        "Requeue by a filter",
        "The dead letters of the filter are tried again, at most 100 at a time, the latest first. "
        "Name at least one of merchant, endpoint and reason.",
        (
            Field("page_token", "Go on after", hint="Empty: from the latest on."),
            NOTE,
        ),
        call="RequeueDeadLetters",
        subject=(
            Field("merchant_id", "Merchant"),
            Field("endpoint_id", "Endpoint"),
            Field("reason", "Reason", "choice", options=REASONS),
        ),
        back=_LETTER,
        counts="dead_letter_ids",
        refused="refused",
        more="next_page_token",
    ),
    Verb(
        "replay-delivery",
        "Send again",
        "The endpoint gets the same event once more, with the same id, whether it has taken it "
        "before or not.",
        (TRIED_BEFORE, NOTE),
        call="ReplayDelivery",
        subject=(Field("delivery_id", "Delivery", is_required=True),),
        back="/endpoints",
        counts="events",
    ),
    Verb(
        "replay-endpoint",
        "Send again since",
        "The endpoint gets all events once more whose last try ended in this time, with the same "
        "ids, at most 500 at a time. Those that wait for their next try are tried at once.",
        (
            Field("tried_since", "Last tried since", "instant", "In UTC.", is_required=True),
            TRIED_BEFORE,
            NOTE,
        ),
        call="ReplayEndpoint",
        subject=(Field("endpoint_id", "Endpoint", is_required=True),),
        back="/endpoints",
        counts="events",
        more="has_more",
        only_when={"disabled_at": (None,)},
    ),
    Verb(
        "requeue",
        "Requeue",
        "It is tried again at once, with a new count. A row that could not be read is read again.",
        (NOTE,),
        call="RequeueDeadLetter",
        subject=(DEAD_LETTER_ID,),
        back=_LETTER,
        only_when={"requeue_refusal": (None,)},
    ),
    Verb(
        "discard",
        "Discard",
        "An event is then never applied or never sent. A step is not dropped: its payment stays on "
        "hold until a release, or until its outcome is stated. A row that cannot be read stays as "
        "it is, and is not listed again until it was repaired and fails again.",
        (NOTE,),
        call="DiscardDeadLetter",
        subject=(DEAD_LETTER_ID,),
        back=_LETTER,
        is_final=True,
    ),
)
