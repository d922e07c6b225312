"""Bugs in what a merchant may have given back, and when."""

from collections.abc import Callable, Mapping

from services.payments.engine.decisions import before_send, returns_and_refunds
from services.payments.engine.decisions.facts import Plan, Work
from services.payments.engine.store import work
from services.payments.model.attempt import AttemptState, Capabilities
from services.payments.model.payment import PaymentBusy, PaymentNotRefundable, State
from tests.chaos.planted.plant import Patches

NextRefund = Callable[[Work], int]


def refund_beside_unknown_payout(patches: Patches) -> None:
    """A refund begins although nobody knows whether the payout has arrived."""

    def next_refund(asked: Work) -> int:
        attempt = asked.attempt
        unknown = attempt is not None and attempt.state is AttemptState.UNKNOWN
        return 1 if asked.payment.state is State.PAYING_OUT and unknown else original(asked)

    def ask_nobody(plan: Plan, _: Mapping[str, Capabilities]) -> Plan:
        return plan

    original: NextRefund = patches.put(returns_and_refunds, "_next_refund", next_refund)
    patches.put(before_send, "ask_first", ask_nobody)


def balance_by_sum(patches: Patches) -> None:
    """The amount left to refund is computed from the refunds that are done, read without a lock."""

    def next_refund(asked: Work) -> int:
        attempt, payment = asked.attempt, asked.payment
        going_on = payment.state is State.REFUNDING and attempt is not None and attempt.is_live
        if going_on and attempt is not None and payment.hold_reason is None:
            return attempt.number + 1
        return original(asked)

    original: NextRefund = patches.put(returns_and_refunds, "_next_refund", next_refund)
    patches.reword(work, "_LOCK", "FOR UPDATE", "")
    patches.reword(work, "_CLAIM_ONE", "AND (lease_until IS NULL OR lease_until < now())", "")


def busy_is_final(patches: Patches) -> None:
    """A refund that must wait for another one is refused as if there never were one to be had."""

    def next_refund(asked: Work) -> int:
        try:
            return original(asked)
        except PaymentBusy:
            raise PaymentNotRefundable(status=asked.payment.status) from None

    original: NextRefund = patches.put(returns_and_refunds, "_next_refund", next_refund)


UNBOUNDED_REFUNDS = (
    "DROP INDEX attempts_one_live_idx",
    "DROP INDEX refunds_one_open_idx",
    "ALTER TABLE payments DROP CONSTRAINT payments_refunded_check",
)
