"""One payment as payments shows it, with something of each kind on record."""

from datetime import datetime, timedelta
from typing import Any

PAYMENT = "pay_01m83mbj55ewdbrd2wha9z9e00"
MERCHANT = "mer_01m83mbj55ewdbrd2wha9z9eme"


def _postings(began: datetime) -> list[dict[str, Any]]:
    return [
        {
            "sequence": 3,
            "debit": debit,
            "credit": credit,
            "amount": amount,
            "currency": currency,
            "cause": cause,
            "posted_at": began,
        }
        for debit, credit, amount, currency, cause in (
            ("onramp:stripe:USD", "payments:USD", "100.00", "USD", "collection_succeeded"),
            ("payments:USD", "revenue:fees", "2.50", "USD", "collection_succeeded"),
            ("payments:USD", "fx:position:USD", "97.50", "USD", "converted"),
            ("fx:position:INR", "payments:INR", "9211.85", "INR", "converted"),
            ("payments:INR", "offramp:local_wallet:INR", "9211.85", "INR", "payout_succeeded"),
        )
    ]


def _work(began: datetime) -> dict[str, Any]:
    """The attempts of the payment, its postings and its quotes."""
    return {
        "attempts": [
            {
                "step": step,
                "number": 1,
                "provider": provider,
                "key": f"{PAYMENT}/{step}/1",
                "provider_reference": "pi_" + "x" * 24,
                "state": state,
                "amount": "100.00",
                "currency": "USD",
                "sent_at": began,
                "sends": 1,
            }
            for step, provider, state in (
                ("collection", "stripe", "SUCCEEDED"),
                ("payout", "local_wallet", "UNKNOWN"),
            )
        ],
        "postings": _postings(began),
        "quotes": [
            {
                "quote_id": "quo_01m83mbj55ewdbrd2wha9z9equ",
                "is_current": True,
                "amount_usd": "100.00",
                "fee_usd": "2.50",
                "payout_amount": "9211.85",
                "destination_currency": "INR",
                "fee_schedule_version": "2026-01",
                "rate_trail": {
                    "mid_rate": "96.40",
                    "markup_basis_points": 200,
                    "source": "ecb",
                    "observed_at": began,
                },
                "created_at": began,
                "expires_at": began + timedelta(minutes=5),
            }
        ],
    }


def _messages(began: datetime) -> dict[str, Any]:
    """The events that were received and sent."""
    return {
        "received_events": [
            {
                "provider": "stripe",
                "event_id": "evt_1",
                "event_type": "payment_intent.succeeded",
                "step": "collection",
                "state": "APPLIED",
                "received_at": began,
                "outcome": "SUCCEEDED",
                "signed": True,
            }
        ],
        "deliveries": [
            {
                "endpoint_id": "whe_1",
                "url": "https://merchant.example/hooks",
                "sequence": 1,
                "event_type": "payment.pending",
                "state": "SET_ASIDE",
                "failures": 12,
                "last_error": "HTTP 500",
                "created_at": began,
                "dead_letter_id": "outbox_MDE5YWJjZGU",
            }
        ],
    }


_BANK_ACCOUNT = {
    "kind": "BANK_ACCOUNT",
    "rail": "IMPS",
    "required": [
        {"name": "holder_name", "description": "a name in Latin letters"},
        {"name": "ifsc", "description": "an IFSC: 4 letters, 0 and 6 letters or digits"},
        {"name": "account_number", "description": "9 to 18 digits"},
    ],
    "optional": [{"name": "account_type", "description": "one of CHECKING, SAVINGS"}],
}
_WALLET = {
    "kind": "WALLET",
    "rail": "local wallet",
    "required": [
        {"name": "holder_name", "description": "a name"},
        {"name": "wallet_id", "description": "the id that the offramp has given to the wallet"},
    ],
}


def _price(began: datetime) -> dict[str, Any]:
    return {
        "net_usd": "97.50",
        "fees": [{"name": "percentage", "amount_usd": "2.50", "formula": "100.00 * 2.5 %"}],
        "rate_trail": {
            "mid_rate": "96.408642887478726",
            "markup_basis_points": 200,
            "source": "ecb",
            "observed_at": began,
        },
        "all_in_rate": "92.11",
        "cost_usd": "4.45",
        "cost_percent": "4.45",
    }


def payment(now: datetime) -> dict[str, Any]:
    began = now - timedelta(hours=3)
    return {
        "merchant_id": MERCHANT,
        "payment": {
            "transaction_id": PAYMENT,
            "status": "ON_HOLD",
            "hold": {"reason": "outcome_unknown"},
            "amount_usd": "100.00",
            "fee_usd": "2.50",
            "payout_amount": "9211.85",
            "destination_currency": "INR",
            "fx_rate": "94.48046902971715",
            "corridor_id": "us-in",
            "onramp": "stripe",
            "offramp": "local_wallet",
            "recipient": {"wallet": {"holder_name": "A. R.", "wallet_id": "****0001"}},
            "reference": "order <b>17</b>",
            "created_at": began,
            "updated_at": now - timedelta(hours=2),
            "deadline_at": now + timedelta(hours=22),
            **_price(began),
        },
        "state": "PAYING_OUT",
        "next": {
            "reason": "OPERATOR_DECIDES",
            "description": "It is on hold, and an operator decides.",
            "deadline_at": now + timedelta(hours=22),
            "at_deadline": "ALARM",
            "verbs": [":release", ":resolve", ":try"],
        },
        **_work(began),
        **_messages(began),
        "payout_options": {
            "offramps": ["wise", "local_wallet"],
            "recipients": [_BANK_ACCOUNT, _WALLET],
        },
        "events": [
            {
                "sequence": at,
                "from_state": "CREATED" if at > 1 else "",
                "to_state": "COLLECTING" if at > 1 else "CREATED",
                "actor": "worker",
                "cause": "collection_succeeded",
                "evidence": {"provider_reference": "pi_" + "x" * 40},
                "occurred_at": began + timedelta(minutes=at),
            }
            for at in range(1, 6)
        ],
    }
