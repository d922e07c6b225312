"""Answers of payments, with the longest words that there are."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.browser.payment_sample import MERCHANT, PAYMENT, payment
from tests.wire.console.conftest import answer_of

PROPOSAL = "prp_01m83mbj55ewdbrd2wha9z9epr"
OVERRIDE = "ovr_01m83mbj55ewdbrd2wha9z9eov"
STATES = ("PROPOSED", "APPROVED", "REFUSED", "WITHDRAWN", "EXPIRED", "FAILED")
DAY = timedelta(days=1)


def late_payments(now: datetime, request: Mapping[str, Any]) -> Any:
    waits_for = request.get("waiting_for", [""])
    late = [
        {
            "transaction_id": f"pay_01m83mbj55ewdbrd2wha9z9e{at:02}",
            "merchant_id": MERCHANT,
            "corridor_id": "us-ng",
            "state": state,
            "provider": provider,
            "since": now - timedelta(minutes=17 * at + 3),
            "deadline_at": now + timedelta(hours=at - 1) if waits else None,
            "at_deadline": "ALARM" if waits else "",
            "waiting_for": waits,
            "last_message": "The bank of the recipient is not reachable now." if provider else "",
            "amount_usd": "12345.00",
            "hold_reason": "provider_contradicts_itself" if waits == "ON_HOLD" else "",
        }
        for at, (state, provider, waits) in enumerate(
            [
                ("PAYING_OUT", "flutterwave", "ON_HOLD"),
                ("COLLECTING", "stripe", ""),
                ("RETURNED", "", "RETURNED"),
                ("PAYING_OUT", "", "ACTION_REQUIRED"),
            ]
            * 8
        )
        if waits in waits_for
    ]
    begins = int(request.get("page_token") or 0)
    ends = begins + min(request["page_size"], 5)
    rest = str(ends) if ends < len(late) else ""
    return answer_of("ListOverduePayments", payments=late[begins:ends], next_page_token=rest)


_ORPHAN = {
    "event": "payment_intent.succeeded: SUCCEEDED 100.00 USD",
    "provider_event": {
        "provider": "stripe",
        "event_id": "evt_1MtJUT2eZvKYlo2C",
        "provider_reference": "pi_3MtwBwLkdIwHu7ix28a3tqPa",
        "key": "pay_01kcfsmyh9e0qan14gmzkxcpvm-collection-1",
        "amount": "100.00",
        "currency": "USD",
        "payload_sha256": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    },
}


_UNREADABLE = {
    "reason": "row_unreadable",
    "attempts": 0,
    "last_error": "ValueError at services/payments/base/attempt_rows.py:88",
    "record": {
        "table": "payment_events",
        "key": '["sandbox", "01939e7a-7a29-7f4c-a1b2-1f6d4c9b0e11", "2"]',
        "column": "evidence",
    },
}


def dead_letters(now: datetime, request: Mapping[str, Any]) -> Any:
    letters = [
        {
            "dead_letter_id": f"{kind.lower()}_MDE5YWJjZGU",
            "kind": kind,
            "transaction_id": "" if kind == "ORPHAN" else PAYMENT,
            "merchant_id": MERCHANT,
            "reason": "step_failed",
            "attempts": 12,
            "last_error": "ZeroDivisionError at services/payments/engine/decisions/table.py:41",
            "requeue_refusal": "DEAD_LETTER_UNMATCHED" if kind == "ORPHAN" else "",
            **(_ORPHAN if kind == "ORPHAN" else {}),
            **(_UNREADABLE if kind == "UNREADABLE" else {}),
            "set_aside_at": now - timedelta(days=2, hours=5),
        }
        for kind in ("STEP", "INBOX", "OUTBOX", "ORPHAN", "UNREADABLE")
        if request.get("kind", kind) == kind
    ]
    return answer_of("ListDeadLetters", dead_letters=letters)


def dispute(now: datetime) -> dict[str, Any]:
    return {
        "merchant_id": MERCHANT,
        "dispute": {
            "dispute_id": "dsp_01m83mbj55ewdbrd2wha9z9eme",
            "transaction_id": PAYMENT,
            "kind": "DISPUTE",
            "status": "NEEDS_RESPONSE",
            "amount_usd": "100.00",
            "withdrawn_usd": "100.00",
            "reason": "fraudulent",
            "provider": "stripe",
            "provider_reference": "dp_1MtJUT2eZvKYlo2CNaw2HvEv",
            "created_at": now - DAY,
            "respond_by": now + 6 * DAY,
        },
    }


def search(now: datetime) -> dict[str, Any]:
    statuses = ("ON_HOLD", "PROCESSING", "SENT", "COMPLETED", "RETURNED", "FAILED", "CANCELLED")
    found = [
        {
            "payment": {**payment(now)["payment"], "status": status, "failure": None},
            "merchant_id": MERCHANT,
            "state": "PAYING_OUT",
        }
        for status in statuses
    ]
    return {"payments": found, "next_page_token": "2", "looked_until": now - DAY}


def _providers(now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "provider": "stripe",
            "step": "collection",
            "succeeded": 950,
            "failed": 12,
            "open": 9,
            "breaker": "CLOSED",
            "breaker_since": now - timedelta(days=3),
        },
        {
            "provider": "flutterwave",
            "step": "payout",
            "succeeded": 610,
            "failed": 41,
            "open": 22,
            "unknown": 5,
            "breaker": "OPEN",
            "breaker_since": now - timedelta(seconds=40),
        },
        {"provider": "wise", "step": "payout"},
    ]


def overview(now: datetime) -> dict[str, Any]:
    ages = (("0", 31), ("10min", 6), ("1h", 3), ("4h", 0), ("1d", 1))
    return {
        "seen_at": now,
        "under_way": [
            {"state": state, "age": age, "payments": count * times, "amount_usd": "1200.00"}
            for state, times in (("COLLECTING", 2), ("PAYING_OUT", 5), ("REFUNDING", 1))
            for age, count in ages
        ],
        "overdue": [{"state": "PAYING_OUT", "provider": "flutterwave", "payments": 4}],
        "waiting": [
            {"waiting_for": "ON_HOLD", "payments": 8, "amount_usd": "98760.00"},
            {"waiting_for": "RETURNED", "payments": 3, "amount_usd": "300.00"},
        ],
        "completion": {"payments": 4100, "median_seconds": 3.2, "p95_seconds": 312.0},
        "corridors": [
            {"corridor_id": "us-ng", "payments": 812, "completed": 790, "not_completed": 9},
            {"corridor_id": "us-in", "payments": 412, "completed": 380, "not_completed": 30},
        ],
        "payments_counted_from": now - DAY,
        "providers": _providers(now),
        "providers_counted_from": now - timedelta(hours=1),
        "queues": [
            {"name": "payments", "waiting": 3, "oldest_seconds": 0.4},
            {"name": "outbox", "waiting": 812, "oldest_seconds": 4210.0, "set_aside": 2},
        ],
        "failing_webhooks": {"endpoints": 2, "events": 812},
        "inbox": [{"provider": "stripe", "waiting": 2, "oldest_seconds": 1.5, "orphans": 1}],
        "rates": [
            {"corridor_id": "us-ng", "source": "ecb", "observed_at": now - timedelta(minutes=3)},
            {"corridor_id": "us-br", "unavailable_reason": "FX_RATE_STALE"},
        ],
    }


def proposal(now: datetime, state: str) -> dict[str, Any]:
    return {
        "proposal_id": PROPOSAL,
        "verb": "RATE_OVERRIDE",
        "target": "us-ng",
        "payload": '{"arguments":{"ends_at":"2026-11-29T20:00:00Z","rate":"1540.5"},'
        '"reason":"thin market","target":"us-ng","verb":"RATE_OVERRIDE"}',
        "payload_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "reason": "thin market",
        "state": state,
        "proposed_by": "grace",
        "created_at": now - timedelta(minutes=12),
        "expires_at": now + timedelta(hours=23),
        "decided_by": "" if state == "PROPOSED" else "ada",
    }


def endpoint(now: datetime) -> dict[str, Any]:
    return {
        "endpoint_id": "whe_01m83mbj55ewdbrd2wha9z9ewh",
        "merchant_id": MERCHANT,
        "url": "https://merchant.example/hooks/caravel",
        "created_at": now - 40 * DAY,
        "waiting": 812,
        "failing": 800,
        "next_try_at": now + timedelta(minutes=4),
        "last_error": "HTTP 500",
        "set_aside": 2,
    }


def pauses(now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "pause_id": "pau_01m83mbj55ewdbrd2wha9z9epa",
            "kind": kind,
            "name": name,
            "under_way": "WAIT",
            "reason": "maintenance at the provider",
            "paused_by": "grace",
            "starts_at": now - timedelta(minutes=5),
            "ends_at": now + timedelta(hours=2),
            "in_force": True,
        }
        for kind, name in (("PROVIDER", "flutterwave"), ("CORRIDOR", "us-ng"))
    ]


def recovered() -> list[dict[str, Any]]:
    story = "payout flutterwave trf_01m83mbj55ewdbrd2wha9z9epa, 151,500.00 NGN, made 12:00:05"
    fates = ("GOES_ON", "HELD", "MADE_AGAIN", "NOT_HELD", "UNKNOWN")
    return [{"transaction_id": PAYMENT, "fate": fate, "stories": [story] * 2} for fate in fates]


def override(now: datetime) -> dict[str, Any]:
    return {
        "override_id": OVERRIDE,
        "corridor_id": "us-ng",
        "rate": "1540.5",
        "starts_at": now - timedelta(minutes=5),
        "ends_at": now + timedelta(hours=2),
        "proposal_id": PROPOSAL,
        "proposed_by": "grace",
        "approved_by": "ada",
        "reason": "thin market",
        "in_force": True,
    }


def positions(now: datetime) -> list[dict[str, Any]]:
    trail = {"mid_rate": "1538.2", "observed_at": now - timedelta(seconds=40)}
    return [
        {
            "currency": "NGN",
            "position": "-1250000.00",
            "worth_usd": "-812.63",
            "rate_trail": trail,
            "maximum_owed": "5000000.00",
        },
        {"currency": "USD", "position": "820.13", "worth_usd": "820.13"},
    ]


def scoreboard(now: datetime) -> dict[str, Any]:
    share = {"counted": 800, "reached": 780, "percent": "97.50", "target_percent": "75.00"}
    return {
        "corridor_id": "us-ng",
        "counted_from": now - 30 * DAY,
        "payments": 812,
        "cost": {"cost_percent": "1.4210", "target_percent": "3.0000", "target_met": True},
        "within_one_hour": share,
        "within_one_business_day": share,
        "disclosed_before_payment": share,
    }


def actions(now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "action_id": "act_01m83mbj55ewdbrd2wha9z9eac",
            "operator": "grace",
            "action": "RELEASE_HOLD",
            "subject": PAYMENT,
            "note": "=HYPERLINK(1)",
            "acted_at": now - timedelta(minutes=9),
            "merchant_id": MERCHANT,
            "credential_id": "opk_01m83mbj55ewdbrd2wha9z9eok",
            "address": "203.0.113.9",
            "request_id": "0b5c8a1e-7d1f-4f4c-9b5e-2f1c3f4d5e6a",
            "refusal": refusal,
        }
        for refusal in ("", "PAYMENT_NOT_ON_HOLD")
    ]


def key(now: datetime, **fields: str) -> dict[str, Any]:
    return {
        "key_id": "opk_01m83mbj55ewdbrd2wha9z9eok",
        "name": "laptop",
        "status": "ACTIVE",
        "scopes": ["operate:propose", "operate:read"],
        "created_at": now - 40 * DAY,
        "created_by": "command",
        "last_used_at": now - timedelta(hours=1),
        **fields,
    }


def merchant(now: datetime, status: str) -> dict[str, Any]:
    return {
        "merchant_id": MERCHANT,
        "name": "Acme Ltd",
        "status": status,
        "created_at": now - 90 * DAY,
        "disabled_at": now - DAY if status == "DISABLED" else None,
    }
