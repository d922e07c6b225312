"""Speaks with a mobile wallet: a payout is accepted over its small HTTP API, and its completion
arrives later by POST /api/webhooks, signed as Standard Webhooks. The same reference again returns
the payout that exists, so that our key can never pay twice."""

from datetime import timedelta

import aiohttp
from pydantic import Field, SecretStr

from services.providers.adapters.kit import standard_webhooks
from services.providers.adapters.kit.answers import absent, ambiguous
from services.providers.adapters.kit.bearer import BearerApi, segment
from services.providers.adapters.kit.http import NO_ANSWER, NotConnected, no_answer, read_object
from services.providers.adapters.kit.recipients import unpayable
from services.providers.adapters.kit.settings import BaseUrl, ProviderSettings
from services.providers.adapters.kit.standard_webhooks import StandardSecrets
from services.providers.adapters.local_wallet import translate
from services.providers.adapters.local_wallet.rails import RAILS
from services.providers.adapters.local_wallet.translate import NAME
from services.providers.domain import (
    Capabilities,
    DuplicateReference,
    ErrorCaching,
    Kind,
    LookUpStrength,
    Operation,
    OperationResult,
    Webhook,
    WebhookAuthentication,
    WebhookEvent,
    WebhookSignatureInvalid,
    not_sent,
)
from services.providers.listed import OperationPage, OperationQuery
from services.shared.clock import Clock
from services.shared.errors import Unavailable, field_invalid

PAYOUTS = "/v1/payouts"
# A page of so many payouts is well below the bound of an answer.
PAGE = 50


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
        definitive_failures=translate.DEFINITIVE_FAILURES,
        look_up=LookUpStrength.STRONG,
        look_up_lag=timedelta(),
        event_is_evidence=True,
        expected={Kind.PAYOUT: timedelta(minutes=5)},
        rails=RAILS,
        lists_operations=True,
    )

    def __init__(
        self, settings: LocalWalletSettings, session: aiohttp.ClientSession, clock: Clock
    ) -> None:
        self._api = BearerApi(
            session, settings.local_wallet_base_url, settings.local_wallet_api_key
        )
        self._clock = clock
        self._webhook_secrets = settings.local_wallet_webhook_secrets

    async def send_payout(self, operation: Operation) -> OperationResult:
        """Asks for the payout; usually accepted now and completed later."""
        recipient = operation.recipient
        account = translate.account_of(recipient) if recipient else None
        if account is None:
            return unpayable(operation, NAME)
        try:
            answer = await self._api.post(PAYOUTS, translate.payout_body(operation, account))
            if answer.status in (200, 201):
                return translate.read_payout(operation, read_object(answer.body))
            refusal = translate.read_refusal(read_object(answer.body))
        except NotConnected as error:
            return not_sent(operation.key, "not_connected", str(error))
        except NO_ANSWER as error:
            return no_answer(operation, error, NAME)
        return translate.refused_payout(operation, answer.status, refusal)

    async def look_up(self, operation: Operation) -> OperationResult:
        """Reads the payout by our reference; the wallet knows at once what it has accepted."""
        try:
            answer = await self._api.get(f"{PAYOUTS}/{segment(operation.key)}")
            if answer.status == 200:
                return translate.read_payout(operation, read_object(answer.body))
            if answer.status == 404:
                refusal = translate.read_refusal(read_object(answer.body))
                if refusal.code == "not_found":
                    return absent(operation, NAME, "payout")
        except NO_ANSWER as error:
            return no_answer(operation, error, NAME)
        return ambiguous(operation, answer.status, NAME, translate.AMBIGUOUS)

    async def list_operations(self, query: OperationQuery) -> OperationPage:
        """Lists payouts, the newest first."""
        asked = {"created_since": query.since.isoformat(), "limit": str(PAGE)}
        if query.page:
            asked["after"] = query.page
        try:
            answer = await self._api.get(PAYOUTS, asked)
            if answer.status == 200:
                return translate.read_page(read_object(answer.body), query.page)
            if answer.status == 404 and query.page:
                raise field_invalid("page", "the wallet does not know this page")
            cause = str(answer.status)
        except NO_ANSWER as error:
            cause = type(error).__name__
        raise Unavailable("The wallet has not listed its payouts.", cause=cause)

    def read_webhook(self, webhook: Webhook) -> WebhookEvent:
        """Verifies the signature; none at all passes only where the caller allows it."""
        event_id = ""
        if standard_webhooks.is_signed(webhook):
            event_id = standard_webhooks.verify(
                webhook, self._webhook_secrets, self._clock.now(), provider="local_wallet"
            )
        elif not webhook.allow_unsigned:
            raise WebhookSignatureInvalid(provider="local_wallet")
        return translate.read_event(webhook.body, event_id)
