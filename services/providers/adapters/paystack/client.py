"""Pays out through Paystack for NGN, GHS, KES and ZAR. A payout is two calls: a recipient is made,
which moves nothing and may be repeated, and then a transfer to it under our reference. Paystack
refuses a reference that it knows; what became of the transfer is then asked, never assumed."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import timedelta

import aiohttp
from pydantic import Field, SecretStr

from services.providers.adapters.kit import pages
from services.providers.adapters.kit.answers import absent, ambiguous
from services.providers.adapters.kit.bearer import BearerApi, segment
from services.providers.adapters.kit.events import check_proof
from services.providers.adapters.kit.http import NO_ANSWER, NotConnected, no_answer
from services.providers.adapters.kit.recipients import unpayable
from services.providers.adapters.kit.refusals import CURRENCY_UNSUPPORTED, REQUEST_INVALID
from services.providers.adapters.kit.settings import BaseUrl, ProviderSettings, Secrets
from services.providers.adapters.paystack import refusals, translate
from services.providers.adapters.paystack.rails import RAILS
from services.providers.adapters.paystack.translate import (
    NAME,
    data_of,
    error_of,
    read_event,
    read_holder,
    read_transfer,
    recipient_body,
    recipient_code,
    says_absent,
    transfer_body,
    without_recipient,
)
from services.providers.domain import (
    UNANSWERED,
    Capabilities,
    DuplicateReference,
    ErrorCaching,
    Holder,
    Kind,
    LookUpStrength,
    Operation,
    OperationResult,
    Outcome,
    Webhook,
    WebhookAuthentication,
    WebhookEvent,
    failed,
    not_sent,
    refused,
    unknown,
)
from services.providers.failures import RECIPIENT_INVALID
from services.providers.listed import OperationPage, OperationQuery
from services.shared.clock import Clock
from services.shared.errors import Unavailable
from services.shared.recipients import Recipient, RecipientKind


class PaystackSettings(ProviderSettings):
    """Paystack's variables."""

    live_keys = ("sk_live_",)
    test_keys = ("sk_test_",)

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
        definitive_failures=translate.DEFINITIVE_FAILURES,
        # Nothing promises that a transfer is found in the moment after it was taken.
        look_up=LookUpStrength.EVENTUAL,
        look_up_lag=timedelta(seconds=60),
        event_is_evidence=False,
        expected={Kind.PAYOUT: timedelta(minutes=30)},
        resolves=frozenset(
            {
                (RecipientKind.BANK_ACCOUNT, "GHS"),
                (RecipientKind.BANK_ACCOUNT, "NGN"),
                (RecipientKind.MOBILE_MONEY, "GHS"),
            }
        ),
        rails=RAILS,
        lists_operations=True,
    )

    def __init__(
        self, settings: PaystackSettings, session: aiohttp.ClientSession, _: Clock
    ) -> None:
        self._api = BearerApi(session, settings.paystack_base_url, settings.paystack_api_key)
        self._webhook_secrets = settings.paystack_webhook_secrets

    async def send_payout(self, operation: Operation) -> OperationResult:
        """Makes the recipient, then asks for the transfer; usually pending now, done later."""
        currency = operation.amount.currency
        if currency not in translate.ACCOUNT_TYPES:
            return failed(operation.key, CURRENCY_UNSUPPORTED, f"Paystack pays no {currency}")
        recipient = operation.recipient
        body = recipient_body(recipient, currency) if recipient else None
        if body is None:
            return unpayable(operation, NAME)
        try:
            answer = await self._api.post("/transferrecipient", body)
            if answer.status in (200, 201):
                return await self._transfer(operation, recipient_code(answer))
            refusal = error_of(answer)
        except NO_ANSWER as error:
            return without_recipient(no_answer(operation, error, NAME))
        code = refusals.listed_code(answer.status, refusal)
        if code is None and _is_validation(answer.status, refusal):
            code = RECIPIENT_INVALID
        if code is None:
            return without_recipient(ambiguous(operation, answer.status, NAME))
        return await self._refused(operation, answer.status, code, refusal)

    async def look_up(self, operation: Operation) -> OperationResult:
        """Reads the transfer by our reference."""
        try:
            answer = await self._api.get(f"/transfer/verify/{segment(operation.key)}")
            if answer.status == 200:
                return read_transfer(operation, data_of(answer))
            if says_absent(answer):
                return absent(operation, NAME, "transfer")
        except NO_ANSWER as error:
            return no_answer(operation, error, NAME)
        return ambiguous(operation, answer.status, NAME)

    async def resolve(self, recipient: Recipient, currency: str) -> Holder:
        """Asks a bank or a network of Nigeria or Ghana for the account's holder."""
        account = recipient_body(recipient, currency)
        if account is None:
            return UNANSWERED
        query = {name: account[name] for name in ("account_number", "bank_code")}
        try:
            return read_holder(await self._api.get("/bank/resolve", query), query)
        except NO_ANSWER:
            return UNANSWERED

    async def list_operations(self, query: OperationQuery) -> OperationPage:
        """Lists transfers, the newest first."""
        asked = {
            "from": query.since.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "perPage": str(pages.PAGE),
            "page": str(pages.number_of(query)),
        }
        try:
            answer = await self._api.get("/transfer", asked)
            if answer.status == 200:
                listed = translate.list_of(answer)
                return pages.read_page(listed, query, translate.read_listed, full=pages.PAGE)
            cause = str(answer.status)
        except NO_ANSWER as error:
            cause = type(error).__name__
        raise Unavailable("Paystack has not listed its transfers.", cause=cause)

    def read_webhook(self, webhook: Webhook) -> WebhookEvent:
        """Verifies the signature with each active key, then reads which transfer it is about."""
        proofs = (
            sign(webhook.body, secret.get_secret_value()).encode()
            for secret in self._webhook_secrets
        )
        check_proof(webhook.headers.get("x-paystack-signature", ""), proofs, provider="paystack")
        return read_event(webhook.body)

    async def _transfer(self, operation: Operation, recipient_code: str) -> OperationResult:
        try:
            answer = await self._api.post("/transfer", transfer_body(operation, recipient_code))
            if answer.status in (200, 201):
                return read_transfer(operation, data_of(answer))
            refusal = error_of(answer)
        except NotConnected as error:
            return not_sent(operation.key, "not_connected", str(error))
        except NO_ANSWER as error:
            return no_answer(operation, error, NAME)
        if answer.status == 400 and refusals.is_duplicate(refusal):
            lost = unknown(operation.key, "reference_reused", "known, and yet not to be found")
            return await self._unless_known(operation, lost)
        code = refusals.listed_code(answer.status, refusal)
        if code is None and answer.status in refusals.NOT_FULFILLED:
            code = REQUEST_INVALID
        if code is None:
            return ambiguous(operation, answer.status, NAME)
        return await self._refused(operation, answer.status, code, refusal)

    async def _refused(
        self, operation: Operation, status: int, code: str, refusal: Mapping[str, str]
    ) -> OperationResult:
        result = refused(operation.key, code, refusal["message"])
        if status == refusals.UNAUTHORIZED:
            # Without access nobody can ask either.
            return result
        return await self._unless_known(operation, result)

    async def _unless_known(
        self, operation: Operation, refusal: OperationResult
    ) -> OperationResult:
        """The refusal, unless an earlier try under the same key has got through before it."""
        known = await self.look_up(operation)
        return refusal if known.outcome is Outcome.ABSENT else known


def _is_validation(status: int, refusal: Mapping[str, str]) -> bool:
    return status in (400, 404, 422) and refusal["type"] == refusals.VALIDATION


def sign(body: bytes, key: str) -> str:
    """Paystack's signature: HMAC-SHA512 over the body as it came, in hexadecimal digits."""
    return hmac.new(key.encode(), body, hashlib.sha512).hexdigest()
