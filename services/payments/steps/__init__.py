"""What to do next with a payment, and what an answer means for it: pure decisions from recorded
facts. The worker carries them out; the table in domain.payment checks the moves."""

from services.payments.steps.before_refund import is_due as is_before_a_refund
from services.payments.steps.decider import STEP_OF_STATE, Decider
from services.payments.steps.facts import (
    Call,
    Change,
    ClosedNews,
    News,
    NewsFate,
    Plan,
    Repricing,
    Work,
)
from services.payments.steps.news import speaks_of_others
from services.payments.steps.ways_back import call_off, may_be_refunded, refund_on_request

__all__ = [
    "STEP_OF_STATE",
    "Call",
    "Change",
    "ClosedNews",
    "Decider",
    "News",
    "NewsFate",
    "Plan",
    "Repricing",
    "Work",
    "call_off",
    "is_before_a_refund",
    "may_be_refunded",
    "refund_on_request",
    "speaks_of_others",
]
