"""A payment that was made again after a restore has no recipient: nothing is paid out for it before
its merchant names one."""

from services.payments.engine.decisions.facts import Plan, Work
from services.payments.engine.decisions.waiting import hold, rest
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.holds import HoldReason
from services.payments.model.payment import Payment
from services.shared.recipients import NO_RECIPIENT


def has_recipient(payment: Payment) -> bool:
    """Whether it is known whom the payment is for."""
    return payment.recipient != NO_RECIPIENT


def stopped(plan: Plan, work: Work) -> Plan | None:
    """A plan that holds the payment in place of a payout to nobody; None where the plan may go
    on."""
    attempt = plan.work.to_send or plan.work.attempt
    if attempt is None or attempt.step is not Step.PAYOUT or has_recipient(plan.change.payment):
        return None
    if attempt.state is not AttemptState.INTENDED:
        return None
    return rest(work, hold(work, HoldReason.RECOVERED, provider=attempt.provider, key=attempt.key))
