"""Paystack's forms of what it knows: its envelope, recipients, transfers, banks, and pages of a
list."""

import hashlib
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from services.providers.simulator.accounts import COUNTRIES, Bank, bank_of

Json = dict[str, Any]

INTEGRATION = 100_032
PER_PAGE_MAX = 100
_MADE_AT = "2026-01-01T00:00:00.000Z"


def success(status: int, message: str, data: object, **more: object) -> web.Response:
    """The answer to a call that was fulfilled."""
    body = {"status": True, "message": message, "data": data, **more}
    return web.json_response(body, status=status)


def error(code: str, message: str, error_type: str = "validation_error") -> Json:
    """The body of a refusal."""
    return {
        "status": False,
        "message": message,
        "meta": {"nextStep": "See the API's reference."},
        "type": error_type,
        "code": code,
    }


def recipient_shown(recipient: Json) -> Json:
    """The whole recipient."""
    bank = bank_of(recipient["bank_code"])
    return {
        "active": True,
        "createdAt": recipient.get("created_at", _MADE_AT),
        "currency": recipient["currency"],
        "description": None,
        "domain": "test",
        "email": None,
        "id": recipient["id"],
        "integration": INTEGRATION,
        "metadata": None,
        "name": recipient["name"],
        "recipient_code": recipient["recipient_code"],
        "type": recipient["type"],
        "updatedAt": recipient.get("created_at", _MADE_AT),
        "is_deleted": False,
        "isDeleted": False,
        "details": {
            "authorization_code": None,
            "account_number": recipient["account_number"],
            "account_name": None,
            "bank_code": recipient["bank_code"],
            "bank_name": bank.name if bank else "Test Bank",
        },
    }


def transfer_shown(transfer: Json, recipient: object) -> Json:
    """The whole transfer, with its recipient as an id or whole."""
    return {
        **transfer,
        "recipient": recipient,
        "integration": INTEGRATION,
        "source_details": None,
        "titan_code": None,
        "transferred_at": None,
        "request": None,
        "session": {"provider": None, "id": None},
        "fee_charged": 0,
        "fees_breakdown": None,
        "updatedAt": transfer["createdAt"],
    }


def bank_shown(bank: Bank) -> Json:
    """One bank of the list."""
    number = int(hashlib.sha256(f"{bank.country}{bank.code}".encode()).hexdigest()[:6], 16)
    return {
        "id": number,
        "name": bank.name,
        "slug": bank.name.lower().replace(" ", "-"),
        "code": bank.code,
        "longcode": bank.code,
        "gateway": None,
        "pay_with_bank": False,
        "supports_transfer": True,
        "active": True,
        "is_deleted": False,
        "country": COUNTRIES[bank.country],
        "currency": bank.currency,
        "type": bank.kind,
        "createdAt": _MADE_AT,
        "updatedAt": _MADE_AT,
    }


def page(found: Sequence[Json], query: Any) -> tuple[Sequence[Json], Json]:
    """The page that a query asks for, and what is said of it. Raises ValueError."""
    per_page, number = int(query.get("perPage", "50")), int(query.get("page", "1"))
    if not 0 < per_page <= PER_PAGE_MAX or not 0 < number < 10**9:
        raise ValueError("perPage and page")
    start = (number - 1) * per_page
    meta = {
        "total": len(found),
        "skipped": start,
        "perPage": per_page,
        "page": number,
        "pageCount": -(-len(found) // per_page),
    }
    return found[start : start + per_page], meta
