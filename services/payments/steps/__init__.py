"""What to do next with a payment, and what an answer means for it: pure decisions from recorded
facts. The worker carries them out; the table in domain.payment checks the moves."""

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
from services.payments.steps.late_success import needs_all_attempts
from services.payments.steps.ways_back import (
    call_off,
    is_untouched,
    may_be_refunded,
    refund_on_request,
)

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
    "is_untouched",
    "may_be_refunded",
    "needs_all_attempts",
    "refund_on_request",
]
