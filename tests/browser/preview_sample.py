"""Effects of verbs before they are done, as payments shows them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.browser.payment_sample import PAYMENT
from tests.wire.console.conftest import answer_of

_PAUSES = ("pause_provider", "pause_corridor", "resume_provider", "resume_corridor")
# Of a forced payout payments says that two people are needed; of a correction, why it is refused.
_AGREED = "force_payout"
_REFUSED = "correct_payment"


def preview(now: datetime, request: Mapping[str, Any]) -> Any:
    [verb] = request
    if verb in _PAUSES:
        return answer_of("PreviewVerb", **_of_pause(verb))
    if verb == _REFUSED:
        refusal = {
            "reason": "PAYMENT_NOT_CORRECTABLE",
            "message": "The payment does not wait for another recipient.",
            "metadata": {"state": "PAYING_OUT"},
        }
        return answer_of("PreviewVerb", transaction_id=PAYMENT, refusal=refusal)
    return answer_of("PreviewVerb", **_of_payment(now, verb))


def _of_pause(verb: str) -> dict[str, Any]:
    return {
        "verb": verb.upper(),
        "target": "flutterwave",
        "waiting_now": 3,
        "under_way": [
            {
                "state": "PAYING_OUT",
                "step": "payout",
                "provider": "flutterwave",
                "sent": sent,
                "waits": not sent,
                "payments": 41,
            }
            for sent in (True, False)
        ],
    }


def _of_payment(now: datetime, verb: str) -> dict[str, Any]:
    return {
        "transaction_id": PAYMENT,
        "verb": verb.upper(),
        "needs_second_person": verb == _AGREED,
        "before": {
            "state": "PAYING_OUT",
            "status": "ON_HOLD",
            "hold_reason": "provider_contradicts_itself",
        },
        "after": {"state": "PAYING_OUT", "status": "SENT", "due_at": now + timedelta(seconds=5)},
        "events": [
            {
                "from_state": "PAYING_OUT",
                "to_state": "PAYING_OUT",
                "cause": "payout_forced",
                "evidence": {"operator": "grace", "provider": "paystack"},
            }
        ],
        "postings": [
            {
                "debit": "payments:INR",
                "credit": "offramp:local_wallet:INR",
                "amount": "9211.85",
                "currency": "INR",
            }
        ],
        "merchant_events": [
            {
                "event_type": "payment.processing",
                "endpoint_id": "whe_01m83mbj55ewdbrd2wha9z9ewh",
                "url": "https://merchant.example/hooks/caravel",
            }
        ],
        "provider_answers": [
            {
                "provider": "flutterwave",
                "key": f"{PAYMENT}/payout/1",
                "answer": "FAILED flw_" + "7" * 24,
            }
        ],
    }
