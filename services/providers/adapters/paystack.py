"""Paystack as an offramp for NGN, GHS, KES and ZAR. A payout is two calls: a recipient is made,
which moves nothing and may be repeated, and then a transfer to it under our reference. Paystack
refuses a reference that it knows; what became of the transfer is then asked, never assumed."""

import hashlib
import hmac
import json
import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import aiohttp
from pydantic import Field, SecretStr

from services.providers.adapters.http import (
    Answer,
    AnswerInvalid,
    NotConnected,
    read_object,
    send,
    text,
)
from services.providers.adapters.settings import BaseUrl, ProviderSettings, Secrets
from services.providers.domain import (
    Capabilities,
    DuplicateReference,
    ErrorCaching,
    Failure,
    Kind,
    LookUpStrength,
    Operation,
    OperationResult,
    Outcome,
    Recipient,
    Webhook,
    WebhookAuthentication,
    WebhookEvent,
    WebhookSignatureInvalid,
    failed,
    not_sent,
    unknown,
)
from services.shared.clock import Clock
from services.shared.errors import field_invalid
from services.shared.money import CurrencyUnknown, Money

# What a bank account is called, by currency.
ACCOUNT_TYPES = {"GHS": "ghipss", "KES": "kepss", "NGN": "nuban", "ZAR": "basa"}
# The bank codes that are phone networks: money goes to a number, and not to an account.
MOBILE_NETWORKS = {("GHS", "ATL"), ("GHS", "MTN"), ("GHS", "VOD"), ("KES", "MPESA")}
# Where a payout without a recipient goes in Paystack's test mode, and only there.
TEST_RECIPIENTS = {
    currency: Recipient(account=account, bank_code=bank_code, name="Test Recipient")
    for currency, account, bank_code in (
        ("GHS", "0551234987", "MTN"),
        ("KES", "0710000000", "MPESA"),
        ("NGN", "0000000000", "057"),
        ("ZAR", "0000000000", "632005"),
    )
}

# What we call each way to fail: nothing was paid, or it has come back.
FAILURES = {
    "abandoned": "payout_abandoned",
    "blocked": "payout_blocked",
    "failed": "payout_failed",
    "rejected": "payout_rejected",
    "reversed": "payout_returned",
}
# What a transfer's status says; anything else is UNKNOWN.
STATUSES = {
    "success": Outcome.SUCCEEDED,
    "pending": Outcome.PENDING,
    "received": Outcome.PENDING,
    # A person must type a code; who does not within half an hour makes it "abandoned".
    "otp": Outcome.PENDING,
    **dict.fromkeys(FAILURES, Outcome.FAILED),
}
# The refusals of a transfer that prove that none was begun, in our words.
DEFINITIVE_REFUSALS = {
    "insufficient_balance": "insufficient_balance",
    "transfer_unavailable": "payouts_unavailable",
}
CURRENCY_UNSUPPORTED = "currency_unsupported"
RECIPIENT_INVALID = "recipient_invalid"
RECIPIENT_MISSING = "recipient_missing"
DEFINITIVE_FAILURES = frozenset(
    {*FAILURES.values(), *DEFINITIVE_REFUSALS.values()}
    | {CURRENCY_UNSUPPORTED, RECIPIENT_INVALID, RECIPIENT_MISSING}
)
DUPLICATE = "duplicate_transfer_reference"
# Answers that leave open what happened, by HTTP status; anything else is a provider_fault.
AMBIGUOUS = {
    400: "request_refused",
    401: "provider_unauthenticated",
    403: "provider_forbidden",
    404: "reference_unknown",
    422: "request_refused",
    429: "rate_limited",
}
# Every event is a hint only: its signature holds no time, so an old one could be sent again.
EVENTS = {
    "transfer.failed": "failed",
    "transfer.reversed": "reversed",
    "transfer.success": "success",
}
# A transfer with any other reference was not sent by us.
_OUR_KEY = re.compile(r"(pay_[0-9a-z]{26})-payout-[0-9]+", re.ASCII)


class PaystackSettings(ProviderSettings):
    """Paystack's variables."""

    paystack_base_url: BaseUrl = Field(
        "https://api.paystack.co", description="Where its API is; the simulator in a sandbox."
    )
    paystack_api_key: SecretStr = Field(description="Secret key, sk_….")
    paystack_webhook_secrets: Secrets = Field(
        description="Secret keys that may have signed an event, comma-separated: the API key, "
        "and the one before it while keys are changed."
    )


class Paystack:
    """The adapter."""

    capabilities = Capabilities(
        kinds=frozenset({Kind.PAYOUT}),
        # No end is documented; after a month nothing of ours is sent again without a look-up.
        key_lifetime=timedelta(days=30),
        key_scope="account",
        # The balance is checked before a transfer exists, so the same reference may try again.
        error_caching=ErrorCaching.ERRORS_NOT_CACHED,
        duplicate_reference=DuplicateReference.REJECTS,
        # A bank that cannot credit sends the money back, as a rule within three days.
        success_final_after=timedelta(days=3),
        webhook_authentication=WebhookAuthentication.BODY_SIGNATURE,
        definitive_failures=DEFINITIVE_FAILURES,
        # Nothing promises that a transfer is found in the moment after it was taken.
        look_up=LookUpStrength.EVENTUAL,
        look_up_lag=timedelta(seconds=60),
        event_is_evidence=False,
    )

    def __init__(
        self, settings: PaystackSettings, session: aiohttp.ClientSession, _: Clock
    ) -> None:
        self._session = session
        self._url = settings.paystack_base_url
        self._api_key = settings.paystack_api_key
        self._webhook_secrets = settings.paystack_webhook_secrets
        self._test_mode = self._api_key.get_secret_value().startswith("sk_test_")

    async def send_payout(self, operation: Operation) -> OperationResult:
        """Makes the recipient, then asks for the transfer; usually pending now, done later."""
        currency = operation.amount.currency
        if currency not in ACCOUNT_TYPES:
            return failed(operation.key, CURRENCY_UNSUPPORTED, f"Paystack pays no {currency}")
        recipient = operation.recipient
        if recipient is None and self._test_mode:
            recipient = TEST_RECIPIENTS[currency]
        if recipient is None:
            return failed(operation.key, RECIPIENT_MISSING, "the payment names nobody to pay")
        try:
            answer = await self._call("/transferrecipient", _recipient_body(recipient, currency))
            if answer.status in (200, 201):
                return await self._transfer(operation, _recipient_code(answer))
            refusal = _error(answer)
        except (aiohttp.ClientError, AnswerInvalid) as error:
            # No transfer was asked for in this try, whatever became of the recipient.
            cause = _not_understood(error)
            return not_sent(operation.key, cause.code, f"no recipient was made: {cause.message}")
        if answer.status in (400, 404, 422) and refusal["type"] == "validation_error":
            refused = failed(operation.key, RECIPIENT_INVALID, refusal["message"])
            return await self._unless_known(operation, refused)
        cause = _ambiguous(answer)
        return not_sent(operation.key, cause.code, f"no recipient was made: {cause.message}")

    async def look_up(self, operation: Operation) -> OperationResult:
        """Reads the transfer by our reference."""
        try:
            answer = await self._call(f"/transfer/verify/{quote(operation.key, safe='')}")
            if answer.status == 200:
                return _read_transfer(operation, _data(answer))
            if _says_absent(answer):
                return _absent(operation)
        except (aiohttp.ClientError, AnswerInvalid) as error:
            return _unknown(operation, _not_understood(error))
        return _unknown(operation, _ambiguous(answer))

    def read_webhook(self, webhook: Webhook) -> WebhookEvent:
        """Verifies the signature with each active key, then reads which transfer it is about."""
        given = webhook.headers.get("x-paystack-signature", "").encode()
        if not any(
            hmac.compare_digest(sign(webhook.body, secret.get_secret_value()).encode(), given)
            for secret in self._webhook_secrets
        ):
            raise WebhookSignatureInvalid(provider="paystack")
        return _read_event(webhook.body)

    async def _transfer(self, operation: Operation, recipient_code: str) -> OperationResult:
        try:
            answer = await self._call("/transfer", _transfer_body(operation, recipient_code))
            if answer.status in (200, 201):
                return _read_transfer(operation, _data(answer))
            refusal = _error(answer)
        except NotConnected as error:
            return not_sent(operation.key, "not_connected", str(error))
        except (aiohttp.ClientError, AnswerInvalid) as error:
            return _unknown(operation, _not_understood(error))
        if answer.status == 400 and refusal["code"] == DUPLICATE:
            lost = unknown(operation.key, "reference_reused", "known, and yet not to be found")
            return await self._unless_known(operation, lost)
        ours = DEFINITIVE_REFUSALS.get(refusal["code"])
        if ours and answer.status == 400:
            refused = failed(operation.key, ours, refusal["message"])
            return await self._unless_known(operation, refused)
        return _unknown(operation, _ambiguous(answer))

    async def _unless_known(
        self, operation: Operation, refusal: OperationResult
    ) -> OperationResult:
        """The refusal, unless an earlier try under the same key has got through before it."""
        known = await self.look_up(operation)
        return refusal if known.outcome is Outcome.ABSENT else known

    async def _call(self, path: str, body: dict[str, Any] | None = None) -> Answer:
        return await send(
            self._session,
            "POST" if body else "GET",
            f"{self._url}{path}",
            headers={
                "authorization": f"Bearer {self._api_key.get_secret_value()}",
                "content-type": "application/json",
            },
            body=json.dumps(body) if body else None,
            secret=self._api_key,
        )


def sign(body: bytes, key: str) -> str:
    """Paystack's signature: HMAC-SHA512 over the body as it came, in hexadecimal digits."""
    return hmac.new(key.encode(), body, hashlib.sha512).hexdigest()


def _recipient_body(recipient: Recipient, currency: str) -> dict[str, Any]:
    mobile = (currency, recipient.bank_code) in MOBILE_NETWORKS
    return {
        "type": "mobile_money" if mobile else ACCOUNT_TYPES[currency],
        "name": recipient.name,
        "account_number": recipient.account,
        "bank_code": recipient.bank_code,
        "currency": currency,
    }


def _recipient_code(answer: Answer) -> str:
    code = text(_data(answer).get("recipient_code"))
    if not code:
        raise AnswerInvalid("not a recipient")
    return code


def _transfer_body(operation: Operation, recipient_code: str) -> dict[str, Any]:
    body = {
        "source": "balance",
        # All four currencies have two digits, here and in ISO 4217.
        "amount": operation.amount.amount_minor,
        "currency": operation.amount.currency,
        "recipient": recipient_code,
        "reference": operation.key,
    }
    if operation.reference:
        body["reason"] = operation.reference
    return body


def _read_transfer(operation: Operation, transfer: dict[str, Any]) -> OperationResult:
    reference, status = text(transfer.get("transfer_code")), text(transfer.get("status"))
    if not reference or not status:
        raise AnswerInvalid("not a transfer")
    if transfer.get("reference") != operation.key:
        return unknown(operation.key, "reference_mismatch", f"see {reference}", reference)
    stated = _money(transfer)
    if stated != operation.amount:
        return unknown(operation.key, "amount_mismatch", f"see {reference}", reference)
    outcome = STATUSES.get(status, Outcome.UNKNOWN)
    return OperationResult(
        key=operation.key,
        outcome=outcome,
        provider_reference=reference,
        amount=stated if outcome is Outcome.SUCCEEDED else None,
        failure=_failure(status, outcome),
    )


def _failure(status: str, outcome: Outcome) -> Failure | None:
    if outcome is Outcome.FAILED:
        return Failure(FAILURES[status], f"the transfer is {status}")
    if status == "otp":
        return Failure("otp_required", "somebody must confirm the transfer at Paystack")
    if outcome is Outcome.UNKNOWN:
        return Failure("status_unknown", f"the transfer is {status}")
    return None


def _absent(operation: Operation) -> OperationResult:
    if operation.provider_reference:
        # It gave us a code once. Whatever this is, it does not prove that nothing was paid.
        message = "Paystack no longer knows a transfer it had"
        return unknown(operation.key, "reference_unknown", message, operation.provider_reference)
    return OperationResult(key=operation.key, outcome=Outcome.ABSENT)


def _says_absent(answer: Answer) -> bool:
    """Whether Paystack itself says so; a 404 alone could come from anything on the way."""
    return answer.status in (400, 404) and (
        _error(answer)["message"].lower().startswith("transfer not found")
    )


def _data(answer: Answer) -> dict[str, Any]:
    envelope = read_object(answer.body)
    data = envelope.get("data")
    if envelope.get("status") is not True or not isinstance(data, dict):
        raise AnswerInvalid("not a success")
    return data


def _error(answer: Answer) -> dict[str, str]:
    """The code, type and message of an error of Paystack's own. Raises AnswerInvalid."""
    envelope = read_object(answer.body)
    if envelope.get("status") is not False:
        raise AnswerInvalid("not an error")
    return {name: text(envelope.get(name)) for name in ("code", "type", "message")}


def _unknown(operation: Operation, cause: Failure) -> OperationResult:
    return unknown(operation.key, cause.code, cause.message)


def _ambiguous(answer: Answer) -> Failure:
    code = AMBIGUOUS.get(answer.status, "provider_fault")
    return Failure(code, f"Paystack answered {answer.status}")


def _not_understood(error: Exception) -> Failure:
    if isinstance(error, AnswerInvalid):
        return Failure("answer_invalid", str(error))
    connected = not isinstance(error, NotConnected)
    return Failure("connection_failed" if connected else "not_connected", type(error).__name__)


def _money(transfer: dict[str, Any]) -> Money | None:
    amount, currency = transfer.get("amount"), transfer.get("currency")
    if type(amount) is not int or not isinstance(currency, str):
        return None
    try:
        return Money(amount, currency)
    except (CurrencyUnknown, ValueError):
        return None


def _read_event(raw: bytes) -> WebhookEvent:
    try:
        body = read_object(raw)
    except AnswerInvalid:
        raise field_invalid("body", "body must be a JSON object") from None
    event_type, data = text(body.get("event")), body.get("data")
    if not event_type or not isinstance(data, dict):
        raise field_invalid("body", "body must be an event with event and data")
    event_id = f"{event_type}:{_id(data) or hashlib.sha256(raw).hexdigest()}"
    ours = _OUR_KEY.fullmatch(text(data.get("reference")))
    status = EVENTS.get(event_type)
    if ours is None or status is None:
        return WebhookEvent(event_id=event_id, event_type=event_type)
    outcome = STATUSES[status]
    return WebhookEvent(
        event_id=event_id,
        event_type=event_type,
        transaction_id=ours[1],
        key=ours[0],
        kind=Kind.PAYOUT,
        outcome=outcome,
        provider_reference=text(data.get("transfer_code")),
        amount=_money(data),
        failure=_failure(status, outcome),
    )


def _id(data: dict[str, Any]) -> str:
    number = data.get("id")
    return str(number) if type(number) is int else text(data.get("transfer_code"))
