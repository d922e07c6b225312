"""The questions that come before money is sent again, answered: no payout was paid, or each has
come back."""

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Plan
from services.payments.model.answer import Answer, Outcome

NOT_PAID = Answer(outcome=Outcome.ABSENT)


def past_questions(decider: Decider, plan: Plan) -> Plan:
    """The plan as it is once the offramps have said that they paid nothing."""
    while plan.work.to_send is not None:
        following = decider.after_look_up(plan.work, NOT_PAID)
        assert following is not None
        plan = following
    return plan
