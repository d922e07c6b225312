"""The principal of each call. Every call, by REST or native gRPC alike, is authenticated before its
message is read, and its principal is kept for the servicer. A sandbox takes a call without a
credential, and refuses a bad one as any other deployment does."""

from contextvars import ContextVar
from hmac import compare_digest
from typing import TypeVar

from services.payments.merchants.domain import (
    ApiKeyInvalid,
    ApiKeyOfOtherDeployment,
    CredentialsAmbiguous,
    CredentialsMissing,
    Key,
    MerchantDisabled,
    MerchantKey,
    OperatorKey,
    PrincipalNotAllowed,
    check_granted,
)
from services.payments.merchants.key_text import KeyText, read_key_text
from services.payments.merchants.ports import Credentials
from services.payments.model.principal import CredentialKind, MerchantId, Principal
from services.shared.clock import Clock
from services.shared.contract import Access, PrincipalKind, scopes_of
from services.shared.deployment import Deployment
from services.shared.grpc_calls import Caller
from services.shared.telemetry import request_id_var

SANDBOX_MERCHANT = MerchantId("sandbox")
CREDENTIAL_HEADERS = ("authorization", "x-api-key")
# The gateway sets it to the address of the client, whatever the client sent.
ADDRESS_HEADER = "x-client-address"
_BEARER = "bearer "
# Calls for which no credential is read: a provider signs its event instead.
_OPEN = (PrincipalKind.PROVIDER_EVENT, PrincipalKind.ANYONE)

SomeKey = TypeVar("SomeKey", bound=Key)
_principal: ContextVar[Principal] = ContextVar("principal")


def acting_principal() -> Principal:
    """The principal of the call that is being answered. Raises LookupError outside of a call."""
    return _principal.get()


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

    def __init__(self, credentials: Credentials, clock: Clock, *, deployment: Deployment) -> None:
        self._credentials = credentials
        self._clock = clock
        self._deployment = deployment

    async def admit(self, access: Access, caller: Caller) -> None:
        """Admits a call by the access that it needs. Raises NotAuthenticated, Forbidden, or
        CredentialsUnverifiable."""
        if access.principal in _OPEN:
            return
        credential = _credential(caller)
        if not credential:
            if self._deployment is not Deployment.SANDBOX:
                raise CredentialsMissing
            _principal.set(_of_sandbox(access, caller))
            return
        principal = await self._of_key(credential, caller)
        is_merchants = principal.merchant_id is not None
        if is_merchants != (access.principal is PrincipalKind.MERCHANT):
            raise PrincipalNotAllowed(needed=access.principal)
        check_granted(access.scopes, principal.scopes)
        _principal.set(principal)

    async def _of_key(self, text: str, caller: Caller) -> Principal:
        said = read_key_text(text)
        if said.is_live != (self._deployment is Deployment.LIVE):
            raise ApiKeyOfOtherDeployment
        if said.is_operators:
            operator = _proven(await self._credentials.operator_key(said.id), said)
            self._check(operator, caller)
            return _principal_of(operator, caller, merchant_id=None, name=operator.operator)
        found, merchant = await self._credentials.merchant_key(said.id) or (None, None)
        key = _proven(found, said)
        self._check(key, caller)
        if merchant is None or merchant.disabled_at is not None:
            raise MerchantDisabled
        return _principal_of(key, caller, merchant_id=MerchantId(merchant.id), name="")

    def _check(self, key: MerchantKey | OperatorKey, caller: Caller) -> None:
        key.check_usable(self._clock.now())
        key.check_address(caller.metadata.get(ADDRESS_HEADER, ""))
        self._credentials.note_use(key)


def _principal_of(
    key: MerchantKey | OperatorKey, caller: Caller, *, merchant_id: MerchantId | None, name: str
) -> Principal:
    kind = CredentialKind.OPERATOR_KEY if merchant_id is None else CredentialKind.MERCHANT_KEY
    return Principal(
        kind=kind,
        merchant_id=merchant_id,
        scopes=key.scopes,
        credential_id=key.key_id,
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
    return Principal(
        kind=CredentialKind.SANDBOX,
        merchant_id=SANDBOX_MERCHANT,
        scopes=scopes_of(access.principal),
        name="sandbox",
        address=caller.metadata.get(ADDRESS_HEADER, ""),
        request_id=request_id_var.get(),
    )


def _credential(caller: Caller) -> str:
    """The credential that was sent; empty where none was. Raises CredentialsAmbiguous."""
    sent = [(name, value) for name, value in caller.pairs if name in CREDENTIAL_HEADERS and value]
    # The gateway writes a header that came twice as one, with a comma; no credential has any.
    if len(sent) > 1 or any("," in str(value) for _, value in sent):
        raise CredentialsAmbiguous
    if not sent:
        return ""
    name, value = sent[0]
    text = str(value).strip()
    if name == "x-api-key":
        return text
    if text[: len(_BEARER)].lower() != _BEARER:
        raise ApiKeyInvalid("The header authorization must be `Bearer` and the API key.")
    return text[len(_BEARER) :].strip()
