"""A mobile wallet as an offramp: a payout is accepted over its small HTTP API, and its completion
arrives later by POST /api/webhooks, signed as Standard Webhooks. The same reference again returns
the payout that exists, so that our key can never pay twice."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import aiohttp
from pydantic import Field, SecretStr

from services.providers.adapters import standard_webhooks
from services.providers.adapters.http import (
    NO_ANSWER,
    Answer,
    AnswerInvalid,
    NotConnected,
    instant,
    no_answer,
    read_object,
    send,
    states_money,
    text,
)
from services.providers.adapters.settings import BaseUrl, ProviderSettings
from services.providers.adapters.standard_webhooks import StandardSecrets
from services.providers.domain import (
    UNKNOWN_STATUS,
    Capabilities,
    DuplicateReference,
    ErrorCaching,
    Failure,
    Kind,
    LookUpStrength,
    Operation,
    OperationResult,
    Outcome,
    Webhook,
    WebhookAuthentication,
    WebhookEvent,
    WebhookEventTypeUnknown,
    WebhookSignatureInvalid,
    failed,
    not_sent,
    other_amount,
    unknown,
)
from services.shared.clock import Clock
from services.shared.errors import field_invalid
from services.shared.money import CurrencyUnknown, Money
from services.shared.text import is_storable

# Its name in messages for operators.
NAME = "the wallet"
# The outcome of a payout's status; anything else is UNKNOWN.
STATUSES = {
    "accepted": Outcome.PENDING,
    "completed": Outcome.SUCCEEDED,
    "failed": Outcome.FAILED,
}
# The refusals of a request that prove that no payout was accepted.
DEFINITIVE_REFUSALS = {
    "amount_invalid",
    "currency_unsupported",
    "insufficient_balance",
    "recipient_invalid",
}
# Why a payout failed; every other cause is "payout_failed".
FAILURES = {"limit_exceeded", "recipient_blocked", "recipient_unreachable"}
OTHER_FAILURE = "payout_failed"
# Answers that leave open what happened, by HTTP status; anything else is a provider_fault, and so
# is a 5xx, which has its own way.
AMBIGUOUS = {
    400: "request_refused",
    401: "provider_unauthenticated",
    403: "provider_forbidden",
    404: "reference_unknown",
    409: "reference_reused",
    422: "request_refused",
}
EVENTS = {"payment_completed": Outcome.SUCCEEDED, "payment_failed": Outcome.FAILED}


class LocalWalletSettings(ProviderSettings):
    """The wallet's variables."""

    local_wallet_base_url: BaseUrl = Field(
        description="Where the wallet's API is; the simulator in a sandbox."
    )
    local_wallet_api_key: SecretStr = Field(description="Bearer key of the wallet's API.")
    local_wallet_webhook_secrets: StandardSecrets = Field(
        description="Standard Webhooks secrets, whsec_… and base64, comma-separated."
    )


class LocalWallet:
    """The adapter."""

    capabilities = Capabilities(
        kinds=frozenset({Kind.PAYOUT}),
        key_lifetime=timedelta(days=30),
        key_scope="account",
        error_caching=ErrorCaching.ERRORS_NOT_CACHED,
        duplicate_reference=DuplicateReference.RETURNS_ORIGINAL,
        success_final_after=timedelta(),
        webhook_authentication=WebhookAuthentication.BODY_SIGNATURE,
        definitive_failures=frozenset(DEFINITIVE_REFUSALS | FAILURES | {OTHER_FAILURE}),
        look_up=LookUpStrength.STRONG,
        look_up_lag=timedelta(),
        event_is_evidence=True,
        expected={Kind.PAYOUT: timedelta(minutes=5)},
        passing_failures=frozenset({"insufficient_balance", "limit_exceeded"}),
    )

    def __init__(
        self, settings: LocalWalletSettings, session: aiohttp.ClientSession, clock: Clock
    ) -> None:
        self._session = session
        self._clock = clock
        self._url = f"{settings.local_wallet_base_url}/v1/payouts"
        self._api_key = settings.local_wallet_api_key
        self._webhook_secrets = settings.local_wallet_webhook_secrets

    async def send_payout(self, operation: Operation) -> OperationResult:
        """Asks for the payout; usually accepted now and completed later."""
        try:
            answer = await self._send("POST", self._url, json.dumps(_payout_body(operation)))
            if answer.status in (200, 201):
                return _read_payout(operation, read_object(answer.body))
            if answer.status == 422:
                refusal = _refusal(read_object(answer.body))
                if refusal.code in DEFINITIVE_REFUSALS:
                    return failed(operation.key, refusal.code, refusal.message)
        except NotConnected as error:
            return not_sent(operation.key, "not_connected", str(error))
        except NO_ANSWER as error:
            return no_answer(operation, error, NAME)
        return _ambiguous(operation, answer)

    async def look_up(self, operation: Operation) -> OperationResult:
        """Reads the payout by our reference; the wallet knows at once what it has accepted."""
        try:
            answer = await self._send("GET", f"{self._url}/{quote(operation.key, safe='')}")
            if answer.status == 200:
                return _read_payout(operation, read_object(answer.body))
            if answer.status == 404 and _refusal(read_object(answer.body)).code == "not_found":
                return _absent(operation)
        except NO_ANSWER as error:
            return no_answer(operation, error, NAME)
        return _ambiguous(operation, answer)

    def read_webhook(self, webhook: Webhook) -> WebhookEvent:
        """Verifies the signature; none at all passes only where the caller allows it."""
        event_id = ""
        if standard_webhooks.is_signed(webhook):
            event_id = standard_webhooks.verify(
                webhook, self._webhook_secrets, self._clock.now(), provider="local_wallet"
            )
        elif not webhook.allow_unsigned:
            raise WebhookSignatureInvalid(provider="local_wallet")
        return _read_event(webhook.body, event_id)

    async def _send(self, method: str, url: str, body: str | None = None) -> Answer:
        headers = {
            "authorization": f"Bearer {self._api_key.get_secret_value()}",
            "content-type": "application/json",
        }
        return await send(
            self._session, method, url, headers=headers, body=body, secret=self._api_key
        )


def _payout_body(operation: Operation) -> dict[str, Any]:
    body: dict[str, Any] = {
        "reference": operation.key,
        "amount_minor": operation.amount.amount_minor,
        "currency": operation.amount.currency,
        "note": operation.reference,
        "transaction_id": operation.transaction_id,
    }
    if operation.recipient:
        body["recipient"] = {
            "account": operation.recipient.account,
            "bank_code": operation.recipient.bank_code,
            "name": operation.recipient.name,
        }
    return body


def _read_payout(operation: Operation, payout: dict[str, Any]) -> OperationResult:
    reference, status = text(payout.get("id")), text(payout.get("status"))
    if not reference or not status:
        raise AnswerInvalid("not a payout")
    if not text(payout.get("reference")) or not _states_money(payout):
        raise AnswerInvalid("a payout without its reference and amount")
    if payout["reference"] != operation.key:
        return unknown(operation.key, "reference_mismatch", f"see {reference}", reference)
    stated = _money(payout)
    if stated != operation.amount:
        moved = stated if STATUSES.get(status) is Outcome.SUCCEEDED else None
        return other_amount(operation.key, reference, moved)
    outcome = STATUSES.get(status, Outcome.UNKNOWN)
    failure = None
    if outcome is Outcome.UNKNOWN:
        failure = Failure(UNKNOWN_STATUS, f"the payout is {status}")
    elif outcome is Outcome.FAILED:
        failure = _failure(payout)
    return OperationResult(
        key=operation.key,
        outcome=outcome,
        provider_reference=reference,
        amount=stated if outcome is Outcome.SUCCEEDED else None,
        occurred_at=(instant(payout.get("completed_at")) if outcome is Outcome.SUCCEEDED else None),
        failure=failure,
    )


def _absent(operation: Operation) -> OperationResult:
    if operation.provider_reference:
        # It gave us an id once. This answer does not prove that nothing was paid.
        message = "the wallet no longer knows a payout it had"
        return unknown(operation.key, "reference_unknown", message, operation.provider_reference)
    return OperationResult(key=operation.key, outcome=Outcome.ABSENT)


def _ambiguous(operation: Operation, answer: Answer) -> OperationResult:
    code = AMBIGUOUS.get(answer.status, "provider_fault")
    return unknown(operation.key, code, f"{NAME} answered {answer.status}")


def _refusal(answer: dict[str, Any]) -> Failure:
    error = answer.get("error")
    body = error if isinstance(error, dict) else {}
    return Failure(text(body.get("code")), text(body.get("message")))


def _failure(body: dict[str, Any]) -> Failure:
    code = text(body.get("failure_code"))
    return Failure(
        code if code in FAILURES else OTHER_FAILURE, text(body.get("failure_message")) or code
    )


def _states_money(body: dict[str, Any]) -> bool:
    return states_money(body.get("amount_minor"), body.get("currency"))


def _money(body: dict[str, Any]) -> Money | None:
    amount, currency = body.get("amount_minor"), body.get("currency")
    if type(amount) is not int or not isinstance(currency, str):
        return None
    try:
        return Money(amount, currency)
    except (CurrencyUnknown, ValueError):
        return None


def _read_event(raw: bytes, event_id: str) -> WebhookEvent:
    try:
        body = read_object(raw)
    except AnswerInvalid:
        raise field_invalid("body", "body must be a JSON object") from None
    transaction_id = _required(body, "transaction_id")
    event_type = _required(body, "event_type")
    if event_type not in EVENTS:
        raise WebhookEventTypeUnknown(event_type=event_type)
    amount = _money(body)
    if amount is None and ("amount_minor" in body or "currency" in body):
        raise field_invalid(
            "amount_minor", "amount_minor must be whole minor units of a known currency"
        )
    outcome = EVENTS[event_type]
    return WebhookEvent(
        event_id=event_id or f"{transaction_id}:{event_type}",
        event_type=event_type,
        transaction_id=transaction_id,
        key=_optional(body, "reference"),
        kind=Kind.PAYOUT,
        outcome=outcome,
        amount=amount,
        failure=_failure(body) if outcome is Outcome.FAILED else None,
        signed=bool(event_id),
    )


def _required(body: dict[str, Any], field: str) -> str:
    if body.get(field) in (None, ""):
        raise field_invalid(field, f"{field} is required", "FIELD_REQUIRED")
    return _optional(body, field)


def _optional(body: dict[str, Any], field: str) -> str:
    value = body.get(field)
    if value is None:
        return ""
    if not isinstance(value, str) or not 1 <= len(value) <= 80 or not is_storable(value):
        raise field_invalid(
            field, f"{field} must be text of 1 to 80 characters, without a zero character"
        )
    return value
