"""Speaks with Stripe through its own SDK: a collection is one PaymentIntent, created and confirmed
in one call under our key, and a refund is one Refund of it. The SDK never retries, because the
engine owns that. The meaning of the answers is in translate, refunds and events."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import stripe
from pydantic import Field, SecretStr
from stripe import _api_requestor

from services.providers.adapters.kit.http import (
    BODY_BYTES_MAX,
    NO_ANSWER,
    AnswerInvalid,
    NotConnected,
    read_object,
    send,
    text,
)
from services.providers.adapters.kit.settings import BaseUrl, ProviderSettings, Secrets
from services.providers.adapters.stripe import disputes, events, lists, refunds, translate
from services.providers.domain import (
    Capabilities,
    Dispute,
    DuplicateReference,
    ErrorCaching,
    EventPage,
    Kind,
    LookUpStrength,
    Operation,
    OperationResult,
    Outcome,
    Webhook,
    WebhookAuthentication,
    WebhookEvent,
    WebhookSignatureInvalid,
    WebhookTimestampOutOfRange,
    failed,
    not_sent,
    unknown,
)
from services.providers.listed import OperationPage, OperationQuery
from services.shared.clock import Clock
from services.shared.errors import Unavailable, field_invalid

WEBHOOK_TOLERANCE_SECONDS = 300
# The longest list that Stripe gives; no collection of ours has so many refunds.
LIST_MAX = 100
# Stripe's code for an id that it does not have.
MISSING = "resource_missing"
INTENTS, REFUNDS, DISPUTES = "/v1/payment_intents", "/v1/refunds", "/v1/disputes"
_NONE: Mapping[str, Any] = {}
# The exceptions that the SDK and the transport below raise when an answer is not a plain success.
ANSWER_ERRORS = (stripe.StripeError, *NO_ANSWER)


def _unlogged(_message: str, **_parameters: object) -> None:
    """Says nothing."""


# For each request the SDK formats four lines, the whole answer among them, before it asks whether
# any level reads them. Ours say what happened, and never with a body.
for _line in ("log_info", "log_debug"):
    setattr(_api_requestor, _line, _unlogged)


class StripeSettings(ProviderSettings):
    """Stripe's variables."""

    live_keys = ("sk_live_", "rk_live_")
    test_keys = ("sk_test_", "rk_test_")

    stripe_api_key: SecretStr = Field(description="Secret or restricted key, sk_… or rk_….")
    stripe_base_url: BaseUrl = Field(
        "https://api.stripe.com", description="Where Stripe's API is; the simulator in a sandbox."
    )
    stripe_webhook_secrets: Secrets = Field(
        description="Signing secrets of the webhook endpoint, whsec_…, comma-separated."
    )


class Stripe:
    """The adapter."""

    capabilities = Capabilities(
        kinds=frozenset({Kind.COLLECTION, Kind.REFUND}),
        key_lifetime=timedelta(hours=24),
        key_scope="account",
        # Also a 500 is the key's answer from then on.
        error_caching=ErrorCaching.ERRORS_CACHED,
        # Stripe knows keys, not references: a forgotten key charges again.
        duplicate_reference=DuplicateReference.CREATES_NEW,
        # The longest time in which most card schemes let a payer dispute.
        success_final_after=timedelta(days=120),
        webhook_authentication=WebhookAuthentication.BODY_SIGNATURE,
        definitive_failures=translate.DEFINITIVE_FAILURES | refunds.DEFINITIVE_FAILURES,
        # Searching by metadata lags; sending the same key again is the stronger question. The list
        # of a charge's refunds does not lag, so for refunds this says less than is true.
        look_up=LookUpStrength.EVENTUAL,
        look_up_lag=timedelta(seconds=60),
        event_is_evidence=False,
        lists_events=True,
        looks_up_disputes=True,
        lists_operations=True,
        expected={Kind.COLLECTION: timedelta(seconds=30), Kind.REFUND: timedelta(hours=1)},
    )

    def __init__(
        self, settings: StripeSettings, session: aiohttp.ClientSession, clock: Clock
    ) -> None:
        # Else the SDK sends Stripe data about this machine and keeps an id file in its home folder.
        stripe.enable_telemetry = False
        self._api_key = settings.stripe_api_key
        self._client = stripe.StripeClient(
            # Each request brings the key along, because it may be rotated.
            "sk_none",
            base_addresses={"api": settings.stripe_base_url},
            http_client=_BoundedTransport(session, settings.stripe_api_key),
            max_network_retries=0,
        )
        self._webhook_secrets = settings.stripe_webhook_secrets
        self._deployment = settings.deployment
        self._clock = clock

    async def start_collection(self, operation: Operation) -> OperationResult:
        """Creates and confirms an intent; one that asks for its payer waits where one is there, and
        is cancelled else."""
        refusal = translate.refuse_payment_method(operation, self._deployment)
        if refusal:
            return refusal
        try:
            intent = await self._call(
                "post", INTENTS, translate.create_params(operation), key=operation.key
            )
            return await self._standing(operation, intent)
        except NotConnected as error:
            return not_sent(operation.key, "not_connected", str(error))
        except ANSWER_ERRORS as error:
            return translate.read_error(operation, error)

    async def refund(self, operation: Operation) -> OperationResult:
        """Refunds that much of the collection; never more in all than it brought."""
        try:
            refund = await self._call(
                "post", REFUNDS, refunds.create_params(operation), key=operation.key
            )
            return refunds.read_refund(operation, refund)
        except NotConnected as error:
            return not_sent(operation.key, "not_connected", str(error))
        except ANSWER_ERRORS as error:
            code = refunds.refusal_of(error)
            if not code:
                return translate.ambiguous(operation, error)
        found = await self.look_up(operation)
        if found.outcome is not Outcome.ABSENT:
            return found
        return failed(operation.key, code, refunds.REFUSALS[code])

    async def look_up(self, operation: Operation) -> OperationResult:
        """Retrieves by Stripe's id, else searches or lists by our key in the metadata.

        An intent that asks for a payer who is not there any more is cancelled.
        """
        try:
            if operation.kind is Kind.REFUND:
                return await self._look_up_refund(operation)
            return await self._look_up_intent(operation)
        except ANSWER_ERRORS as error:
            # A refused question is never the operation's refusal.
            return translate.ambiguous(operation, error)

    def read_webhook(self, webhook: Webhook) -> WebhookEvent:
        """Verifies with each active secret, then reads which intent it is about."""
        header = webhook.headers.get("stripe-signature", "")
        if not any(_fits(webhook.body, header, secret) for secret in self._webhook_secrets):
            raise WebhookSignatureInvalid(provider="stripe")
        # The SDK would let an event from the future pass; the bound here is to both sides.
        signed_at = next(int(part[2:]) for part in header.split(",") if part.startswith("t="))
        if abs(int(self._clock.now().timestamp()) - signed_at) > WEBHOOK_TOLERANCE_SECONDS:
            raise WebhookTimestampOutOfRange(provider="stripe")
        return translate.read_event(webhook.body)

    async def list_events(self, since: datetime | None, page: str) -> EventPage:
        """Lists the events that only a webhook would bring, the newest first."""
        try:
            listed = await self._call("get", events.PATH, events.params(since, page))
            return events.read_page(listed, page)
        except ANSWER_ERRORS as error:
            if isinstance(error, stripe.StripeError) and events.refuses_page(error):
                raise field_invalid("page", "Stripe does not know this page") from None
            cause = type(error).__name__
            raise Unavailable("Stripe has not listed its events.", cause=cause) from None

    async def list_operations(self, query: OperationQuery) -> OperationPage:
        """Lists intents or refunds, the newest first."""
        try:
            listed = await self._call("get", lists.PATHS[query.kind], lists.params(query))
            return lists.read_page(listed, query.page)
        except ANSWER_ERRORS as error:
            if isinstance(error, stripe.StripeError) and events.refuses_page(error):
                raise field_invalid("page", "Stripe does not know this page") from None
            cause = type(error).__name__
            raise Unavailable("Stripe has not listed its operations.", cause=cause) from None

    async def look_up_dispute(self, provider_reference: str) -> Dispute | None:
        """Retrieves a dispute, whose list of balance transactions says which money has moved."""
        try:
            found = await self._call("get", _one(DISPUTES, provider_reference))
            return disputes.read_dispute(found, provider_reference)
        except ANSWER_ERRORS as error:
            if isinstance(error, stripe.InvalidRequestError) and error.code == MISSING:
                return None
            cause = type(error).__name__
            raise Unavailable("Stripe has not said how a dispute stands.", cause=cause) from None

    async def _give_up(self, operation: Operation, asked: OperationResult) -> OperationResult:
        # While the intent lives somebody could still authenticate it; only cancelled is it over.
        open_still = replace(asked, outcome=Outcome.UNKNOWN)
        try:
            intent = await self._call(
                "post",
                f"{_one(INTENTS, asked.provider_reference)}/cancel",
                {"cancellation_reason": "abandoned"},
                key=f"{operation.key}-cancel",
            )
            result = translate.read_intent(operation, intent)
        except ANSWER_ERRORS:
            return open_still
        if result.outcome is Outcome.SUCCEEDED:
            return result
        if result.outcome is not Outcome.FAILED:
            return open_still
        if asked.outcome is Outcome.FAILED:
            return asked
        message = "the payer's bank asks the payer to authenticate; cancelled"
        return failed(operation.key, "requires_action", message, result.provider_reference)

    async def _look_up_intent(self, operation: Operation) -> OperationResult:
        reference = operation.provider_reference
        if not reference:
            found = await self._search(operation.key)
            if not found:
                return OperationResult(key=operation.key, outcome=Outcome.ABSENT)
            if len(found) > 1:
                return unknown(operation.key, "duplicate", f"two intents: {', '.join(found)}")
            reference = found[0]
        # A search may return an old intent; the intent itself is not old.
        # The charge says when the payer was charged: long after the intent was made, it may be.
        whole = {"expand": ["latest_charge"]} if operation.payer_until else _NONE
        intent = await self._call("get", _one(INTENTS, reference), whole)
        return await self._standing(operation, intent, shown=operation.payer_until is not None)

    async def _standing(
        self, operation: Operation, intent: dict[str, Any], *, shown: bool = False
    ) -> OperationResult:
        """The result by an intent, which is cancelled where nobody may act on it any more.

        `shown` where its payer may have it: then a decline is not its last word either, because it
        can be confirmed again with another card.
        """
        result = translate.read_intent(operation, intent)
        declined = shown and result.outcome is Outcome.FAILED and not translate.is_over(intent)
        if result.code == "requires_action":
            until = operation.payer_until
            if until is not None and self._clock.now() < until:
                return translate.asked_payer(operation, intent) or result
            return await self._give_up(operation, result)
        return await self._give_up(operation, result) if declined else result

    async def _look_up_refund(self, operation: Operation) -> OperationResult:
        if operation.provider_reference:
            refund = await self._call("get", _one(REFUNDS, operation.provider_reference))
            return refunds.read_refund(operation, refund)
        listed = await self._call(
            "get",
            REFUNDS,
            {"payment_intent": operation.collection_reference, "limit": LIST_MAX},
        )
        ours = [one for one in _objects(listed) if refunds.is_of(operation, one)]
        if len(ours) > 1:
            return unknown(operation.key, "duplicate", "more than one refund has this key")
        if ours:
            return refunds.read_refund(operation, ours[0])
        if listed.get("has_more") is not False:
            return unknown(operation.key, "list_incomplete", "too many refunds to see them all")
        return OperationResult(key=operation.key, outcome=Outcome.ABSENT)

    async def _search(self, key: str) -> list[str]:
        query = {"query": f"metadata['operation_key']:'{key}'", "limit": 2}
        found = await self._call("get", f"{INTENTS}/search", query)
        references = [text(intent.get("id")) for intent in _objects(found)]
        if not all(references):
            raise AnswerInvalid("a search result without ids")
        return references

    async def _call(
        self, method: str, path: str, params: Mapping[str, Any] = _NONE, *, key: str = ""
    ) -> dict[str, Any]:
        """The parsed JSON as it came, for checks that trust none of it.

        The SDK sends, signs and classifies; its objects, which cost as much again, nobody needs.
        """
        options = {"api_key": self._api_key.get_secret_value()}
        if key:
            options["idempotency_key"] = key
        answer = await self._client.raw_request_async(method, path, **params, **options)
        return translate.as_object(answer.data)


class _BoundedTransport(stripe.AIOHTTPClient):
    """The SDK's transport, but following nobody and reading no more than an answer can be."""

    def __init__(self, session: aiohttp.ClientSession, api_key: SecretStr) -> None:
        super().__init__(session=session)
        self._bounded_session = session
        self._api_key = api_key

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One request. Of the answer's headers only the request id goes on to the SDK."""
        path = urlsplit(url).path
        lists_events = path.endswith(events.PATH)
        # A list of whole objects, each with its metadata.
        is_list = lists_events or (method == "get" and path.endswith((*lists.PATHS.values(),)))
        answer = await send(
            self._bounded_session,
            method,
            url,
            headers=headers,
            body=post_data,
            secret=self._api_key,
            bytes_max=events.BYTES_MAX if is_list else BODY_BYTES_MAX,
        )
        if not lists_events:
            # Of a list each event is read as strictly, for itself.
            read_object(answer.body)
        return answer.body, answer.status, {"request-id": translate.request_id(answer.headers)}


def _objects(listed: dict[str, Any]) -> list[dict[str, Any]]:
    data = listed.get("data")
    if not isinstance(data, list):
        raise AnswerInvalid("a list without data")
    return [translate.as_object(one) for one in data]


def _one(collection: str, reference: str) -> str:
    return f"{collection}/{quote(reference, safe='')}"


def _fits(body: bytes, header: str, secret: SecretStr) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, header, secret.get_secret_value(), None)
    except (stripe.SignatureVerificationError, UnicodeDecodeError, TypeError):
        # A signature that is not ASCII makes the SDK's constant-time comparison raise TypeError.
        return False
    return True
