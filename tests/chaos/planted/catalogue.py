"""The known bugs, in their order: what each does, where it is, which faults a run needs to come
near it, and which invariants must notice it."""

from collections.abc import Sequence

from tests.chaos import schedule
from tests.chaos.conditions import Conditions
from tests.chaos.planted import refunding, sending, webhooks, writing
from tests.chaos.planted.plant import Patches, Plant

WORKER_KILLS = {"kill worker-1": 8.0, "kill worker-2": 8.0}
PAYMENTS_KILLS = {"kill payments-1": 5.0, "kill payments-2": 5.0}
# About as many as there is time for: each lasts longer than a lease. A stopped worker whose session
# the database has ended meanwhile is stopped by that, whether it is fenced or not.
WORKER_STALLS = {
    "stall_worker": 24.0,
    **dict.fromkeys(("kill worker-1", "pause_worker", "pause", "pause_session"), 0.0),
    **dict.fromkeys(("kill_postgresql", "kill_session", "kill_servant"), 0.0),
    **dict.fromkeys((*schedule.LATER_RATES, "terminate_sessions"), 0.0),
}

# A payout whose answer is lost, without an event, and which a look-up finds only later.
LOST_PAYOUTS = {
    "accept_then_hang": {"probability": 0.6, "times": 3},
    "lookup_lag": {"probability": 1, "seconds": 15},
    "no_webhook": {"probability": 1},
}
# A payout whose connection is cut, and which happens only later: no look-up finds it before.
LATE_PAYOUTS = {
    "late_effect": {"probability": 0.6, "seconds": 20},
    "no_webhook": {"probability": 1},
}

CALM_API = dict.fromkeys(
    (
        *schedule.LATER_RATES,
        *("kill payments-1", "kill payments-2", "kill gateway", "kill providers", "toxic", "pause"),
        *("kill_postgresql", "kill_session", "kill_servant", "terminate_sessions"),
    ),
    0.0,
)

# The mesh as it is.
CONTROL = Plant(number=0, name="control", words="No bug at all.", expected=frozenset())
PLANTS: Sequence[Plant] = (
    Plant(
        number=1,
        name="random_key_per_retry",
        words="What is sent to a provider once more has a random key of its own.",
        expected=frozenset({"I3", "I4", "I5"}),
        alter=sending.random_key_per_retry,
    ),
    Plant(
        number=2,
        name="timeout_is_failure",
        words="A provider that does not answer in time counts as having refused for good.",
        expected=frozenset({"I3", "I4", "I9"}),
        alter=sending.timeout_is_failure,
    ),
    Plant(
        number=3,
        name="new_attempt_on_unknown",
        words="Where the outcome is unknown, the next attempt begins under the next key.",
        expected=frozenset({"I3", "I4", "I9", "I16"}),
        alter=sending.new_attempt_on_unknown,
    ),
    Plant(
        number=4,
        name="answered_before_kept",
        words="A webhook is answered with 2xx first and kept afterwards.",
        expected=frozenset({"IW"}),
        alter=webhooks.answered_before_kept,
        conditions=Conditions(faults={"kill_postgresql": 5.0, **PAYMENTS_KILLS}),
    ),
    Plant(
        number=5,
        name="unguarded_write",
        words="A payment is written without asking for its version or its lease, nor its history.",
        expected=frozenset({"I3", "I4", "I6", "I7", "I8", "I9", "I10", "I16"}),
        alter=writing.unguarded_write,
        conditions=Conditions(faults=WORKER_STALLS, recording_share=1.0),
    ),
    Plant(
        number=6,
        name="no_fencing",
        words="A worker marks, sends and writes also when its lease is long over.",
        expected=frozenset({"I3", "I4", "I9", "I10", "I16"}),
        alter=writing.no_fencing,
        conditions=Conditions(faults=WORKER_STALLS, short_quotes=True),
    ),
    Plant(
        number=7,
        name="synchronous_commit_off",
        words="The database acknowledges commits before they are on disk, and nobody refuses it.",
        expected=frozenset(
            {"I1", "I2", "I3", "I4", "I5", "I9", "I10", "I11", "I12", "I14", "I16", "IW"}
        ),
        alter=writing.unsafe_durability_accepted,
        server={"synchronous_commit": "off"},
        conditions=Conditions(faults={"kill_postgresql": 8.0, "kill_session": 4.0}),
    ),
    Plant(
        number=8,
        name="keys_not_unique",
        words="The unique index of the idempotency keys is gone, so that every insert wins.",
        expected=frozenset({"I2", "I11"}),
        statements=("ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_pkey",),
    ),
    Plant(
        number=9,
        name="regenerated_answers",
        words="A replayed key is answered with the payment as it is now, not as it was answered.",
        expected=frozenset({"I11"}),
        alter=writing.regenerated_answers,
    ),
    Plant(
        number=10,
        name="job_deleted_at_claim",
        words="A payment stops being due when it is claimed, not when its result is committed.",
        expected=frozenset({"I15"}),
        shown_by="never due again",
        alter=writing.job_deleted_at_claim,
        conditions=Conditions(faults=WORKER_KILLS),
    ),
    Plant(
        number=11,
        name="delivered_before_sent",
        words="An event for a merchant is marked as delivered, and then sent once.",
        expected=frozenset({"I14"}),
        alter=webhooks.delivered_before_sent,
    ),
    Plant(
        number=12,
        name="refund_beside_unknown_payout",
        words="A refund begins while nobody knows whether the payout has arrived.",
        expected=frozenset({"I4", "I9"}),
        alter=refunding.refund_beside_unknown_payout,
        # Merchants must reach us while a payout is unknown.
        conditions=Conditions(faults=CALM_API, lies=LOST_PAYOUTS),
    ),
    Plant(
        number=13,
        name="balance_by_sum",
        words="Refunds are bounded by a sum of those that are done, read without a lock.",
        expected=frozenset({"I5", "I9", "I10"}),
        alter=refunding.balance_by_sum,
        statements=refunding.UNBOUNDED_REFUNDS,
    ),
    Plant(
        number=14,
        name="local_clock",
        words="Quotes expire by the worker's own clock, which is ten minutes ahead in one of them.",
        expected=frozenset({"IE"}),
        alter=writing.local_clock,
    ),
    Plant(
        number=15,
        name="trusted_amount",
        words="The amount that a provider states is not compared with what it was asked for.",
        expected=frozenset({"I20"}),
        shown_by="lied about the amount, and was believed",
        alter=sending.trusted_amount,
    ),
    Plant(
        number=16,
        name="empty_secret_accepted",
        words="A webhook secret may be empty, and then nothing is verified.",
        expected=frozenset({"IW"}),
        alter=webhooks.empty_secret_accepted,
    ),
    Plant(
        number=17,
        name="orphans_ignored",
        words="Money that moved for a payment which nobody knows stands on no list.",
        expected=frozenset({"IW"}),
        shown_by="an orphan that is IGNORED",
        alter=webhooks.orphans_ignored,
    ),
    Plant(
        number=18,
        name="busy_is_final",
        words="A refund that must wait for another one is refused as not possible at all.",
        expected=frozenset({"I18"}),
        alter=refunding.busy_is_final,
    ),
    Plant(
        number=19,
        name="nothing_on_suspense",
        words="Money of another amount than ours stands on no account while a person decides.",
        expected=frozenset({"I9"}),
        shown_by="amount_mismatch",
        alter=writing.nothing_on_suspense,
        # Operators state the outcome of some, which puts their money on the accounts.
        conditions=Conditions(misstated_share=0.2),
    ),
    Plant(
        number=20,
        name="no_patience",
        words="A balance that is empty for a moment gives every payer the money back.",
        expected=frozenset({"I23"}),
        alter=sending.no_patience,
        conditions=Conditions(faults={"no_balance": 8.0}),
    ),
    Plant(
        number=21,
        name="refusal_fails_over",
        words="A recipient that one offramp refuses is paid by the next one of the route.",
        expected=frozenset({"I24"}),
        alter=sending.refusal_fails_over,
    ),
    Plant(
        number=22,
        name="recipient_lost",
        words="A payout is asked about with the recipient that the merchant has corrected since.",
        expected=frozenset({"I24"}),
        shown_by="has lost its recipient",
        alter=writing.recipient_lost,
    ),
    Plant(
        number=23,
        name="failure_stated_early",
        words="An operator may say that a payout failed while its request may still arrive.",
        expected=frozenset({"I4", "I9", "I16"}),
        alter=sending.failure_stated_early,
        # Operators must reach us while a payout is unknown.
        conditions=Conditions(faults=CALM_API, lies=LATE_PAYOUTS),
    ),
)


def by_name(name: str) -> Plant:
    """The bug of this name or number, or several as one: "8+11". Raises KeyError."""
    known = {key: plant for plant in (CONTROL, *PLANTS) for key in (plant.name, str(plant.number))}
    return known[name] if "+" not in name else _together(name, [known[n] for n in name.split("+")])


def _together(name: str, plants: Sequence[Plant]) -> Plant:
    """For bugs that do not hide each other: one mesh that has them all."""

    def alter(patches: Patches) -> None:
        for plant in plants:
            plant.alter(patches)

    return Plant(
        number=0,
        name=name,
        words=" ".join(plant.words for plant in plants),
        expected=frozenset[str]().union(*(plant.expected for plant in plants)),
        alter=alter,
        statements=tuple(line for plant in plants for line in plant.statements),
        server={k: v for plant in plants for k, v in plant.server.items()},
        conditions=Conditions.together([plant.conditions for plant in plants]),
    )
