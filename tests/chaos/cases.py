"""Every case of the crash-point sweep: the points of the table of crash points, the steps at which
each can be reached, and what a payment must have come to once all is healed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tests.chaos.failpoints import Case

ACTIONS = ("raise", "exit", "hang")
# The collection from a payer who is present and must act is a step of its own.
MOVES = ("collection", "payer", "payout", "refund")
# The payout to a corrected recipient, and the refund of a payment whose merchant corrects nothing.
CORRECTED, REFUSED = (*MOVES, "correction"), (*MOVES, "correction", "deadline")
# Beside them the refusal itself.
ANSWERED = (*REFUSED, "refusal")
# The payout by each adapter but the first one's; and a payout that comes back.
OFFRAMPS: Mapping[str, str] = {"flutterwave": "NGN", "paystack": "ZAR", "wise": "GBP"}
CURRENCIES = {**OFFRAMPS, "force": "NGN"}
SENT, BACK = (*REFUSED, *OFFRAMPS), (*ANSWERED, "return")
# The verbs of a merchant and of two operators, and the events that the inbox gets: of a payout, and
# of a claim. Where all webhooks of a claim are lost, it is found in its provider's list.
VERBS, EVENTS = ("correct", "give_back", "retry", "force"), ("inbox", "claim")
KEPT = (*EVENTS, "listed")
# Each point, in the order of a payment's life.
POINTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "F1": ("a call to fees or fx is outstanding", ("fees", "fx", "with_fees", "with_fx")),
    "A1": ("before the creation's commit", ("create",)),
    "A2": ("created, not answered", ("create",)),
    "A3": ("answered, and the answer lost at the gateway", ("create",)),
    "C1": ("before the commit of a verb", VERBS),
    "C2": ("done by a verb, not answered", VERBS),
    "W1": ("claimed, no intent yet", REFUSED),
    "W2": ("intent committed, not marked", CORRECTED),
    "W2a": ("about to mark as sent", REFUSED),
    "W2b": ("marked, nothing sent", SENT),
    "W3": ("half of the request is out", SENT),
    "W4": ("the provider has it, the answer is lost", SENT),
    "W5": ("answer read, nothing written", (*BACK, *OFFRAMPS)),
    "L1": ("between postings and balances", (*REFUSED, "return")),
    "W5b": ("all written, not committed", BACK),
    "W6": ("result committed", BACK),
    "W7": ("after the result's transaction", BACK),
    "H1": ("event read, not kept", KEPT),
    "H1b": ("event written, not committed", KEPT),
    "H2": ("event kept; not answered, or its place in the list not written", KEPT),
    "H3": ("webhook answered, not processed", EVENTS),
    "H4": ("webhook applied, not committed", EVENTS),
    "O1": ("event delivered, not marked", ("outbox",)),
    "O2": ("message claimed, event not delivered", ("outbox",)),
}
# A first send that never arrives is looked up, and absent.
WORDS_OF_POINT = {"K1": "sim:drop_before_accept"}
# Words for the simulator: a payout that fails for good is refunded, and where look-ups say nothing
# only the webhook can finish a payment.
WORDS_OF_STEP = {
    "refund": "sim:payout_fails",
    "force": "sim:recipient_refused@flutterwave",
    "inbox": "sim:webhook_only@local_wallet",
    "listed": "sim:no_webhook@stripe",
    "payer": "sim:payer_authenticates=1",
    "retry": "sim:payout_fails sim:refund_fails=1",
}
# A payer who is present, with a card that asks for one.
PAYER = {"payer": "PRESENT", "payment_method": "pm_card_threeDSecure2Required"}
# The steps of a payment whose first recipient the simulator cannot pay; at the deadline its
# merchant has done nothing.
WITH_REFUSED_RECIPIENT = ("correct", "correction", "deadline", "refusal")
# The steps of a payment whose recipient is refused by its first offramp alone.
REFUSED_AT_ONE_OFFRAMP = ("force",)
# A refund's points have names of their own in the table.
REFUND_NAMES = {"W1": "R1", "W2": "R2", "W3": "R3", "W4": "R4", "W5": "R5"}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The facts that must hold of a case at the end."""

    state: str
    # How often each effect may and must stand in the simulator's book.
    effects: Mapping[str, int]
    attempts: Mapping[str, str]
    # The number of idempotency keys: of the creation, and of a merchant's verb.
    keys: int = 1
    # The claims against the collection, each with its status and the cents that are taken for it.
    claims: str = ""
    # The hold that the payment's merchant ends.
    ends_hold: str = ""
    # True where a message must have come again, under its own id.
    repeats: bool = False


PAID = Outcome(
    state="COMPLETED",
    effects={"charge_succeeded": 1, "payout_completed": 1, "refund_succeeded": 0},
    attempts={"collection": "SUCCEEDED", "payout": "SUCCEEDED"},
)
REFUNDED = Outcome(
    state="REFUNDED",
    effects={"charge_succeeded": 1, "payout_completed": 0, "refund_succeeded": 1},
    attempts={"collection": "SUCCEEDED", "payout": "FAILED", "refund": "SUCCEEDED"},
)

CORRECTED_AND_PAID = replace(PAID, effects={**PAID.effects, "payout_failed": 1}, keys=2)
RETURNED = replace(
    PAID, state="RETURNED", attempts={"collection": "SUCCEEDED", "payout": "REVERSED"}
)
GIVEN_BACK = replace(
    RETURNED,
    state="REFUNDED",
    effects={**PAID.effects, "refund_succeeded": 1},
    attempts={**RETURNED.attempts, "refund": "SUCCEEDED"},
    keys=2,
)
# Refused by the first offramp alone, and paid by the one that two operators choose.
FORCED = replace(CORRECTED_AND_PAID, keys=1)
RETRIED = replace(
    REFUNDED, effects={**REFUNDED.effects, "refund_failed": 1}, keys=2, ends_hold="refund_failed"
)
# The end of each step's payment, where it is not paid out.
ENDS: Mapping[str, Outcome] = {
    **dict.fromkeys(WITH_REFUSED_RECIPIENT, CORRECTED_AND_PAID),
    **dict.fromkeys(("refund", "deadline"), REFUNDED),
    **dict.fromkeys(("claim", "listed"), replace(PAID, claims="WON 0")),
    "force": FORCED,
    "give_back": GIVEN_BACK,
    "retry": RETRIED,
    "return": RETURNED,
}


def every_case() -> Iterator[Case]:
    """All of them, in the order of the table."""
    for point, (_, steps) in POINTS.items():
        for step in steps:
            for action in ACTIONS:
                yield Case(point, step, action)


def reference_of(case: Case) -> str:
    """The text in a payment's reference that makes it this case."""
    words = (WORDS_OF_POINT.get(case.point), WORDS_OF_STEP.get(case.step))
    return " ".join((f"fp:{case.name}", *filter(None, words)))


def outcome_of(case: Case) -> Outcome:
    """The end that the case must reach, whatever happened on the way."""
    return replace(ENDS.get(case.step, PAID), repeats=case.point == "O1")


def preempted_outcome_of(case: Case) -> Outcome:
    """The same of a payment that came past the case's point another way: no message need come
    again, and where one offramp alone refuses the recipient, another one may have been asked."""
    outcome, effects = outcome_of(case), dict(outcome_of(case).effects)
    if case.step in REFUSED_AT_ONE_OFFRAMP:
        del effects["payout_failed"]
    return replace(outcome, effects=effects, repeats=False)


def shown_point(case: Case) -> str:
    """The point's name as the table of crash points has it."""
    return REFUND_NAMES.get(case.point, case.point) if case.step == "refund" else case.point
