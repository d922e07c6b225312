"""Pays out through Wise. A payout is four calls: a recipient, a quote and a transfer, which move
nothing, and the funding of the transfer, which does. The transfer is made once for our key, and
funded once, so that whichever call is repeated pays once: a transfer that somebody has funded is
never funded again, and one that nobody has funded is as good as absent."""

import base64
import binascii
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import aiohttp
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import SecretStr

from services.providers.adapters.kit.answers import absent, ambiguous
from services.providers.adapters.kit.http import (
    NO_ANSWER,
    Answer,
    NotConnected,
    no_answer,
    read_list,
    read_object,
)
from services.providers.adapters.kit.recipients import unpayable
from services.providers.adapters.wise import translate
from services.providers.adapters.wise.api import PAGE, Api
from services.providers.adapters.wise.lists import Lists
from services.providers.adapters.wise.rails import RAILS
from services.providers.adapters.wise.recipients import Json, recipient_body
from services.providers.adapters.wise.settings import WiseSettings, public_key
from services.providers.adapters.wise.translate import NAME, mark_of, read_transfer
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
    Webhook,
    WebhookAuthentication,
    WebhookEvent,
    WebhookSignatureInvalid,
    not_sent,
    refused,
    unknown,
)
from services.providers.listed import OperationPage, OperationQuery
from services.shared.clock import Clock

# So many pages of a list are read, and then nobody knows.
PAGES_MAX = 20
# So many transfers are remembered by their id, so that an event about one names its payment.
REMEMBERED_MAX = 20_000


class Wise:
    """The adapter."""

    capabilities = Capabilities(
        kinds=frozenset({Kind.PAYOUT}),
        # No end is documented; after a month nothing of ours is sent again without a look-up.
        key_lifetime=timedelta(days=30),
        key_scope="profile",
        # A transfer that our balance could not pay can be funded later.
        error_caching=ErrorCaching.ERRORS_NOT_CACHED,
        duplicate_reference=DuplicateReference.RETURNS_ORIGINAL,
        # Most come back within three days, some after weeks.
        success_final_after=timedelta(days=7),
        webhook_authentication=WebhookAuthentication.BODY_SIGNATURE,
        definitive_failures=translate.DEFINITIVE_FAILURES,
        # Without Wise's id a transfer is looked for in a list, which may lag.
        look_up=LookUpStrength.EVENTUAL,
        look_up_lag=timedelta(seconds=60),
        # Signed, but without a time: an old event could be sent again.
        event_is_evidence=False,
        expected={Kind.PAYOUT: timedelta(hours=24)},
        rails=RAILS,
        lists_operations=True,
    )

    def __init__(
        self, settings: WiseSettings, session: aiohttp.ClientSession, clock: Clock
    ) -> None:
        self._api = Api(settings, session)
        self._lists = Lists(self._api, clock)
        self._settings = settings
        # Our key and payment of each transfer that this process has sent, by Wise's id.
        self._sent: OrderedDict[str, tuple[str, str]] = OrderedDict()

    async def send_payout(self, operation: Operation) -> OperationResult:
        """Makes the transfer, or finds the one that an earlier try made, and funds it."""
        body = recipient_body(operation, self._settings.wise_profile_id)
        if body is None:
            return unpayable(operation, NAME)
        try:
            prepared = await self._prepare(operation, body)
        except NO_ANSWER as error:
            return _nothing_asked(no_answer(operation, error, NAME))
        if isinstance(prepared, OperationResult):
            return prepared
        try:
            return await self._make_and_fund(operation, prepared)
        except NotConnected as error:
            return not_sent(operation.key, "not_connected", str(error))
        except NO_ANSWER as error:
            return no_answer(operation, error, NAME)

    async def look_up(self, operation: Operation) -> OperationResult:
        """Reads the transfer by Wise's id, else looks for the one with our mark."""
        try:
            if operation.provider_reference:
                return await self._by_id(operation, operation.provider_reference)
            return await self._by_mark(operation)
        except NO_ANSWER as error:
            return no_answer(operation, error, NAME)

    async def list_operations(self, query: OperationQuery) -> OperationPage:
        """Lists transfers, the newest first; each is known by its mark."""
        return await self._lists.page(query)

    def read_webhook(self, webhook: Webhook) -> WebhookEvent:
        """Verifies the signature by each of Wise's keys, then reads which transfer it is about. It
        names our payment where this process has sent it; else asking finds out."""
        self._verify(webhook)
        event = translate.StateChange(webhook.body)
        ours = self._sent.get(event.transfer_id) if event.type == translate.STATE_EVENT else None
        if ours is None:
            return WebhookEvent(event_id=event.id, event_type=event.type)
        return WebhookEvent(
            event_id=event.id,
            event_type=event.type,
            transaction_id=ours[1],
            key=ours[0],
            kind=Kind.PAYOUT,
            outcome=event.outcome,
            provider_reference=event.transfer_id,
            failure=event.failure,
        )

    def _verify(self, webhook: Webhook) -> None:
        try:
            signature = base64.b64decode(
                webhook.headers.get("x-signature-sha256", ""), validate=True
            )
        except (binascii.Error, ValueError):
            raise WebhookSignatureInvalid(provider="wise") from None
        for secret in self._settings.wise_webhook_secrets:
            if _is_signed(webhook.body, signature, secret):
                return
        raise WebhookSignatureInvalid(provider="wise")

    async def _prepare(self, operation: Operation, body: Json) -> "_Prepared | OperationResult":
        """A recipient and a quote, or why there are none."""
        mark = mark_of(operation.key)
        answer = await self._api.create_recipient(mark, body)
        if answer.status in (400, 422):
            cause = translate.recipient_refusal(answer)
            result = refused(operation.key, cause.code, cause.message)
            return await self._unless_known(operation, result)
        if refusal := translate.token_refusal(answer):
            # Without access nobody can ask either.
            return refused(operation.key, refusal.code, refusal.message)
        if answer.status not in (200, 201):
            return _nothing_asked(ambiguous(operation, answer.status, NAME))
        recipient_id = translate.id_of(answer)
        wanted = translate.quote_body(
            operation.amount, self._settings.wise_source_currency, recipient_id
        )
        answer = await self._api.create_quote(mark, wanted)
        if answer.status not in (200, 201):
            return _nothing_asked(ambiguous(operation, answer.status, NAME))
        return _Prepared(recipient_id, translate.quote_id_of(answer))

    async def _make_and_fund(self, operation: Operation, prepared: "_Prepared") -> OperationResult:
        mark = mark_of(operation.key)
        body = translate.transfer_body(operation, prepared.recipient_id, prepared.quote_id)
        answer = await self._api.create_transfer(mark, body)
        if answer.status in (200, 201):
            transfer = read_object(answer.body, exact=True)
        elif answer.status not in translate.REFUSED:
            return ambiguous(operation, answer.status, NAME)
        else:
            # Whether the mark is taken is in words that may change: look for it instead.
            marked = await self._marked(operation)
            if marked is None:
                return ambiguous(operation, answer.status, NAME)
            if isinstance(marked, OperationResult):
                return marked
            transfer = marked
        result = read_transfer(operation, transfer)
        if result.outcome is not Outcome.PENDING or not translate.is_unfunded(transfer):
            # Another try has come further, or it is none of ours.
            return self._remembered(operation, result)
        return await self._fund(operation, mark, result.provider_reference)

    async def _fund(self, operation: Operation, mark: UUID, transfer_id: str) -> OperationResult:
        # Before it can move anything, so that no event about it comes too early.
        self._remember(transfer_id, operation)
        body = {"type": "BALANCE", "partnerReference": operation.key}
        try:
            answer = await self._api.fund(mark, transfer_id, body)
        except NotConnected as error:
            # Nothing has moved, but Wise has the transfer: sent again, it is funded.
            return unknown(operation.key, "not_connected", str(error))
        refusal = _refusal(answer)
        if refusal is not None:
            return refused(operation.key, refusal.code, refusal.message)
        # The transfer itself decides, and not this answer: a second funding is refused too.
        found = await self._api.read_transfer(mark, transfer_id)
        if found.status != 200:
            # It was there a moment ago.
            named = replace(operation, provider_reference=transfer_id)
            return ambiguous(named, found.status, NAME)
        transfer = read_object(found.body, exact=True)
        if translate.is_unfunded(transfer):
            # Without its id, which would say that Wise has the payout.
            return unknown(operation.key, "request_refused", f"funding answered {answer.status}")
        return read_transfer(operation, transfer)

    async def _unless_known(
        self, operation: Operation, refusal: OperationResult
    ) -> OperationResult:
        """The refusal, unless an earlier try under the same key has got through before it."""
        known = await self.look_up(operation)
        return refusal if known.outcome is Outcome.ABSENT else known

    async def _by_id(self, operation: Operation, transfer_id: str) -> OperationResult:
        answer = await self._api.read_transfer(mark_of(operation.key), transfer_id)
        if answer.status == 404:
            return absent(operation, NAME, "transfer")
        if answer.status != 200:
            return ambiguous(operation, answer.status, NAME)
        return self._found(operation, read_object(answer.body, exact=True))

    async def _by_mark(self, operation: Operation) -> OperationResult:
        transfer = await self._marked(operation)
        if transfer is None:
            return absent(operation, NAME, "transfer")
        if isinstance(transfer, OperationResult):
            return transfer
        # A list may be old; the transfer itself is not.
        found = await self._by_id(operation, translate.transfer_id(transfer))
        if found.outcome is not Outcome.ABSENT or translate.is_unfunded(transfer):
            return found
        return unknown(operation.key, "answer_invalid", "a transfer is listed and not there")

    async def _marked(self, operation: Operation) -> Json | OperationResult | None:
        """The transfer with our mark as the list has it, None where it has none, or UNKNOWN."""
        mark, since = mark_of(operation.key), translate.created_since(operation)
        for page in range(PAGES_MAX):
            answer = await self._api.list_transfers(
                mark, operation.amount.currency, since, page * PAGE
            )
            if answer.status != 200:
                return ambiguous(operation, answer.status, NAME)
            transfers = read_list(answer.body, exact=True)
            ours = translate.marked(transfers, operation)
            if len(ours) > 1:
                return unknown(operation.key, "duplicate", "two transfers have our mark")
            if ours:
                return ours[0]
            if len(transfers) < PAGE:
                return None
        return unknown(operation.key, "answer_invalid", f"more than {PAGES_MAX} pages")

    def _found(self, operation: Operation, transfer: Json) -> OperationResult:
        """The result by the transfer; one that nobody has funded is absent, as nothing has moved
        and nothing will, until it is sent again. Where its id is on record it is UNKNOWN: Wise has
        it, and denies nothing."""
        result = read_transfer(operation, transfer)
        if result.outcome is not Outcome.PENDING or not translate.is_unfunded(transfer):
            return self._remembered(operation, result)
        if operation.provider_reference:
            return replace(result, outcome=Outcome.UNKNOWN, failure=translate.NOT_FUNDED)
        return absent(operation, NAME, "funded transfer")

    def _remembered(self, operation: Operation, result: OperationResult) -> OperationResult:
        if result.outcome in (Outcome.PENDING, Outcome.SUCCEEDED):
            self._remember(result.provider_reference, operation)
        return result

    def _remember(self, transfer_id: str, operation: Operation) -> None:
        self._sent[transfer_id] = (operation.key, operation.transaction_id)
        if len(self._sent) > REMEMBERED_MAX:
            self._sent.popitem(last=False)


@dataclass(frozen=True)
class _Prepared:
    """The recipient and the quote of a transfer, as Wise names them."""

    recipient_id: int
    quote_id: str


def _nothing_asked(result: OperationResult) -> OperationResult:
    """NOT_SENT: whatever became of recipient and quote, no transfer was asked for in this try."""
    failure = result.failure or Failure("provider_fault")
    return not_sent(
        result.key,
        failure.code,
        f"no transfer was asked for: {failure.message}",
        retry_after_seconds=result.retry_after_seconds,
    )


def _refusal(answer: Answer) -> Failure | None:
    if answer.status == 200:
        return translate.funding_refusal(answer)
    return translate.token_refusal(answer)


def _is_signed(body: bytes, signature: bytes, secret: SecretStr) -> bool:
    try:
        key = public_key(secret.get_secret_value())
        key.verify(signature, body, PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True
