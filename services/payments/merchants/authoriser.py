"""The principal of each call. Every call, by REST or native gRPC alike, is authenticated before its
message is read, and its principal is kept for the servicer. A sandbox takes a call without a
credential, and refuses a bad one as any other deployment does."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from hmac import compare_digest
from typing import TypeVar

from services.payments.merchants import sandbox
from services.payments.merchants.domain import (
    ApiKeyInvalid,
    ApiKeyOfOtherDeployment,
    CredentialsAmbiguous,
    CredentialsMissing,
    Key,
    Merchant,
    MerchantDisabled,
    MerchantKey,
    OperatorKey,
    PrincipalNotAllowed,
    check_granted,
)
from services.payments.merchants.key_text import KeyText, is_key_text, read_key_text
from services.payments.merchants.limits import Limits
from services.payments.merchants.ports import Credentials
from services.payments.merchants.tokens.verified import (
    TokenPrincipal,
    TokenVerifier,
    Verified,
    refused,
)
from services.payments.model.principal import CredentialKind, MerchantId, Principal
from services.payments.model.roles import scopes_of_roles
from services.shared.clock import Clock
from services.shared.contract import CONSOLE, Access, PrincipalKind, scopes_of
from services.shared.deployment import Deployment
from services.shared.grpc_calls import Caller
from services.shared.ids import Prefix, decode_id
from services.shared.telemetry import request_id_var

SANDBOX_MERCHANT = MerchantId("sandbox")
BEARER_HEADER = "authorization"
CREDENTIAL_HEADERS = (BEARER_HEADER, "x-api-key")
# The gateway sets it to the address of the client, whatever the client sent.
ADDRESS_HEADER = "x-client-address"
_BEARER = "bearer "
# Calls for which no credential is read: a provider signs its event instead.
_OPEN = (PrincipalKind.PROVIDER_EVENT, PrincipalKind.ANYONE)
# To ask for a token, which is a call without a scope.
_TOKEN = Access(principal=PrincipalKind.ANYONE, scopes=frozenset())

SomeKey = TypeVar("SomeKey", bound=Key)
_principal: ContextVar[Principal] = ContextVar("principal")
_admission: ContextVar[Callable[[], Awaitable[None]]] = ContextVar("admission")


def acting_principal() -> Principal:
    """The principal of the call that is being answered, or that was refused although its credential
    is genuine. Raises LookupError where there is none."""
    return _principal.get()


async def admit_again() -> None:
    """Looks at the credential of the call that is being answered once more, after a wait. Raises as
    the admission does."""
    await _admission.get()()


def acting_merchant() -> MerchantId:
    """The merchant of the call that is being answered.

    Raises LookupError where no merchant makes it; the contract's access option keeps others away.
    """
    merchant_id = _principal.get().merchant_id
    if merchant_id is None:
        raise LookupError("the principal of this call is no merchant")
    return merchant_id


class Authoriser:
    """Refuses a call that may not be made, and makes the principal of any other."""

    def __init__(
        self,
        credentials: Credentials,
        tokens: TokenVerifier,
        limits: Limits,
        clock: Clock,
        *,
        deployment: Deployment,
    ) -> None:
        self._credentials = credentials
        self._tokens = tokens
        self._limits = limits
        self._clock = clock
        self._deployment = deployment

    async def admit(self, access: Access, caller: Caller) -> None:
        """Admits a call by the access that it needs. Raises NotAuthenticated, Forbidden, or
        CredentialsUnverifiable."""
        if access.principal in _OPEN:
            return
        _admission.set(partial(self.admit, access, caller))
        header, credential = _credential(caller)
        if not header:
            # The console acts for whoever has signed in, and for nobody else.
            if self._deployment is not Deployment.SANDBOX or caller.service == CONSOLE:
                raise CredentialsMissing
            if access.principal is PrincipalKind.MERCHANT:
                self._limits.take(SANDBOX_MERCHANT, access)
            _principal.set(_of_sandbox(access, caller))
            return
        # A token has dots and a key has none.
        if header == BEARER_HEADER and "." in credential and not is_key_text(credential):
            principal = await self._of_token(credential, caller)
        else:
            principal = await self.of_key(credential, caller)
        _principal.set(principal)
        is_merchants = principal.merchant_id is not None
        if is_merchants != (access.principal is PrincipalKind.MERCHANT):
            raise PrincipalNotAllowed(needed=access.principal)
        if principal.merchant_id is not None:
            self._limits.take(principal.merchant_id, access, may=access.scopes <= principal.scopes)
        check_granted(access.needed_of(principal.scopes), principal.scopes)

    async def of_client(self, text: str, caller: Caller) -> Principal:
        """The principal of a key that asks for a token, which counts as one of its writes. Raises
        RateLimitExceeded, and as of_key does."""
        principal = await self.of_key(text, caller)
        if principal.merchant_id is not None:
            self._limits.take(principal.merchant_id, _TOKEN)
        return principal

    async def of_key(self, text: str, caller: Caller) -> Principal:
        """The principal of a key, given as its text. Raises NotAuthenticated, Forbidden, or
        CredentialsUnverifiable."""
        said = read_key_text(text)
        if said.is_live != (self._deployment is Deployment.LIVE):
            raise ApiKeyOfOtherDeployment
        if said.is_operators:
            operator = _proven(await self._credentials.operator_key(said.id), said)
            principal = _principal_of(operator, caller, merchant_id=None, name=operator.operator)
            # From here on it is known who is refused.
            _principal.set(principal)
            self._check(operator, caller)
            return principal
        found = await self._credentials.merchant_key(said.id)
        if found is None:
            raise ApiKeyInvalid
        return self._of_merchants_key(_proven(found[0], said), found[1], caller)

    async def _of_token(self, token: str, caller: Caller) -> Principal:
        verified = await self._tokens.verify(token)
        if verified.principal is TokenPrincipal.KEY:
            return await self._of_own_token(verified, caller)
        merchant_id = None
        if verified.principal is TokenPrincipal.MERCHANT:
            merchant = await self._credentials.merchant(verified.merchant_id)
            if merchant is None:
                raise refused("merchant", "The token names no merchant here.")
            merchant_id = self._acting(merchant)
        return _principal_from(
            CredentialKind.OPERATOR_TOKEN if merchant_id is None else CredentialKind.MERCHANT_TOKEN,
            caller,
            merchant_id=merchant_id,
            # Only an issuer of operators' tokens has roles.
            scopes=verified.scopes | scopes_of_roles(verified.roles),
            credential_id=verified.credential_id,
            name=verified.name if merchant_id is None else "",
        )

    async def _of_own_token(self, verified: Verified, caller: Caller) -> Principal:
        """A token ends with its key, and may do no more than that."""
        key_id = decode_id(Prefix.API_KEY, verified.subject)
        found = await self._credentials.merchant_key(key_id) if key_id else None
        if found is None:
            raise refused("key", "The token's own key is unknown.")
        principal = self._of_merchants_key(*found, caller)
        return replace(
            principal,
            kind=CredentialKind.MERCHANT_TOKEN,
            scopes=principal.scopes & verified.scopes,
        )

    def _of_merchants_key(self, key: MerchantKey, merchant: Merchant, caller: Caller) -> Principal:
        self._check(key, caller)
        return _principal_of(key, caller, merchant_id=self._acting(merchant), name="")

    def _acting(self, merchant: Merchant) -> MerchantId:
        """The id with which a merchant acts. Raises MerchantDisabled, also for the merchant of a
        sandbox outside of one: anybody could make its keys there."""
        is_foreign = merchant.id == SANDBOX_MERCHANT and self._deployment is not Deployment.SANDBOX
        if is_foreign or merchant.disabled_at is not None:
            raise MerchantDisabled
        return MerchantId(merchant.id)

    def _check(self, key: MerchantKey | OperatorKey, caller: Caller) -> None:
        key.check_usable(self._clock.now())
        key.check_address(caller.metadata.get(ADDRESS_HEADER, ""))
        self._credentials.note_use(key)


def _principal_of(
    key: MerchantKey | OperatorKey, caller: Caller, *, merchant_id: MerchantId | None, name: str
) -> Principal:
    principal = _principal_from(
        CredentialKind.OPERATOR_KEY if merchant_id is None else CredentialKind.MERCHANT_KEY,
        caller,
        merchant_id=merchant_id,
        scopes=key.scopes,
        credential_id=key.key_id,
        name=name,
    )
    return replace(principal, expires_at=key.expires_at, addresses=key.addresses)


def _principal_from(
    kind: CredentialKind,
    caller: Caller,
    *,
    merchant_id: MerchantId | None,
    scopes: frozenset[str],
    credential_id: str,
    name: str,
) -> Principal:
    return Principal(
        kind=kind,
        merchant_id=merchant_id,
        scopes=scopes,
        credential_id=credential_id,
        name=name,
        address=caller.metadata.get(ADDRESS_HEADER, ""),
        request_id=request_id_var.get(),
    )


def _proven(key: SomeKey | None, said: KeyText) -> SomeKey:
    """The key, whose very text was sent. Raises ApiKeyInvalid."""
    if key is None or not compare_digest(key.digest, said.digest):
        raise ApiKeyInvalid
    return key


def _of_sandbox(access: Access, caller: Caller) -> Principal:
    """A sandbox's own merchant or operator, who needs no credential."""
    is_operator = access.principal is PrincipalKind.OPERATOR
    return _principal_from(
        CredentialKind.SANDBOX,
        caller,
        merchant_id=None if is_operator else SANDBOX_MERCHANT,
        scopes=scopes_of(access.principal),
        credential_id="",
        name=sandbox.FIRST if is_operator else "sandbox",
    )


def _credential(caller: Caller) -> tuple[str, str]:
    """The header of the credential that was sent, and the credential; both are empty where none
    was. Raises CredentialsAmbiguous."""
    # An empty one is a credential too, and a bad one: nobody means it.
    sent = [(name, value) for name, value in caller.pairs if name in CREDENTIAL_HEADERS]
    # The gateway writes a header that came twice as one, with a comma; no credential has any.
    if len(sent) > 1 or any("," in str(value) for _, value in sent):
        raise CredentialsAmbiguous
    if not sent:
        return "", ""
    name, value = sent[0]
    text = str(value).strip()
    if name != BEARER_HEADER:
        return name, text
    if text[: len(_BEARER)].lower() != _BEARER:
        raise ApiKeyInvalid("The header authorization must be `Bearer` and an API key or a token.")
    return name, text[len(_BEARER) :].strip()
