"""Moves money through Flutterwave: a payout is one transfer under our key as its reference, which
Flutterwave takes once. A failed transfer is never retried there (POST /transfers/{id}/retries would
pay under an id that our key does not name); a new try is a new transfer of the engine's."""

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
from pydantic import SecretStr

from services.providers.adapters.flutterwave import translate
from services.providers.adapters.flutterwave.amounts import is_supported, to_number
from services.providers.adapters.flutterwave.api import Api, Envelope
from services.providers.adapters.flutterwave.rails import RAILS
from services.providers.adapters.flutterwave.refusals import VALIDATION
from services.providers.adapters.flutterwave.settings import FlutterwaveSettings
from services.providers.adapters.kit import pages
from services.providers.adapters.kit.answers import absent
from services.providers.adapters.kit.bearer import segment
from services.providers.adapters.kit.events import check_proof
from services.providers.adapters.kit.http import NO_ANSWER, AnswerInvalid, NotConnected, no_answer
from services.providers.adapters.kit.recipients import unpayable
from services.providers.adapters.kit.refusals import CURRENCY_UNSUPPORTED
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
    unknown,
)
from services.providers.listed import OperationPage, OperationQuery
from services.shared.clock import Clock
from services.shared.errors import Unavailable
from services.shared.recipients import Recipient, RecipientKind


class Flutterwave:
    """The adapter."""

    capabilities = Capabilities(
        kinds=frozenset({Kind.PAYOUT}),
        # References are unique, but no document says for how long; a day is surely within it.
        key_lifetime=timedelta(hours=24),
        key_scope="account",
        # A request that is refused leaves no transfer, and its reference free.
        error_caching=ErrorCaching.ERRORS_NOT_CACHED,
        duplicate_reference=DuplicateReference.REJECTS,
        # A bank may return a transfer that was SUCCESSFUL, and nobody bounds when; a week is ours.
        success_final_after=timedelta(days=7),
        # The default scheme's; a signed body is said below.
        webhook_authentication=WebhookAuthentication.SHARED_VALUE,
        definitive_failures=translate.DEFINITIVE_FAILURES,
        # Its front gives up after about 28 seconds with a 503 while the server works on: a transfer
        # that the list does not show yet may still come.
        look_up=LookUpStrength.EVENTUAL,
        look_up_lag=timedelta(seconds=60),
        event_is_evidence=False,
        expected={Kind.PAYOUT: timedelta(minutes=30)},
        resolves=frozenset({(RecipientKind.BANK_ACCOUNT, "NGN")}),
        rails=RAILS,
        lists_operations=True,
    )

    def __init__(
        self,
        settings: FlutterwaveSettings,
        session: aiohttp.ClientSession,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._api = Api(settings, session)
        self._webhook_secrets = settings.flutterwave_webhook_secrets
        self._body_is_signed = settings.flutterwave_webhook_scheme == "signature"
        if self._body_is_signed:
            self.capabilities = replace(
                type(self).capabilities,
                webhook_authentication=WebhookAuthentication.BODY_SIGNATURE,
            )

    async def send_payout(self, operation: Operation) -> OperationResult:
        """Creates the transfer, or finds the one that an earlier try created."""
        body = self._transfer_body(operation)
        if isinstance(body, OperationResult):
            return body
        try:
            return await self._create(operation, body)
        except NotConnected as error:
            return not_sent(operation.key, "not_connected", str(error))
        except NO_ANSWER as error:
            return no_answer(operation, error, translate.NAME)

    async def look_up(self, operation: Operation) -> OperationResult:
        """Reads the transfer by Flutterwave's id, else finds that by our reference first."""
        try:
            if operation.provider_reference:
                return await self._by_id(operation, operation.provider_reference)
            return await self._by_reference(operation)
        except NO_ANSWER as error:
            return no_answer(operation, error, translate.NAME)

    async def resolve(self, recipient: Recipient, currency: str) -> Holder:
        """Asks a Nigerian bank for the account's holder."""
        account = translate.account_of(recipient, currency)
        if account is None:
            return UNANSWERED
        body = {"account_number": account.number, "account_bank": account.bank}
        try:
            return translate.read_holder(await self._api.post("/accounts/resolve", body), account)
        except (NotConnected, *NO_ANSWER):
            return UNANSWERED

    async def list_operations(self, query: OperationQuery) -> OperationPage:
        """Lists transfers, the newest first. Flutterwave takes days, and does not say how long its
        pages are: after the last one comes an empty one."""
        asked = {
            "from": pages.day_of(query.since),
            "to": pages.day_of(self._clock.now() + timedelta(days=1)),
            "page": str(pages.number_of(query)),
        }
        try:
            envelope = await self._api.get("/transfers", asked)
            if envelope.succeeded and isinstance(envelope.data, list):
                return pages.read_page(envelope.data, query, translate.read_listed, full=1)
            cause = str(envelope.http_status)
        except NO_ANSWER as error:
            cause = type(error).__name__
        raise Unavailable("Flutterwave has not listed its transfers.", cause=cause)

    def read_webhook(self, webhook: Webhook) -> WebhookEvent:
        """Compares the hash, or verifies the signature by it, whichever the account uses."""
        header = "flutterwave-signature" if self._body_is_signed else "verif-hash"
        proofs = (self._proof(webhook.body, secret) for secret in self._webhook_secrets)
        check_proof(webhook.headers.get(header, ""), proofs, provider="flutterwave")
        return translate.read_event(webhook.body)

    def _proof(self, body: bytes, secret: SecretStr) -> bytes:
        key = secret.get_secret_value().encode()
        if not self._body_is_signed:
            return key
        return base64.b64encode(hmac.digest(key, body, hashlib.sha256))

    def _transfer_body(self, operation: Operation) -> dict[str, Any] | OperationResult:
        currency = operation.amount.currency
        if not is_supported(currency):
            message = f"no {currency} through Flutterwave"
            return failed(operation.key, CURRENCY_UNSUPPORTED, message)
        amount = to_number(operation.amount)
        if amount is None:
            message = f"{currency} go out whole"
            return failed(operation.key, translate.AMOUNT_UNSUPPORTED, message)
        recipient = operation.recipient
        account = translate.account_of(recipient, currency) if recipient else None
        if account is None:
            return unpayable(operation, translate.NAME)
        return translate.transfer_body(operation, account, amount)

    async def _create(self, operation: Operation, body: dict[str, Any]) -> OperationResult:
        envelope = await self._api.post("/transfers", body)
        if not envelope.succeeded:
            return await self._not_created(operation, envelope)
        result = translate.read_transfer(operation, envelope.data)
        if result.outcome is Outcome.FAILED:
            # Only the transfer itself, read back, says that it failed.
            return await self._by_id(operation, result.provider_reference)
        return result

    async def _not_created(self, operation: Operation, envelope: Envelope) -> OperationResult:
        """The refusal, unless a transfer has our reference: an earlier try may have been taken, and
        the words by which a known reference is refused may change."""
        result = translate.read_refusal(operation, envelope)
        if envelope.http_status != VALIDATION:
            return result
        known = await self._by_reference(operation)
        return result if known.outcome is Outcome.ABSENT else known

    async def _by_reference(self, operation: Operation) -> OperationResult:
        envelope = await self._api.get("/transfers", {"reference": operation.key})
        if not envelope.succeeded:
            return translate.ambiguous(operation, envelope)
        if not isinstance(envelope.data, list):
            raise AnswerInvalid("a list of transfers that is none")
        if not envelope.data:
            return absent(operation, translate.NAME, "transfer")
        # The filter is believed where it finds nothing; what it finds is checked.
        ours = [one for one in envelope.data if _reference(one) == operation.key]
        if not ours:
            return unknown(operation.key, "answer_invalid", "a list of other transfers")
        ids = [translate.transfer_id(one) for one in ours]
        if len(ids) > 1:
            return unknown(operation.key, "duplicate", f"two transfers: {', '.join(ids)}")
        # A list may be old; the transfer itself is not.
        return await self._by_id(operation, ids[0])

    async def _by_id(self, operation: Operation, transfer_id: str) -> OperationResult:
        envelope = await self._api.get(f"/transfers/{segment(transfer_id)}")
        if not envelope.succeeded:
            return translate.ambiguous(operation, envelope)
        return translate.read_transfer(operation, envelope.data)


def _reference(transfer: object) -> object:
    return transfer.get("reference") if isinstance(transfer, dict) else None
